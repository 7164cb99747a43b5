// SPDX-License-Identifier: Apache-2.0
//
// Who is at the other end, as the verified client certificate says. Values; any thread.
#ifndef KEYMEDIC_CONTROLLER_TRUST_IDENTITY_H_
#define KEYMEDIC_CONTROLLER_TRUST_IDENTITY_H_

#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace keymedic::controller {

// In growing order: who may do a thing of a lower role may do it with a higher one. A machine
// stands beside the operators, not among them.
enum class Role { kNone, kMachine, kViewer, kOperator, kApprover, kAdmin };
absl::string_view RoleName(Role role);

struct Identity {
  std::string uri;          // SPIFFE id; empty without a certificate
  Role role = Role::kNone;  // kNone also for an identity that is not of KeyMedic's
  std::string name;         // machine id, or the operator's name
  // Of the certificate; known of machines only.
  absl::Time issued_at = absl::InfinitePast();
};

Identity ParseIdentity(absl::string_view uri);
std::string MachineUri(absl::string_view machine_id);
std::string OperatorUri(Role role, absl::string_view name);
inline constexpr char kControllerUri[] = "spiffe://keymedic/controller";

// What may stand in an identity and in store keys: 1 to 64 of [A-Za-z0-9._-], beginning with a
// letter or digit.
bool IsValidId(absl::string_view id);

}  // namespace keymedic::controller

#endif  // KEYMEDIC_CONTROLLER_TRUST_IDENTITY_H_
