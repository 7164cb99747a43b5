// SPDX-License-Identifier: Apache-2.0
#include "controller/remediation/states.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "controller/remediation/maintenance.h"

namespace keymedic::controller {
namespace {

constexpr std::array<absl::string_view, 4> kPhases = {"check", "apply", "look", "undo"};

absl::Status BadPolicy(absl::string_view field, double value, absl::string_view wanted) {
  return absl::InvalidArgumentError(
      absl::StrCat("rollout policy: ", field, " is ", value, "; it must be ", wanted));
}

absl::Status CompleteTimeout(google::protobuf::Duration& timeout, int default_seconds,
                             absl::string_view field) {
  if (timeout.seconds() == 0 && timeout.nanos() == 0) timeout.set_seconds(default_seconds);
  if (timeout.seconds() < 0 || timeout.nanos() < 0) {
    return BadPolicy(field, timeout.seconds(), "a positive duration");
  }
  return absl::OkStatus();
}

}  // namespace

bool AwaitsRestart(const v1::Target& target) {
  return target.state() == v1::TARGET_STATE_RUNNING &&
         target.current_step() < static_cast<uint32_t>(target.steps_size()) &&
         target.steps(static_cast<int>(target.current_step())).awaits_restart();
}

std::string OutcomeName(v1::Outcome outcome) {
  return std::string(absl::StripPrefix(v1::Outcome_Name(outcome), "OUTCOME_"));
}

void FillTotals(v1::Remediation& remediation) {
  remediation.clear_totals();
  for (const v1::Target& target : remediation.targets()) {
    ++(*remediation.mutable_totals())[StateName(target.state())];
  }
}

uint32_t BudgetOf(const v1::Remediation& remediation) {
  const v1::ErrorBudget& budget = remediation.policy().error_budget();
  if (budget.has_absolute()) return std::max(1u, budget.absolute());
  const double units = std::ceil(budget.percent() * remediation.targets_size() / 100.0);
  return std::max(1u, static_cast<uint32_t>(units));
}

absl::Status CompletePolicy(v1::RolloutPolicy& policy) {
  if (policy.canary() == 0) policy.set_canary(1);
  if (policy.first_wave() == 0) policy.set_first_wave(10);
  if (policy.growth() == 0) policy.set_growth(3);
  if (policy.concurrency() == 0) policy.set_concurrency(50);
  if (policy.error_budget().kind_case() == v1::ErrorBudget::KIND_NOT_SET) {
    policy.mutable_error_budget()->set_percent(20);
  }
  if (!(policy.growth() >= 1 && policy.growth() <= 1000)) {
    return BadPolicy("growth", policy.growth(), "from 1 to 1000");
  }
  const double percent = policy.error_budget().percent();
  if (policy.error_budget().has_percent() && !(percent >= 0 && percent <= 100)) {
    return BadPolicy("error_budget.percent", percent, "from 0 to 100");
  }
  absl::Status status =
      CompleteTimeout(*policy.mutable_step_timeout(), 5 * 60, "step_timeout (seconds)");
  status.Update(
      CompleteTimeout(*policy.mutable_verify_timeout(), 2 * 60, "verify_timeout (seconds)"));
  const auto step_seconds = static_cast<int>(policy.step_timeout().seconds());
  status.Update(
      CompleteTimeout(*policy.mutable_queue_timeout(), step_seconds, "queue_timeout (seconds)"));
  status.Update(CompleteTimeout(*policy.mutable_soak(), 0, "soak (seconds)"));
  if (policy.health().empty()) {
    policy.add_health(v1::HEALTH_CONDITION_STAYS_CURED);
    policy.add_health(v1::HEALTH_CONDITION_NO_NEW_CRITICAL);
    policy.add_health(v1::HEALTH_CONDITION_CONNECTED);
  }
  status.Update(CheckWindows(policy));
  return status;
}

std::string CommandId::ToString() const {
  return absl::StrCat(remediation, "/", target, "/", step, "/", kPhases[static_cast<int>(phase)],
                      attempt);
}

bool CommandId::IsFor(const v1::Remediation& remediation, absl::string_view machine_id) const {
  return target < static_cast<uint32_t>(remediation.targets_size()) &&
         remediation.targets(static_cast<int>(target)).machine_id() == machine_id;
}

std::optional<CommandId> CommandId::Parse(absl::string_view text) {
  const std::vector<absl::string_view> parts = absl::StrSplit(text, '/');
  CommandId id;
  if (parts.size() != 4 || !absl::SimpleAtoi(parts[1], &id.target) ||
      !absl::SimpleAtoi(parts[2], &id.step)) {
    return std::nullopt;
  }
  id.remediation = std::string(parts[0]);
  for (size_t i = 0; i < kPhases.size(); ++i) {
    absl::string_view rest = parts[3];
    if (!absl::ConsumePrefix(&rest, kPhases[i])) continue;
    id.phase = static_cast<Phase>(i);
    if (absl::SimpleAtoi(rest, &id.attempt)) return id;
  }
  return std::nullopt;
}

}  // namespace keymedic::controller
