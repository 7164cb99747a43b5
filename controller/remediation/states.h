// SPDX-License-Identifier: Apache-2.0
//
// What the states of targets and remediations mean, and how commands are called. Pure functions,
// any thread.
#ifndef KEYMEDIC_CONTROLLER_REMEDIATION_STATES_H_
#define KEYMEDIC_CONTROLLER_REMEDIATION_STATES_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "base/remediation_states.h"
#include "keymedic/v1/remediation_service.pb.h"

namespace keymedic::controller {

// Its present step is done, but for a restart of the machine that is on its way.
bool AwaitsRestart(const v1::Target& target);
// What it waits for shows when it is looked at, again and again.
inline bool IsLookedAt(const v1::Target& target) {
  return target.state() == v1::TARGET_STATE_VERIFYING || AwaitsRestart(target);
}
// Its work is over. An aborted remediation ends when its last target in flight does.
inline bool IsEnded(const v1::Remediation& remediation) { return remediation.has_ended_at(); }

// "CHANGED".
std::string OutcomeName(v1::Outcome outcome);

// The states that occur among `remediation.targets`, counted, into `remediation.totals`.
void FillTotals(v1::Remediation& remediation);
// Units of the budget: absolute, or percent of all targets rounded up; at least 1.
uint32_t BudgetOf(const v1::Remediation& remediation);
// Fills in what is not set; kInvalidArgument naming a field and its value.
absl::Status CompletePolicy(v1::RolloutPolicy& policy);

// A command's id says what it is for, so a result finds its way and a restart needs no index:
// "r-5d41402abc/17/2/apply1": target 17, step 2, first attempt.
enum class Phase { kCheck, kApply, kLook, kUndo };
struct CommandId {
  std::string remediation;
  uint32_t target = 0;
  uint32_t step = 0;
  Phase phase = Phase::kApply;
  uint32_t attempt = 1;

  std::string ToString() const;
  // The machine is the one that was asked: another has no say in it.
  bool IsFor(const v1::Remediation& remediation, absl::string_view machine_id) const;
  static std::optional<CommandId> Parse(absl::string_view text);
};

}  // namespace keymedic::controller

#endif  // KEYMEDIC_CONTROLLER_REMEDIATION_STATES_H_
