// SPDX-License-Identifier: Apache-2.0
//
// The inbound exception of a KMS host. Windows brings the rule SPPSVC-In-TCP, switched off and for
// the default port only; for other ports, and where that rule was deleted, KeyMedic adds its own.
// Rules are known by identities that are never translated.
#ifndef KEYMEDIC_PLUGINS_KMS_HOST_FIREWALL_EXCEPTION_H_
#define KEYMEDIC_PLUGINS_KMS_HOST_FIREWALL_EXCEPTION_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "plugins/roles/action.h"
#include "plugins/systems/systems.h"

namespace keymedic {

inline constexpr char kOwnRule[] = "KeyMedic-KMS-In-TCP";

// Desired: some enabled rule lets TCP `port` in on the active profile. `firewall` outlives the
// plan. kFailedPrecondition where no rule of ours could: group policy ignores local rules, or
// another rule blocks the port.
absl::StatusOr<roles::Plan> PlanFirewallException(systems::Firewall& firewall, uint32_t port);
// The inverse where a rule of ours had to make room. Desired: that rule, with its old port and
// state.
absl::StatusOr<roles::Plan> PlanOwnRule(systems::Firewall& firewall, uint32_t port, bool enabled);
// The inverse elsewhere. Desired: `rule` (empty: the one of Windows) lets nothing in. Only these
// two rules.
absl::StatusOr<roles::Plan> PlanFirewallClosing(systems::Firewall& firewall, std::string rule);

}  // namespace keymedic

#endif  // KEYMEDIC_PLUGINS_KMS_HOST_FIREWALL_EXCEPTION_H_
