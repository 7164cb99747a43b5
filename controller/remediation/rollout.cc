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

constexpr uint32_t kCanaryWave = 1;

}  // namespace

Rollout::Rollout(v1::Remediation remediation)
    : remediation_(std::move(remediation)), budget_(BudgetOf(remediation_)) {
  for (int i = 0; i < remediation_.targets_size(); ++i) {
    const v1::Target& target = remediation_.targets(i);
    by_machine_[target.machine_id()] = i;
    losses_ += IsLoss(target.state());
    if (IsInFlight(target.state())) flight_.insert(i);
    if (target.state() == v1::TARGET_STATE_PENDING) pending_.insert(i);
    if (target.state() == v1::TARGET_STATE_QUEUED_OFFLINE) queued_.insert(i);
    if (target.state() == v1::TARGET_STATE_VERIFYING) verifications_[i];
  }
}

bool Rollout::ended() const { return IsEnded(remediation_); }

void Rollout::SetState(uint32_t index, v1::TargetState state, Changes& changes) {
  v1::Target& target = this->target(index);
  pending_.erase(index);
  queued_.erase(index);
  flight_.erase(index);
  verifications_.erase(index);
  losses_ += static_cast<uint32_t>(IsLoss(state)) - static_cast<uint32_t>(IsLoss(target.state()));
  target.set_state(state);
  target.clear_state_deadline();
  const v1::RolloutPolicy& policy = remediation_.policy();
  if (state == v1::TARGET_STATE_PENDING) pending_.insert(index);
  if (state == v1::TARGET_STATE_QUEUED_OFFLINE) queued_.insert(index);
  if (IsInFlight(state)) flight_.insert(index);
  if (state == v1::TARGET_STATE_VERIFYING) verifications_[index];
  if (!IsEnd(state) && state != v1::TARGET_STATE_PENDING) {
    const bool verifying = state == v1::TARGET_STATE_VERIFYING;
    const absl::Duration timeout =
        FromDuration(verifying ? policy.verify_timeout() : policy.step_timeout());
    *target.mutable_state_deadline() = ToTimestamp(changes.now + timeout);
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
    if (target(index).state() == v1::TARGET_STATE_VERIFYING) {
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
  } else if (target.state() == v1::TARGET_STATE_VERIFYING) {
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
  } else {
    SetState(index, v1::TARGET_STATE_QUEUED_OFFLINE, changes);
    target.set_message("not connected; waits for the machine");
  }
  Proceed(changes);
  return std::move(changes.effects);
}

Rollout::Effects Rollout::Tick(absl::Time now) {
  Changes changes{now, {}};
  std::set<uint32_t> waiting = flight_;
  waiting.insert(queued_.begin(), queued_.end());
  for (uint32_t index : waiting) {
    if (FromTimestamp(target(index).state_deadline()) <= now) {
      Expire(index, changes);
      continue;
    }
    const auto verification = verifications_.find(index);
    if (verification != verifications_.end() && verification->second.next_look <= now) {
      RequestLook(index, changes);
    }
  }
  Proceed(changes);
  return std::move(changes.effects);
}

absl::Time Rollout::NextDeadline() const {
  absl::Time next = absl::InfiniteFuture();
  for (const std::set<uint32_t>* waiting : {&flight_, &queued_}) {
    for (uint32_t index : *waiting) {
      next = std::min(next, FromTimestamp(remediation_.targets(index).state_deadline()));
    }
  }
  for (const auto& [index, verification] : verifications_) {
    next = std::min(next, verification.next_look);
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
  while (MayBegin() && !StopIfLost(changes) &&
         remediation_.state() == v1::REMEDIATION_STATE_RUNNING && BeginReady(changes)) {
  }
  EndIfDone(changes);
}

uint32_t Rollout::CurrentWave() const {
  uint32_t wave = UINT32_MAX;
  for (const std::set<uint32_t>* open : {&pending_, &queued_, &flight_}) {
    // Targets stand in the order of their waves.
    if (!open->empty()) wave = std::min(wave, remediation_.targets(*open->begin()).wave());
  }
  return wave;
}

// A used up budget and a lost canary end the rollout: nothing more is sent.
bool Rollout::StopIfLost(Changes& changes) {
  if (pending_.empty() && queued_.empty()) return false;
  if (losses_ >= budget_) {
    remediation_.set_state(v1::REMEDIATION_STATE_STOPPED_BY_BUDGET);
    remediation_.set_reason(absl::StrCat("the error budget of ", budget_,
                                         budget_ == 1 ? " target" : " targets",
                                         " is used up by failed or unknown ones"));
    changes.effects.header = true;
    CancelOpen("stopped by the error budget before anything was sent", changes);
    return true;
  }
  if (CurrentWave() <= kCanaryWave) return false;
  for (const v1::Target& target : remediation_.targets()) {
    if (target.wave() > kCanaryWave) break;
    if (target.wave() != kCanaryWave || !IsLoss(target.state())) continue;
    remediation_.set_state(v1::REMEDIATION_STATE_FAILED);
    remediation_.set_reason(
        absl::StrCat("the canary ", target.display_name(), " was lost: ", target.message()));
    changes.effects.header = true;
    CancelOpen("the canary was lost; nothing was sent here", changes);
    return true;
  }
  return false;
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

// Begins what may begin in the present wave. True: something ended by that, so look again.
bool Rollout::BeginReady(Changes& changes) {
  const uint32_t wave = CurrentWave();
  bool skipped = false;
  for (uint32_t index : std::set<uint32_t>(pending_)) {
    if (target(index).wave() != wave) break;
    std::string blocked_by;
    const Readiness readiness = ReadinessOf(target(index), blocked_by);
    if (readiness == Readiness::kBlocked) {
      Finish(index, v1::TARGET_STATE_SKIPPED, blocked_by, changes);
      skipped = true;
      continue;
    }
    if (readiness == Readiness::kWaits) continue;
    // The unit of the budget is taken here, before the command leaves.
    if (budget_used() >= budget_ || flight_.size() >= remediation_.policy().concurrency()) break;
    SetState(index, v1::TARGET_STATE_SENT, changes);
    target(index).clear_message();
    BeginStep(index, 0, changes);
  }
  const bool circle = !skipped && flight_.empty() && queued_.empty() && !pending_.empty();
  if (circle) {
    Finish(*pending_.begin(), v1::TARGET_STATE_SKIPPED, "it and others wait for each other",
           changes);
  }
  return skipped || circle;
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
  FillTotals(remediation_);
  changes.effects.header = true;
}

v1::RemediationProgress Rollout::Progress() const {
  v1::RemediationProgress progress;
  progress.set_id(remediation_.id());
  progress.set_state(remediation_.state());
  uint32_t last = 0;
  for (const v1::Target& target : remediation_.targets()) {
    last = std::max(last, target.wave());
    ++(*progress.mutable_totals())[StateName(target.state())];
  }
  progress.set_wave(std::min(CurrentWave(), last));
  progress.set_waves(last + 1);
  progress.set_targets(remediation_.targets_size());
  progress.set_budget(budget_);
  progress.set_budget_used(budget_used());
  return progress;
}

const v1::Target* Rollout::Verifying(absl::string_view machine_id) const {
  const auto found = by_machine_.find(machine_id);
  if (found == by_machine_.end() || !verifications_.contains(found->second)) return nullptr;
  return &remediation_.targets(found->second);
}

}  // namespace keymedic::controller
