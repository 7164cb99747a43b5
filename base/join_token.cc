// SPDX-License-Identifier: Apache-2.0
#include "base/join_token.h"

#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace keymedic {
namespace {

bool IsHex(absl::string_view text, size_t length) {
  return text.size() == length && std::all_of(text.begin(), text.end(), absl::ascii_isxdigit);
}

}  // namespace

std::string JoinToken::ToString() const {
  return absl::StrCat("km1.", id, ".", secret, ".", ca_sha256);
}

absl::StatusOr<JoinToken> JoinToken::Parse(absl::string_view text) {
  const std::vector<std::string> parts = absl::StrSplit(absl::StripAsciiWhitespace(text), '.');
  if (parts.size() != 4 || parts[0] != "km1") {
    return absl::InvalidArgumentError(
        "not a join token: it must look like km1.ID.SECRET.FINGERPRINT; make one with `keymedic "
        "tokens create`");
  }
  if (parts[1].empty() || !IsHex(parts[2], 32) || !IsHex(parts[3], 64)) {
    return absl::InvalidArgumentError(
        "the join token is damaged: a part of it is missing or cut short; copy it whole");
  }
  return JoinToken{
      .id = parts[1], .secret = parts[2], .ca_sha256 = absl::AsciiStrToLower(parts[3])};
}

}  // namespace keymedic
