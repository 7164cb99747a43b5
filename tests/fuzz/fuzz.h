// SPDX-License-Identifier: Apache-2.0
//
// What the fuzz targets of the readers share: bytes to lines as `keymedic diagnose` makes them, and
// what must hold of whatever a reader found. A target that breaks a promise aborts, which libFuzzer
// reports with the input that did it.
#ifndef KEYMEDIC_TESTS_FUZZ_FUZZ_H_
#define KEYMEDIC_TESTS_FUZZ_FUZZ_H_

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "absl/strings/string_view.h"
#include "base/product_key.h"
#include "kms/readers/readers.h"

namespace keymedic::kms::readers {

inline void Require(bool holds, const char* promise) {
  if (holds) return;
  std::fprintf(stderr, "broken promise: %s\n", promise);
  std::abort();
}

inline absl::string_view View(const uint8_t* data, size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

inline void RequireNoKey(const google::protobuf::Message& message) {
  const std::string text = message.DebugString();
  Require(RedactProductKeys(text) == text, "no whole product key comes out of a reader");
}

inline void RequireNoKeys(Sink& sink) {
  for (const Piece& piece : sink.pieces()) {
    if (piece.state.licensing) RequireNoKey(*piece.state.licensing);
    if (piece.state.client) RequireNoKey(*piece.state.client);
    if (piece.state.host) RequireNoKey(*piece.state.host);
    if (piece.state.names) RequireNoKey(*piece.state.names);
    for (const v1::EventRecord& event : piece.events) RequireNoKey(event);
  }
  for (const v1::Unread& unread : sink.unread()) RequireNoKey(unread);
}

// Asks a reader at every line where its kind starts; `read` gives how many lines it took.
template <typename Starts, typename Read>
void FuzzLines(absl::string_view bytes, Starts starts, Read read) {
  if (!WhyNotText(bytes).empty()) return;
  Document document;
  Decode(bytes, document);
  TidyLayout(document);
  Sink sink("input");
  for (size_t at = 0; at < document.lines.size();) {
    const size_t left = document.lines.size() - at;
    const size_t taken = starts(document.lines[at].text) ? read(document.lines, at, sink) : 0;
    Require(taken <= left, "a reader takes no more lines than there are");
    at += taken == 0 ? 1 : taken;
  }
  RequireNoKeys(sink);
}

}  // namespace keymedic::kms::readers

#endif  // KEYMEDIC_TESTS_FUZZ_FUZZ_H_
