// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/fuzz.h"

using namespace keymedic::kms::readers;  // NOLINT: a program of one function

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Document document;
  Decode(View(data, size), document);
  Sink sink("input");
  ReadEventJson(document.text, 1, sink);
  RequireNoKeys(sink);
  return 0;
}
