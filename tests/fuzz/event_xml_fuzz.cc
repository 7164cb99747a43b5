// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/fuzz.h"

using namespace keymedic::kms::readers;  // NOLINT: a program of one function

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Sink sink("input");
  ReadEventXml(View(data, size), 1, sink);
  for (const Piece& piece : sink.pieces())
    Require(!piece.events.empty() || piece.only_events, "an event or nothing");
  return 0;
}
