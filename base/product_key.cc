// SPDX-License-Identifier: Apache-2.0
#include "base/product_key.h"

#include <openssl/crypto.h>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace keymedic {
namespace {

constexpr size_t kGroupLength = 5;
constexpr size_t kKeyLength = 29;  // five groups, four hyphens

bool IsKeyAt(absl::string_view text, size_t at) {
  if (text.size() - at < kKeyLength) return false;
  for (size_t i = 0; i < kKeyLength; ++i) {
    const char c = text[at + i];
    if (i % 6 == 5 ? c != '-' : !absl::ascii_isalnum(c)) return false;
  }
  return true;
}

}  // namespace

absl::StatusOr<ProductKey> ProductKey::Parse(absl::string_view text) {
  text = absl::StripAsciiWhitespace(text);
  if (text.size() != kKeyLength || !IsKeyAt(text, 0)) {
    return absl::InvalidArgumentError(
        "not a product key: expected five groups of five letters or digits, "
        "XXXXX-XXXXX-XXXXX-XXXXX-XXXXX");
  }
  return ProductKey(absl::AsciiStrToUpper(text));
}

ProductKey::~ProductKey() { OPENSSL_cleanse(key_.data(), key_.size()); }

std::string RedactProductKeys(absl::string_view text) {
  std::string out;
  out.reserve(text.size());
  size_t done = 0;
  // A key shows by its first hyphen, behind the first group; other text is copied as a whole.
  for (size_t hyphen = text.find('-'); hyphen != absl::string_view::npos;) {
    size_t next = hyphen + 1;
    if (hyphen >= done + kGroupLength) {
      const size_t at = hyphen - kGroupLength;
      const size_t end = at + kKeyLength;
      // Also within a longer word: whoever cuts the text later would bare it.
      if (IsKeyAt(text, at)) {
        absl::StrAppend(&out, text.substr(done, at - done), "XXXXX-XXXXX-XXXXX-XXXXX-",
                        text.substr(end - kGroupLength, kGroupLength));
        done = next = end;
      }
    }
    hyphen = text.find('-', next);
  }
  absl::StrAppend(&out, text.substr(done));
  return out;
}

}  // namespace keymedic
