// SPDX-License-Identifier: Apache-2.0
//
// From what is found to what would be done: which machines, which steps in which order, what has to
// come first, and what cannot be treated and why. Pure functions, any thread.
//
//   Draft draft = *DraftPlan(request, view);   // no machine has been asked
//   ... CheckRun asks each machine what its steps would change ...
//   FinishPlan(draft);                         // drops what CHECK refused; order, waves, hash
#ifndef KEYMEDIC_CONTROLLER_REMEDIATION_PLANNER_H_
#define KEYMEDIC_CONTROLLER_REMEDIATION_PLANNER_H_

#include <functional>
#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "controller/fleet/fleet_port.h"
#include "keymedic/v1/remediation_service.pb.h"
#include "kms/tables.h"

namespace keymedic::controller {

// The one action that is an attempt and not a state: it comes last and depends on all before it.
inline constexpr absl::string_view kActivate = "activate";

struct EstateView {
  std::vector<FleetPort::MachineInfo> machines;
  std::vector<v1::Finding> findings;  // folded
  std::span<const kms::TreatmentRow> treatments;
  // Why this action is not to be tried again on this machine for this finding; "": it may be.
  std::function<std::string(const v1::Finding& finding, const std::string& machine_id,
                            const std::string& action)>
      why_not_again = nullptr;
  // Is there what this action needs on this machine beside its parameters? kNotFound: not stored.
  std::function<absl::Status(const std::string& machine_id, const std::string& action)> secrets =
      nullptr;
};

struct Draft {
  v1::Remediation remediation;
  // By machine id: what its target is for.
  std::map<std::string, std::vector<v1::Finding>> findings;
  // Targets that suffer from a cause which this plan does not treat: activating helps them only
  // after another step has changed something.
  std::set<std::string> needs_change;
  // By machine id: why CHECK excludes it. Filled by CheckRun.
  std::map<std::string, std::string> refused;
};

// `only`: nothing but these machines, by id; null: whatever the selector names.
// kInvalidArgument: the selector, a label in it that no machine carries, an action's name, the
// policy. kFailedPrecondition: nothing to treat, or more targets than expected; the message says
// both numbers.
absl::StatusOr<Draft> DraftPlan(const v1::PlanRemediationRequest& request, const EstateView& view,
                                const std::set<std::string>* only = nullptr);

void FinishPlan(Draft& draft);

// Cuts the targets behind wave 0 into the canary and growing waves, as the policy says.
void AssignWaves(v1::Remediation& remediation);

// Over targets, steps and CHECK's answers; not over waves, states or names.
std::string PlanHash(const v1::Remediation& remediation);

}  // namespace keymedic::controller

#endif  // KEYMEDIC_CONTROLLER_REMEDIATION_PLANNER_H_
