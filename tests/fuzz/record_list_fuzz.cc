// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/fuzz.h"

using namespace keymedic::kms::readers;  // NOLINT: a program of one function

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  size_t looked = 0;
  FuzzLines(View(data, size), &StartsRecordList, [&](const Lines& lines, size_t at, Sink& sink) {
    return ReadRecordList(lines, at, looked, sink);
  });
  return 0;
}
