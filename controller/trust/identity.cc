// SPDX-License-Identifier: Apache-2.0
#include "controller/trust/identity.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace keymedic::controller {

absl::string_view RoleName(Role role) {
  switch (role) {
    case Role::kMachine:
      return "machine";
    case Role::kViewer:
      return "viewer";
    case Role::kOperator:
      return "operator";
    case Role::kApprover:
      return "approver";
    case Role::kAdmin:
      return "admin";
    case Role::kNone:
      break;
  }
  return "none";
}

Identity ParseIdentity(absl::string_view uri) {
  Identity identity{.uri = std::string(uri)};
  absl::string_view rest = uri;
  if (absl::ConsumePrefix(&rest, "spiffe://keymedic/machine/")) {
    if (IsValidId(rest)) {
      identity.role = Role::kMachine;
      identity.name = std::string(rest);
    }
  } else if (absl::ConsumePrefix(&rest, "spiffe://keymedic/operator/")) {
    const std::pair<absl::string_view, absl::string_view> parts =
        absl::StrSplit(rest, absl::MaxSplits('/', 1));
    for (Role role : {Role::kViewer, Role::kOperator, Role::kApprover, Role::kAdmin}) {
      if (parts.first == RoleName(role) && IsValidId(parts.second)) {
        identity.role = role;
        identity.name = std::string(parts.second);
      }
    }
  }
  return identity;
}

std::string MachineUri(absl::string_view machine_id) {
  return absl::StrCat("spiffe://keymedic/machine/", machine_id);
}

std::string OperatorUri(Role role, absl::string_view name) {
  return absl::StrCat("spiffe://keymedic/operator/", RoleName(role), "/", name);
}

bool IsValidId(absl::string_view id) {
  return !id.empty() && id.size() <= 64 && absl::ascii_isalnum(id.front()) &&
         std::all_of(id.begin(), id.end(), [](char c) {
           return absl::ascii_isalnum(c) || c == '-' || c == '_' || c == '.';
         });
}

}  // namespace keymedic::controller
