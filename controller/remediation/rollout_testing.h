// SPDX-License-Identifier: Apache-2.0
//
// For tests only: remediations without a planner, and what machines answer.
#ifndef KEYMEDIC_CONTROLLER_REMEDIATION_ROLLOUT_TESTING_H_
#define KEYMEDIC_CONTROLLER_REMEDIATION_ROLLOUT_TESTING_H_

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "controller/remediation/rollout.h"
#include "controller/remediation/states.h"

namespace keymedic::controller {

inline const absl::Time kStart = absl::FromUnixSeconds(1'800'000'000);

// `waves` names the wave of each target; each has one step and one finding.
inline v1::Remediation MakeRemediation(std::vector<uint32_t> waves, uint32_t budget,
                                       int steps = 1) {
  v1::Remediation remediation;
  remediation.set_id("r-1");
  remediation.mutable_policy()->mutable_error_budget()->set_absolute(budget);
  EXPECT_TRUE(CompletePolicy(*remediation.mutable_policy()).ok());
  for (size_t i = 0; i < waves.size(); ++i) {
    v1::Target& target = *remediation.add_targets();
    target.set_machine_id(absl::StrCat("m", i));
    target.set_display_name(absl::StrCat("pc-", i));
    target.set_wave(waves[i]);
    target.set_state(v1::TARGET_STATE_PENDING);
    target.add_finding_codes("BROKEN");
    for (int step = 0; step < steps; ++step) {
      target.add_steps()->set_action(absl::StrCat("ensure_", step));
      target.mutable_steps(step)->set_check_digest("d");
    }
  }
  return remediation;
}

inline v1::CommandResult Answer(const Rollout::Send& send, v1::Outcome outcome,
                                std::string inverse = "") {
  v1::CommandResult result;
  result.set_command_id(send.command.id());
  result.set_outcome(outcome);
  if (!inverse.empty()) result.mutable_inverse()->set_action(inverse);
  return result;
}

inline std::string StateOf(const Rollout& rollout, int target) {
  return StateName(rollout.remediation().targets(target).state());
}

// Steps done, look done, healthy.
inline Rollout::Effects Succeed(Rollout& rollout, const Rollout::Send& send, absl::Time now) {
  Rollout::Effects effects = rollout.Result(Answer(send, v1::OUTCOME_CHANGED), now);
  EXPECT_EQ(effects.looks.size(), 1u);
  const std::string machine = rollout.remediation().targets(send.target).machine_id();
  return rollout.Collected(machine, effects.looks.at(0).collect_id, {}, now);
}

}  // namespace keymedic::controller

#endif  // KEYMEDIC_CONTROLLER_REMEDIATION_ROLLOUT_TESTING_H_
