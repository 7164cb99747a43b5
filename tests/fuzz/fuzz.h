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
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "base/product_key.h"
#include "google/protobuf/message.h"
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

inline void RequireNoKey(const std::string& text) {
  // A name is read in lower case, also one that a key was taken out of.
  Require(absl::EqualsIgnoreCase(RedactProductKeys(text), text),
          "no whole product key comes out of a reader");
}

// Looks at each text as it is: escaped ("\tABCD-…"), the end of an escape is taken for the
// beginning of a key.
inline void RequireNoKey(const google::protobuf::Message& message) {
  using google::protobuf::FieldDescriptor;
  const auto* reflection = message.GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection->ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    const bool text = field->cpp_type() == FieldDescriptor::CPPTYPE_STRING;
    if (!text && field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) continue;
    const int count = field->is_repeated() ? reflection->FieldSize(message, field) : -1;
    if (count < 0 && text) RequireNoKey(reflection->GetString(message, field));
    if (count < 0 && !text) RequireNoKey(reflection->GetMessage(message, field));
    for (int i = 0; i < count; ++i) {
      if (text) RequireNoKey(reflection->GetRepeatedString(message, field, i));
      if (!text) RequireNoKey(reflection->GetRepeatedMessage(message, field, i));
    }
  }
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
