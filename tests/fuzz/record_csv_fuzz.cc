// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/fuzz.h"

using namespace keymedic::kms::readers;  // NOLINT: a program of one function

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Document document;
  Decode(View(data, size), document);
  Sink sink("input");
  if (StartsCsv(absl::string_view(document.text).substr(0, document.text.find(0x0A))))
    Require(ReadCsv(document.text, 0, 1, sink) <= document.text.size(),
            "a reader takes no more than there is");
  RequireNoKeys(sink);
  return 0;
}
