// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/fuzz.h"

using namespace keymedic::kms::readers;  // NOLINT: a program of one function

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  FuzzLines(
      View(data, size), [](absl::string_view) { return true; },
      [](const Lines& lines, size_t at, Sink& sink) {
        return static_cast<size_t>(ReadHeading(lines[at].text, sink));
      });
  return 0;
}
