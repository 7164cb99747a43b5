// SPDX-License-Identifier: Apache-2.0
//
// One target's way: its steps in order, looking again where one was cut off, verifying by a new
// round of collecting, and undoing what was changed when it does not help.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/product_key.h"
#include "base/times.h"
#include "controller/remediation/rollout.h"
#include "controller/remediation/rollout_changes.h"
#include "controller/remediation/states.h"

namespace keymedic::controller {
namespace {

constexpr uint32_t kMaxAttempts = 3;  // of one step whose execution was cut off
constexpr absl::Duration kFirstLookAgain = absl::Seconds(2);
constexpr absl::Duration kLastLookAgain = absl::Seconds(30);
constexpr char kLate[] = "answered after its deadline: ";

std::string StepTitle(const v1::Target& target, uint32_t step) {
  return absl::StrCat("step ", step + 1, " of ", target.steps_size(), " (",
                      target.steps(step).action(), ")");
}

std::string MessageOf(const v1::CommandResult& result) {
  return RedactProductKeys(result.message());
}

bool IsUndoable(const v1::Step& step) {
  return step.outcome() == v1::OUTCOME_CHANGED && !step.undone() &&
         !step.inverse().action().empty();
}

bool IsDone(const v1::CommandResult& result) {
  return result.outcome() == v1::OUTCOME_CHANGED || result.outcome() == v1::OUTCOME_NO_CHANGE;
}

absl::string_view PhaseName(Phase phase) {
  if (phase == Phase::kUndo) return "undo of ";
  return phase == Phase::kLook ? "second look at " : "";
}

}  // namespace

void Rollout::BeginStep(uint32_t index, uint32_t step, Changes& changes) {
  v1::Target& target = this->target(index);
  const auto count = static_cast<uint32_t>(target.steps_size());
  // CHECK has already found these in their desired state.
  while (step < count && target.steps(step).outcome() == v1::OUTCOME_NO_CHANGE) ++step;
  if (step >= count) return BeginVerify(index, changes);
  const bool first = target.state() == v1::TARGET_STATE_SENT;
  if (!first) SetState(index, v1::TARGET_STATE_RUNNING, changes);
  SendStep(index, step, CommandId{remediation_.id(), index, step, Phase::kApply, 1}.ToString(),
           changes);
  changes.effects.sends.back().first = first;
}

void Rollout::SendStep(uint32_t index, uint32_t step, std::string id, Changes& changes) {
  v1::Target& target = this->target(index);
  target.set_current_step(step);
  target.mutable_steps(step)->set_command_id(std::move(id));
  changes.effects.targets.insert(index);
  changes.effects.sends.push_back({index, MakeCommand(target), /*first=*/false});
}

v1::Command Rollout::MakeCommand(const v1::Target& target) const {
  const v1::Step& step = target.steps(target.current_step());
  const Phase phase = CommandId::Parse(step.command_id())->phase;
  v1::Command command;
  command.set_id(step.command_id());
  command.set_plugin(step.plugin());
  command.set_mode(phase == Phase::kLook ? v1::MODE_CHECK : v1::MODE_APPLY);
  *command.mutable_deadline() = target.state_deadline();
  // Once aborted it is made only to be repeated. The agent answers from its journal if it ran, and
  // refuses what is long past its deadline if it did not.
  if (phase == Phase::kApply && Aborted()) {
    *command.mutable_deadline() = ToTimestamp(absl::UnixEpoch());
  }
  if (phase == Phase::kUndo) {
    command.set_action(step.inverse().action());
    *command.mutable_params() = step.inverse().params();
    return command;
  }
  command.set_action(step.action());
  *command.mutable_params() = step.params();
  if (phase == Phase::kApply) command.set_expected_check_digest(step.check_digest());
  return command;
}

Rollout::Effects Rollout::Result(const v1::CommandResult& result, absl::Time now) {
  Changes changes{now, {}};
  const std::optional<CommandId> id = CommandId::Parse(result.command_id());
  if (!id || id->target >= static_cast<uint32_t>(remediation_.targets_size())) return {};
  const uint32_t index = id->target;
  v1::Target& target = this->target(index);
  changes.effects.targets.insert(index);
  if (id->step >= static_cast<uint32_t>(target.steps_size())) return std::move(changes.effects);
  v1::Step& step = *target.mutable_steps(id->step);
  const bool awaited = IsInFlight(target.state()) && target.current_step() == id->step &&
                       step.command_id() == result.command_id() &&
                       target.state() != v1::TARGET_STATE_VERIFYING;
  const bool late = step.unanswered() && step.command_id() == result.command_id();
  if (!awaited && !late) return std::move(changes.effects);
  const std::string answer = absl::StrCat(late ? kLate : "", OutcomeName(result.outcome()),
                                          result.message().empty() ? "" : ", ", MessageOf(result));
  // That the machine has not restarted yet is said again and again.
  if (!AwaitsRestart(target) || result.outcome() == v1::OUTCOME_NO_CHANGE) {
    changes.effects.audit.push_back({absl::StrCat("machines/", target.machine_id()),
                                     absl::StrCat(remediation_.id(), ": ", PhaseName(id->phase),
                                                  StepTitle(target, id->step), ": ", answer)});
  }
  if (late) {
    step.set_unanswered(false);
    step.set_message(answer);
    if (id->phase == Phase::kUndo && IsDone(result)) step.set_undone(true);
    return std::move(changes.effects);
  }
  if (id->phase == Phase::kUndo) {
    UndoAnswered(index, result, changes);
  } else if (id->phase == Phase::kLook) {
    LookAnswered(index, id->attempt, result, changes);
  } else if (result.outcome() == v1::OUTCOME_INTERRUPTED) {
    // Never a blind retry: what is there now decides.
    SetState(index, v1::TARGET_STATE_RUNNING, changes);
    SendStep(index, id->step,
             CommandId{remediation_.id(), index, id->step, Phase::kLook, id->attempt}.ToString(),
             changes);
  } else {
    StepAnswered(index, result, changes);
  }
  Proceed(changes);
  return std::move(changes.effects);
}

void Rollout::StepAnswered(uint32_t index, const v1::CommandResult& result, Changes& changes) {
  v1::Target& target = this->target(index);
  v1::Step& step = *target.mutable_steps(target.current_step());
  step.set_outcome(result.outcome());
  step.set_message(MessageOf(result));
  switch (result.outcome()) {
    case v1::OUTCOME_CHANGED:
      // The machine's own word on what it did goes before what CHECK foresaw.
      if (result.changes_size() > 0) *step.mutable_changes() = result.changes();
      if (result.has_inverse()) {
        *step.mutable_inverse() = result.inverse();
      } else {
        step.clear_inverse();
      }
      if (result.restart_required() && !Aborted()) return AwaitRestart(index, changes);
      return StepDone(index, changes);
    case v1::OUTCOME_NO_CHANGE:
      return StepDone(index, changes);
    case v1::OUTCOME_REFUSED:
      if (Aborted()) return Cancel(index, changes);
      return Fail(index,
                  absl::StrCat(StepTitle(target, target.current_step()),
                               " was refused, nothing was done: ", MessageOf(result)),
                  changes);
    default:
      return Fail(
          index,
          absl::StrCat(StepTitle(target, target.current_step()), " failed: ", MessageOf(result)),
          changes);
  }
}

// The step was cut off and the machine has been looked at since.
void Rollout::LookAnswered(uint32_t index, uint32_t attempt, const v1::CommandResult& result,
                           Changes& changes) {
  v1::Target& target = this->target(index);
  const uint32_t step = target.current_step();
  if (AwaitsRestart(target)) {
    if (result.outcome() != v1::OUTCOME_NO_CHANGE) return;  // it is looked at again
    target.mutable_steps(step)->set_awaits_restart(false);
    return StepDone(index, changes);
  }
  if (result.outcome() == v1::OUTCOME_NO_CHANGE) {
    target.mutable_steps(step)->set_outcome(v1::OUTCOME_CHANGED);
    target.mutable_steps(step)->set_message("was cut off, but its effect is there");
    return StepDone(index, changes);
  }
  const bool again =
      result.outcome() == v1::OUTCOME_WOULD_CHANGE && attempt < kMaxAttempts && !Aborted();
  if (again) {
    target.mutable_steps(step)->set_check_digest(result.check_digest());
    SetState(index, v1::TARGET_STATE_RUNNING, changes);
    return SendStep(
        index, step,
        CommandId{remediation_.id(), index, step, Phase::kApply, attempt + 1}.ToString(), changes);
  }
  Finish(index, v1::TARGET_STATE_UNKNOWN,
         absl::StrCat(StepTitle(target, step), " was cut off; look at the machine. ",
                      MessageOf(result)),
         changes);
}

void Rollout::StepDone(uint32_t index, Changes& changes) {
  v1::Target& target = this->target(index);
  const uint32_t next = target.current_step() + 1;
  const bool last = next >= static_cast<uint32_t>(target.steps_size());
  if (Aborted() && !last) return Cancel(index, changes);
  SetState(index, v1::TARGET_STATE_RUNNING, changes);
  BeginStep(index, next, changes);
}

// Aborted: ends by what its steps have done so far.
void Rollout::Cancel(uint32_t index, Changes& changes) {
  v1::Target& target = this->target(index);
  const v1::Step& step = target.steps(target.current_step());
  const std::string title = StepTitle(target, target.current_step());
  // A refusal did nothing, but an earlier attempt at the same step may have.
  if (step.outcome() == v1::OUTCOME_REFUSED && CommandId::Parse(step.command_id())->attempt > 1) {
    return Finish(index, v1::TARGET_STATE_UNKNOWN,
                  absl::StrCat("aborted after ", title, " was cut off; look at the machine"),
                  changes);
  }
  const bool changed =
      std::any_of(target.steps().begin(), target.steps().end(),
                  [](const v1::Step& step) { return step.outcome() == v1::OUTCOME_CHANGED; });
  if (!changed) {
    return Finish(index, v1::TARGET_STATE_CANCELLED, "aborted; nothing was changed", changes);
  }
  Finish(index, v1::TARGET_STATE_RAN_DESPITE_CANCEL,
         absl::StrCat("aborted at ", title, "; nothing after it was begun"), changes);
}

void Rollout::Fail(uint32_t index, absl::string_view message, Changes& changes) {
  target(index).set_message(std::string(message));
  UndoNext(index, changes);
}

// Backwards from the last; what is not marked as undone remains to do, also after a restart.
void Rollout::UndoNext(uint32_t index, Changes& changes) {
  v1::Target& target = this->target(index);
  for (int step = target.steps_size() - 1; step >= 0; --step) {
    if (!IsUndoable(target.steps(step))) continue;
    SetState(index, v1::TARGET_STATE_RUNNING, changes);
    return SendStep(
        index, step,
        CommandId{remediation_.id(), index, static_cast<uint32_t>(step), Phase::kUndo, 1}
            .ToString(),
        changes);
  }
  std::vector<absl::string_view> left;
  bool undone = false;
  for (const v1::Step& step : target.steps()) {
    if (step.outcome() != v1::OUTCOME_CHANGED) continue;
    undone |= step.undone();
    if (!step.undone()) left.push_back(step.action());
  }
  std::string message = target.message();
  if (undone) absl::StrAppend(&message, "; undone");
  if (!left.empty()) {
    absl::StrAppend(&message, "; cannot be undone: ", absl::StrJoin(left, ", "));
  }
  const bool rolled_back = undone && left.empty();
  Finish(index, rolled_back ? v1::TARGET_STATE_ROLLED_BACK : v1::TARGET_STATE_FAILED, message,
         changes);
}

void Rollout::UndoAnswered(uint32_t index, const v1::CommandResult& result, Changes& changes) {
  v1::Target& target = this->target(index);
  v1::Step& step = *target.mutable_steps(target.current_step());
  if (IsDone(result)) {
    step.set_undone(true);
    return UndoNext(index, changes);
  }
  const bool cut_off = result.outcome() == v1::OUTCOME_INTERRUPTED;
  Finish(index, cut_off ? v1::TARGET_STATE_UNKNOWN : v1::TARGET_STATE_FAILED,
         absl::StrCat(target.message(), "; undoing ", StepTitle(target, target.current_step()),
                      cut_off ? " was cut off, look at the machine" : " failed: ",
                      cut_off ? "" : MessageOf(result)),
         changes);
}

void Rollout::BeginVerify(uint32_t index, Changes& changes) {
  SetState(index, v1::TARGET_STATE_VERIFYING, changes);
  target(index).set_current_step(target(index).steps_size());
  RequestLook(index, changes);
}

// What comes after waits, and a CHECK tells when the machine has restarted.
void Rollout::AwaitRestart(uint32_t index, Changes& changes) {
  v1::Target& target = this->target(index);
  target.mutable_steps(target.current_step())->set_awaits_restart(true);
  SetState(index, v1::TARGET_STATE_RUNNING, changes);
  RequestLook(index, changes);
}

void Rollout::RequestLook(uint32_t index, Changes& changes) {
  Looking& looking = looking_[index];
  const absl::Duration pause =
      std::min(kLastLookAgain, kFirstLookAgain * (1 << std::min(looking.looks, 5u)));
  ++looking.looks;
  looks_.Set(index, changes.now + pause);
  const v1::Target& target = this->target(index);
  if (target.state() == v1::TARGET_STATE_VERIFYING) {
    changes.effects.looks.push_back(
        {index, absl::StrCat(remediation_.id(), "/", index, "/verify/", looking.looks)});
    return;
  }
  // Each under an id of its own: to one that it knows the agent gives the answer that it knows.
  CommandId id = *CommandId::Parse(target.steps(target.current_step()).command_id());
  ++id.attempt;
  id.phase = Phase::kLook;
  SendStep(index, id.step, id.ToString(), changes);
}

Rollout::Effects Rollout::Collected(absl::string_view machine_id, absl::string_view collect_id,
                                    const std::set<std::string>& codes, absl::Time now) {
  const auto found = by_machine_.find(machine_id);
  if (found == by_machine_.end()) return {};
  const uint32_t index = found->second;
  v1::Target& target = this->target(index);
  // Only a round that was asked for after the last step shows its effect.
  const std::string asked = absl::StrCat(remediation_.id(), "/", index, "/verify/");
  if (target.state() != v1::TARGET_STATE_VERIFYING || collect_id.substr(0, asked.size()) != asked) {
    return {};
  }
  Changes changes{now, {}};
  looking_[index].answered = true;
  std::vector<absl::string_view> still;
  for (const auto* wanted : {&target.finding_codes(), &target.elsewhere_codes()}) {
    for (const std::string& code : *wanted) {
      if (codes.contains(code)) still.push_back(code);
    }
  }
  if (!still.empty()) {
    const std::string message = absl::StrCat("still found: ", absl::StrJoin(still, ", "));
    if (target.message() == message) return {};
    target.set_message(std::string(message));
    changes.effects.targets.insert(index);
    return std::move(changes.effects);
  }
  const bool changed =
      std::any_of(target.steps().begin(), target.steps().end(),
                  [](const v1::Step& step) { return step.outcome() == v1::OUTCOME_CHANGED; });
  Finish(index, changed ? v1::TARGET_STATE_SUCCEEDED : v1::TARGET_STATE_NO_CHANGE, "", changes);
  Proceed(changes);
  return std::move(changes.effects);
}

void Rollout::Expire(uint32_t index, Changes& changes) {
  v1::Target& target = this->target(index);
  const v1::RolloutPolicy& policy = remediation_.policy();
  const absl::Duration own = FromDuration(target.verify_within());
  const auto waited = [&](const google::protobuf::Duration& timeout) {
    return absl::FormatDuration(std::max(own, FromDuration(timeout)));
  };
  switch (target.state()) {
    case v1::TARGET_STATE_QUEUED_OFFLINE:
      return Finish(index, v1::TARGET_STATE_SKIPPED,
                    policy.has_queue_until()
                        ? absl::StrCat("was not connected until ",
                                       absl::FormatTime("%Y-%m-%d %H:%M UTC",
                                                        FromTimestamp(policy.queue_until()),
                                                        absl::UTCTimeZone()),
                                       "; nothing was sent")
                        : absl::StrCat("was not connected within ",
                                       absl::FormatDuration(FromDuration(policy.queue_timeout())),
                                       "; nothing was sent"),
                    changes);
    case v1::TARGET_STATE_VERIFYING: {
      const std::string looked = waited(policy.verify_timeout());
      if (looking_[index].answered) {
        return Fail(index, absl::StrCat("not verified within ", looked, ": ", target.message()),
                    changes);
      }
      return Finish(index, v1::TARGET_STATE_UNKNOWN,
                    absl::StrCat("all steps are done, but the machine did not report within ",
                                 looked, "; look at the machine"),
                    changes);
    }
    default:
      if (AwaitsRestart(target)) {
        return Finish(index, v1::TARGET_STATE_UNKNOWN,
                      absl::StrCat(StepTitle(target, target.current_step()),
                                   " is done, but the machine did not come back from its restart "
                                   "within ",
                                   waited(policy.step_timeout()), "; look at the machine"),
                      changes);
      }
      target.mutable_steps(target.current_step())->set_unanswered(true);
      return Finish(index, v1::TARGET_STATE_UNKNOWN,
                    absl::StrCat(StepTitle(target, target.current_step()), " was sent and not ",
                                 "answered within ",
                                 absl::FormatDuration(FromDuration(policy.step_timeout())),
                                 "; look at the machine"),
                    changes);
  }
}

}  // namespace keymedic::controller
