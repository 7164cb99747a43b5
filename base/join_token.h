// SPDX-License-Identifier: Apache-2.0
//
// What an administrator hands to a machine so that it may join: "km1.<token id>.<secret>.<sha256 of
// the certificate authority>". The controller keeps only the secret's hash; the last part lets the
// agent recognise its controller before it trusts anything.
#ifndef KEYMEDIC_BASE_JOIN_TOKEN_H_
#define KEYMEDIC_BASE_JOIN_TOKEN_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace keymedic {

struct JoinToken {
  std::string id;
  std::string secret;     // hex, 32 digits
  std::string ca_sha256;  // hex, 64 digits

  std::string ToString() const;
  // The error names what is wrong but never repeats the text.
  static absl::StatusOr<JoinToken> Parse(absl::string_view text);
};

}  // namespace keymedic

#endif  // KEYMEDIC_BASE_JOIN_TOKEN_H_
