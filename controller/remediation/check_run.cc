// SPDX-License-Identifier: Apache-2.0
#include "controller/remediation/check_run.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/product_key.h"
#include "base/times.h"
#include "controller/remediation/states.h"

namespace keymedic::controller {
namespace {

bool WouldChange(const v1::Step& step) { return step.outcome() != v1::OUTCOME_NO_CHANGE; }

bool ChangesBefore(const v1::Target& target, uint32_t step) {
  return std::any_of(target.steps().begin(), target.steps().begin() + step, WouldChange);
}

}  // namespace

CheckRun::Sends CheckRun::Begin(absl::Time now) {
  Sends sends;
  BeginMore(now, sends);
  return sends;
}

void CheckRun::BeginMore(absl::Time now, Sends& sends) {
  while (next_ < Count() && waiting_.size() < kParallel) {
    const uint32_t index = next_++;
    if (target(index).state() == v1::TARGET_STATE_QUEUED_OFFLINE) {
      LeaveUnchecked(index, 0, "not connected; will be treated when it comes back");
    } else {
      Ask(index, 0, now, sends);
    }
  }
}

void CheckRun::Ask(uint32_t index, uint32_t step, absl::Time now, Sends& sends) {
  v1::Target& target = this->target(index);
  if (step >= static_cast<uint32_t>(target.steps_size())) return Complete(index);
  if (target.steps(step).action() == kActivate && ChangesBefore(target, step)) {
    return LeaveUnchecked(index, step, "");
  }
  waiting_[index] = {step, now + kTimeout};
  sends.push_back({target.machine_id(), MakeCommand(index)});
}

v1::Command CheckRun::MakeCommand(uint32_t index) const {
  const Waiting& waiting = waiting_.at(index);
  const v1::Step& step = draft_.remediation.targets(index).steps(waiting.step);
  v1::Command command;
  command.set_id(CommandId{id(), index, waiting.step, Phase::kCheck, 1}.ToString());
  command.set_plugin(step.plugin());
  command.set_action(step.action());
  command.set_mode(v1::MODE_CHECK);
  *command.mutable_params() = step.params();
  *command.mutable_deadline() = ToTimestamp(waiting.deadline);
  return command;
}

CheckRun::Sends CheckRun::Result(const v1::CommandResult& result, absl::Time now) {
  Sends sends;
  const std::optional<CommandId> id = CommandId::Parse(result.command_id());
  const auto waiting = id ? waiting_.find(id->target) : waiting_.end();
  if (waiting == waiting_.end() || id->phase != Phase::kCheck || waiting->second.step != id->step) {
    return sends;
  }
  const uint32_t index = id->target;
  v1::Target& target = this->target(index);
  v1::Step& step = *target.mutable_steps(id->step);
  waiting_.erase(waiting);
  if (result.outcome() == v1::OUTCOME_NO_CHANGE || result.outcome() == v1::OUTCOME_WOULD_CHANGE) {
    *step.mutable_changes() = result.changes();
    if (result.has_inverse()) *step.mutable_inverse() = result.inverse();
    if (result.outcome() == v1::OUTCOME_NO_CHANGE) step.set_outcome(v1::OUTCOME_NO_CHANGE);
    // What an attempt to activate starts from (grace, the client's own attempts) moves by itself.
    if (step.action() != kActivate) step.set_check_digest(result.check_digest());
    Ask(index, id->step + 1, now, sends);
  } else if (result.outcome() != v1::OUTCOME_REFUSED && ChangesBefore(target, id->step)) {
    step.set_unchecked(true);
    Ask(index, id->step + 1, now, sends);
  } else {
    draft_.refused.emplace(target.machine_id(),
                           absl::StrCat("CHECK of ", step.action(), " on ", target.display_name(),
                                        " says: ", RedactProductKeys(result.message())));
  }
  BeginMore(now, sends);
  return sends;
}

void CheckRun::Complete(uint32_t index) {
  v1::Target& target = this->target(index);
  if (std::any_of(target.steps().begin(), target.steps().end(), WouldChange)) return;
  target.set_state(v1::TARGET_STATE_NO_CHANGE);
  target.set_message("already in the desired state");
}

void CheckRun::LeaveUnchecked(uint32_t index, uint32_t from, absl::string_view message) {
  v1::Target& target = this->target(index);
  for (int step = static_cast<int>(from); step < target.steps_size(); ++step) {
    target.mutable_steps(step)->set_unchecked(true);
  }
  target.set_message(std::string(message));
}

CheckRun::Sends CheckRun::NotSent(const v1::Command& command, absl::Time now) {
  Sends sends;
  const std::optional<CommandId> id = CommandId::Parse(command.id());
  const auto waiting = id ? waiting_.find(id->target) : waiting_.end();
  if (waiting == waiting_.end() || waiting->second.step != id->step) return sends;
  LeaveUnchecked(id->target, id->step, "not connected; will be treated when it comes back");
  target(id->target).set_state(v1::TARGET_STATE_QUEUED_OFFLINE);
  waiting_.erase(waiting);
  BeginMore(now, sends);
  return sends;
}

CheckRun::Sends CheckRun::Connected(absl::string_view machine_id, absl::Time now) {
  Sends sends;
  for (const auto& [index, waiting] : waiting_) {
    if (target(index).machine_id() == machine_id) {
      sends.push_back({target(index).machine_id(), MakeCommand(index)});
    }
  }
  return sends;
}

CheckRun::Sends CheckRun::Tick(absl::Time now) {
  Sends sends;
  for (auto it = waiting_.begin(); it != waiting_.end();) {
    if (it->second.deadline > now) {
      ++it;
      continue;
    }
    LeaveUnchecked(it->first, it->second.step,
                   absl::StrCat("did not answer CHECK within ", absl::FormatDuration(kTimeout)));
    it = waiting_.erase(it);
  }
  BeginMore(now, sends);
  return sends;
}

absl::Time CheckRun::NextDeadline() const {
  absl::Time next = absl::InfiniteFuture();
  for (const auto& [index, waiting] : waiting_) next = std::min(next, waiting.deadline);
  return next;
}

}  // namespace keymedic::controller
