// SPDX-License-Identifier: Apache-2.0
//
// One chunk of an exported event log, behind a header that asks for no checksums.
#include "tests/fuzz/fuzz.h"

using namespace keymedic::kms::readers;  // NOLINT: a program of one function

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string log("ElfFile\0", 8);
  log.resize(4096);
  log[120] = 4;
  log.append(reinterpret_cast<const char*>(data), size);
  Sink sink("input");
  ReadEvtx(log, sink);
  for (const Piece& piece : sink.pieces()) Require(piece.only_events, "an event log holds events");
  RequireNoKeys(sink);
  return 0;
}
