// SPDX-License-Identifier: Apache-2.0
//
// From pasted bytes to lines: Windows writes UTF-16 as readily as UTF-8 or a code page, and people
// cut, redirect and mail it. All functions are pure and take any bytes.
#ifndef KEYMEDIC_KMS_READERS_TEXT_H_
#define KEYMEDIC_KMS_READERS_TEXT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace keymedic::kms::readers {

// More than this is refused: no licence report or event export for people is near it.
inline constexpr size_t kMaxBytes = 64u << 20;
inline constexpr size_t kMaxLines = 1u << 20;
inline constexpr size_t kMaxLineBytes = 16u << 10;  // a longer line is read up to here

struct Line {
  uint32_t number = 0;     // 1 based
  absl::string_view text;  // without what ends it, trimmed on the right
};

// One capture as UTF-8. `lines` point into `text`: keep a Document where it is.
struct Document {
  Document() = default;
  Document(const Document&) = delete;
  Document& operator=(const Document&) = delete;

  std::string text;
  std::vector<Line> lines;
  bool cut = false;  // had more than kMaxLines
};

// Why these bytes are no text, in words for people; empty if they are.
std::string WhyNotText(absl::string_view bytes);

// UTF-8 and UTF-16 (with or without a byte order mark); other bytes as a code page, of which only
// the ASCII part is certain. Full-width colons and brackets become ASCII, no-break spaces become
// spaces, direction marks go, product keys are redacted.
void Decode(absl::string_view bytes, Document& document);

// Another text for the document, of the same lines.
void SetText(std::string text, Document& document);

// As Decode does it, without the redaction.
std::string FromUtf16(absl::string_view bytes, bool big_endian);

// At most `limit` bytes, never half a character.
absl::string_view Excerpt(absl::string_view text, size_t limit);

}  // namespace keymedic::kms::readers

#endif  // KEYMEDIC_KMS_READERS_TEXT_H_
