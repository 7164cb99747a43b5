// SPDX-License-Identifier: Apache-2.0
//
// The whole: what begins when, the budget, pausing and ending. One target's way is in
// rollout_target.cc.
#include "controller/remediation/rollout.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/times.h"
#include "controller/remediation/rollout_changes.h"
#include "controller/remediation/states.h"

namespace keymedic::controller {
namespace {

// How long a target may be in its state, which is not its end.
absl::Time DeadlineOf(const v1::Target& target, const v1::RolloutPolicy& policy, absl::Time now) {
  const absl::Duration own = FromDuration(target.verify_within());
  if (target.state() == v1::TARGET_STATE_VERIFYING) {
    return now + std::max(own, FromDuration(policy.verify_timeout()));
  }
  if (AwaitsRestart(target)) return now + std::max(own, FromDuration(policy.step_timeout()));
  if (target.state() != v1::TARGET_STATE_QUEUED_OFFLINE) {
    return now + FromDuration(policy.step_timeout());
  }
  if (policy.has_queue_until()) return FromTimestamp(policy.queue_until());
  return now + FromDuration(policy.queue_timeout());
}

}  // namespace

Rollout::Rollout(v1::Remediation remediation, UtcOffsetMinutesOf utc_offset_of)
    : remediation_(std::move(remediation)),
      utc_offset_of_(std::move(utc_offset_of)),
      budget_(BudgetOf(remediation_)) {
  for (int i = 0; i < remediation_.targets_size(); ++i) {
    const v1::Target& target = remediation_.targets(i);
    by_machine_[target.machine_id()] = i;
    losses_ += IsLoss(target.state());
    ++totals_[target.state()];
    if (IsInFlight(target.state())) {
      flight_.insert(i);
      CountCrowds(target, /*enters=*/true);
    }
    if (target.state() == v1::TARGET_STATE_PENDING) pending_.insert(i);
    if (target.state() == v1::TARGET_STATE_QUEUED_OFFLINE) queued_.insert(i);
    if (target.has_state_deadline()) deadlines_.Set(i, FromTimestamp(target.state_deadline()));
    if (IsLookedAt(target)) looking_[i];
  }
  last_wave_ = LastWave();
}

bool Rollout::ended() const { return IsEnded(remediation_); }

void Rollout::SetState(uint32_t index, v1::TargetState state, Changes& changes) {
  v1::Target& target = this->target(index);
  pending_.erase(index);
  queued_.erase(index);
  if (flight_.erase(index) > 0) CountCrowds(target, /*enters=*/false);
  looking_.erase(index);
  for (Due* due : {&deadlines_, &looks_, &window_turns_}) due->Clear(index);
  --totals_[target.state()];
  ++totals_[state];
  losses_ += static_cast<uint32_t>(IsLoss(state)) - static_cast<uint32_t>(IsLoss(target.state()));
  target.set_state(state);
  target.clear_state_deadline();
  if (state == v1::TARGET_STATE_PENDING) pending_.insert(index);
  if (state == v1::TARGET_STATE_QUEUED_OFFLINE) queued_.insert(index);
  if (IsInFlight(state)) {
    flight_.insert(index);
    CountCrowds(target, /*enters=*/true);
  }
  if (!IsEnd(state) && state != v1::TARGET_STATE_PENDING) {
    const absl::Time deadline = DeadlineOf(target, remediation_.policy(), changes.now);
    *target.mutable_state_deadline() = ToTimestamp(deadline);
    deadlines_.Set(index, deadline);
  }
  changes.effects.targets.insert(index);
}

void Rollout::Finish(uint32_t index, v1::TargetState state, absl::string_view message,
                     Changes& changes) {
  SetState(index, state, changes);
  target(index).set_message(std::string(message));
}

Rollout::Effects Rollout::Start(absl::Time now) {
  Changes changes{now, {}};
  remediation_.set_state(v1::REMEDIATION_STATE_RUNNING);
  *remediation_.mutable_started_at() = ToTimestamp(now);
  changes.effects.header = true;
  // Offline when it was planned says nothing about now: sending will tell.
  for (uint32_t index : std::set<uint32_t>(queued_)) {
    SetState(index, v1::TARGET_STATE_PENDING, changes);
  }
  Proceed(changes);
  return std::move(changes.effects);
}

Rollout::Effects Rollout::Recover(absl::Time now) {
  Changes changes{now, {}};
  // The time that the controller was away is nobody's fault: each state gets its time anew.
  for (uint32_t index : std::set<uint32_t>(queued_)) {
    SetState(index, v1::TARGET_STATE_QUEUED_OFFLINE, changes);
  }
  for (uint32_t index : std::set<uint32_t>(flight_)) {
    SetState(index, target(index).state(), changes);
    if (IsLookedAt(target(index))) {
      RequestLook(index, changes);
    } else {
      changes.effects.sends.push_back({index, MakeCommand(target(index)), /*first=*/false});
    }
  }
  Proceed(changes);
  return std::move(changes.effects);
}

Rollout::Effects Rollout::Connected(absl::string_view machine_id, absl::Time now) {
  Changes changes{now, {}};
  const auto found = by_machine_.find(machine_id);
  if (found == by_machine_.end() || ended()) return {};
  const uint32_t index = found->second;
  const v1::Target& target = this->target(index);
  if (target.state() == v1::TARGET_STATE_QUEUED_OFFLINE) {
    SetState(index, v1::TARGET_STATE_PENDING, changes);
  } else if (IsLookedAt(target)) {
    RequestLook(index, changes);
  } else if (IsInFlight(target.state())) {
    changes.effects.sends.push_back({index, MakeCommand(target), /*first=*/false});
  }
  Proceed(changes);
  return std::move(changes.effects);
}

Rollout::Effects Rollout::NotSent(uint32_t index, absl::string_view command_id, absl::Time now) {
  Changes changes{now, {}};
  v1::Target& target = this->target(index);
  const bool waits = target.state() == v1::TARGET_STATE_SENT &&
                     static_cast<int>(target.current_step()) < target.steps_size() &&
                     target.steps(target.current_step()).command_id() == command_id;
  if (!waits) return {};
  if (!MayBegin()) {
    Finish(index, v1::TARGET_STATE_CANCELLED, "stopped before anything was sent", changes);
  } else if (remediation_.policy().offline() == v1::OFFLINE_RULE_SKIP) {
    Finish(index, v1::TARGET_STATE_SKIPPED, "not connected; nothing was sent", changes);
  } else {
    SetState(index, v1::TARGET_STATE_QUEUED_OFFLINE, changes);
    target.set_message("not connected; waits for the machine");
  }
  Proceed(changes);
  return std::move(changes.effects);
}

Rollout::Effects Rollout::Tick(absl::Time now) {
  Changes changes{now, {}};
  std::set<uint32_t> due;
  deadlines_.Collect(now, due);
  looks_.Collect(now, due);
  for (uint32_t index : due) {
    if (deadlines_.Is(index, now)) {
      Expire(index, changes);
    } else if (looks_.Is(index, now)) {
      RequestLook(index, changes);
    }
  }
  Proceed(changes);
  return std::move(changes.effects);
}

absl::Time Rollout::NextDeadline() const {
  absl::Time next = std::min(deadlines_.First(), looks_.First());
  if (remediation_.state() != v1::REMEDIATION_STATE_RUNNING) return next;
  next = std::min(next, window_turns_.First());
  if (remediation_.has_soak_until() && !health_asked_) {
    next = std::min(next, FromTimestamp(remediation_.soak_until()));
  }
  return next;
}

Rollout::Effects Rollout::Pause(absl::string_view reason, absl::Time now) {
  if (remediation_.state() != v1::REMEDIATION_STATE_RUNNING || ended()) return {};
  Changes changes{now, {}};
  remediation_.set_state(v1::REMEDIATION_STATE_PAUSED);
  remediation_.set_reason(std::string(reason));
  changes.effects.header = true;
  return std::move(changes.effects);
}

Rollout::Effects Rollout::Resume(absl::Time now) {
  if (remediation_.state() != v1::REMEDIATION_STATE_PAUSED || ended()) return {};
  Changes changes{now, {}};
  remediation_.set_state(v1::REMEDIATION_STATE_RUNNING);
  remediation_.clear_reason();
  changes.effects.header = true;
  Proceed(changes);
  return std::move(changes.effects);
}

Rollout::Effects Rollout::Abort(absl::string_view reason, absl::Time now) {
  if (ended()) return {};
  Changes changes{now, {}};
  remediation_.set_state(v1::REMEDIATION_STATE_ABORTED);
  remediation_.set_reason(std::string(reason));
  changes.effects.header = true;
  CancelOpen("aborted before anything was sent", changes);
  Proceed(changes);
  return std::move(changes.effects);
}

Rollout::Effects Rollout::Skip(uint32_t index, absl::string_view reason, absl::Time now) {
  if (ended() || (!pending_.contains(index) && !queued_.contains(index))) return {};
  Changes changes{now, {}};
  Finish(index, v1::TARGET_STATE_SKIPPED, reason, changes);
  Proceed(changes);
  return std::move(changes.effects);
}

void Rollout::CancelOpen(absl::string_view message, Changes& changes) {
  for (std::set<uint32_t>* open : {&pending_, &queued_}) {
    for (uint32_t index : std::set<uint32_t>(*open)) {
      Finish(index, v1::TARGET_STATE_CANCELLED, message, changes);
    }
  }
}

bool Rollout::MayBegin() const {
  return remediation_.state() == v1::REMEDIATION_STATE_RUNNING ||
         remediation_.state() == v1::REMEDIATION_STATE_PAUSED;
}

void Rollout::Proceed(Changes& changes) {
  if (ended()) return;
  while (MayBegin() && !StopIfBudgetUsedUp(changes) &&
         remediation_.state() == v1::REMEDIATION_STATE_RUNNING &&
         (BeginReady(changes) || OpenNextWave(changes))) {
  }
  EndIfDone(changes);
}

bool Rollout::StopIfBudgetUsedUp(Changes& changes) {
  if ((pending_.empty() && queued_.empty()) || losses_ < budget_) return false;
  remediation_.set_state(v1::REMEDIATION_STATE_STOPPED_BY_BUDGET);
  remediation_.set_reason(absl::StrCat("the error budget of ", budget_,
                                       budget_ == 1 ? " target" : " targets",
                                       " is used up by failed or unknown ones"));
  changes.effects.header = true;
  CancelOpen("stopped by the error budget before anything was sent", changes);
  return true;
}

Rollout::Readiness Rollout::ReadinessOf(const v1::Target& target, std::string& blocked_by) const {
  Readiness readiness = Readiness::kReady;
  for (const std::string& machine : target.after()) {
    const auto found = by_machine_.find(machine);
    if (found == by_machine_.end()) continue;
    const v1::Target& first = remediation_.targets(found->second);
    if (IsGood(first.state())) continue;
    if (!IsEnd(first.state())) {
      readiness = Readiness::kWaits;
      continue;
    }
    blocked_by =
        absl::StrCat(first.display_name(), " comes first and ended as ", StateName(first.state()));
    return Readiness::kBlocked;
  }
  return readiness;
}

// Begins what may begin in the waves that are open. True: something ended by that, so look again.
bool Rollout::BeginReady(Changes& changes) {
  const v1::RolloutPolicy& policy = remediation_.policy();
  bool skipped = false, only_waits = true;
  // What is done with one takes none but it out of pending_.
  for (auto next = pending_.begin(); next != pending_.end();) {
    const uint32_t index = *next++;
    if (target(index).wave() > remediation_.open_wave()) break;
    std::string blocked_by;
    const Readiness readiness = ReadinessOf(target(index), blocked_by);
    if (readiness == Readiness::kBlocked) {
      Finish(index, v1::TARGET_STATE_SKIPPED, blocked_by, changes);
      skipped = true;
      continue;
    }
    if (readiness == Readiness::kWaits) continue;
    only_waits = false;
    const bool in_window = InWindow(index, changes);
    if (IsEnd(target(index).state())) skipped = true;
    if (!in_window || !HasRoom(target(index))) continue;
    // The unit of the budget is taken here, before the command leaves.
    if (budget_used() >= budget_ || flight_.size() >= policy.concurrency()) {
      if (policy.windows().empty()) break;
      continue;  // the others must hear of their windows
    }
    SetState(index, v1::TARGET_STATE_SENT, changes);
    target(index).clear_message();
    BeginStep(index, 0, changes);
  }
  return skipped || (only_waits && SkipOneOfACircle(changes));
}

// Nothing is under way, and whatever may begin waits for others that may begin.
bool Rollout::SkipOneOfACircle(Changes& changes) {
  if (!flight_.empty() || !queued_.empty() || pending_.empty()) return false;
  const uint32_t first = *pending_.begin();
  if (target(first).wave() > remediation_.open_wave()) return false;
  Finish(first, v1::TARGET_STATE_SKIPPED, "it and others wait for each other", changes);
  return true;
}

void Rollout::EndIfDone(Changes& changes) {
  if (!pending_.empty() || !queued_.empty() || !flight_.empty()) return;
  if (MayBegin()) {
    remediation_.set_state(losses_ > 0 ? v1::REMEDIATION_STATE_FAILED
                                       : v1::REMEDIATION_STATE_SUCCEEDED);
    remediation_.clear_reason();
    if (losses_ > 0) {
      remediation_.set_reason(absl::StrCat(losses_, " of ", remediation_.targets_size(),
                                           " targets failed or are unknown"));
    }
  }
  *remediation_.mutable_ended_at() = ToTimestamp(changes.now);
  remediation_.clear_soak_until();
  FillTotals(remediation_);
  changes.effects.header = true;
}

v1::RemediationProgress Rollout::Progress() const {
  v1::RemediationProgress progress;
  progress.set_id(remediation_.id());
  progress.set_state(remediation_.state());
  for (const auto& [state, count] : totals_) {
    if (count > 0) (*progress.mutable_totals())[StateName(state)] = count;
  }
  progress.set_wave(std::min(ended() ? last_wave_ : remediation_.open_wave(), last_wave_));
  progress.set_waves(last_wave_ + 1);
  progress.set_targets(remediation_.targets_size());
  progress.set_budget(budget_);
  progress.set_budget_used(budget_used());
  progress.set_reason(remediation_.reason());
  if (remediation_.has_soak_until()) *progress.mutable_soak_until() = remediation_.soak_until();
  return progress;
}

const v1::Target* Rollout::Verifying(absl::string_view machine_id) const {
  const auto found = by_machine_.find(machine_id);
  if (found == by_machine_.end()) return nullptr;
  const v1::Target& target = remediation_.targets(found->second);
  return target.state() == v1::TARGET_STATE_VERIFYING ? &target : nullptr;
}

}  // namespace keymedic::controller
