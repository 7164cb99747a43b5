// SPDX-License-Identifier: Apache-2.0
#include "base/product_key.h"

#include <openssl/crypto.h>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace keymedic {
namespace {

constexpr size_t kKeyLength = 29;  // five groups of five, four hyphens

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
  size_t i = 0;
  while (i < text.size()) {
    const bool starts_a_word = i == 0 || !absl::ascii_isalnum(text[i - 1]);
    if (starts_a_word && IsKeyAt(text, i) &&
        (i + kKeyLength == text.size() || !absl::ascii_isalnum(text[i + kKeyLength]))) {
      out += "XXXXX-XXXXX-XXXXX-XXXXX-";
      absl::StrAppend(&out, text.substr(i + kKeyLength - 5, 5));
      i += kKeyLength;
    } else {
      out += text[i++];
    }
  }
  return out;
}

}  // namespace keymedic
