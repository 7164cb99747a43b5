// SPDX-License-Identifier: Apache-2.0
#include "agent/commands.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/log.h"
#include "base/product_key.h"
#include "base/times.h"

namespace keymedic::agent {
namespace {

// How long an acknowledged result still answers a repeated command.
constexpr absl::Duration kRetention = absl::Hours(24 * 7);

// Text that a plugin wrote: neither keys nor the command's own secrets may go on from here.
std::string Clean(const v1::Command& command, std::string text) {
  for (const auto& [name, secret] : command.secrets()) {
    if (!secret.empty()) text = absl::StrReplaceAll(text, {{secret, "(secret)"}});
  }
  return RedactProductKeys(text);
}

v1::CommandResult Seal(const v1::Command& command, v1::CommandResult result, absl::Time started_at,
                       absl::Time finished_at) {
  result.set_command_id(command.id());
  if (result.outcome() == v1::OUTCOME_UNSPECIFIED) {
    result.set_outcome(v1::OUTCOME_FAILED);
    result.set_message(absl::StrCat("plugin ", command.plugin(), " gave no outcome for ",
                                    command.action(), "; its version may not fit this agent's"));
  }
  result.set_message(Clean(command, result.message()));
  for (v1::Change& change : *result.mutable_changes()) {
    change.set_before(Clean(command, change.before()));
    change.set_after(Clean(command, change.after()));
  }
  *result.mutable_started_at() = ToTimestamp(started_at);
  *result.mutable_finished_at() = ToTimestamp(finished_at);
  return result;
}

v1::CommandResult Ended(v1::Outcome outcome, std::string message) {
  v1::CommandResult result;
  result.set_outcome(outcome);
  result.set_message(std::move(message));
  return result;
}

// Activation waits for the network, host after host; nothing that only looks does.
constexpr int kApplyFactor = 4;

absl::StatusOr<v1::ActResponse> Act(PluginRunner& plugins, const v1::Command& command,
                                    absl::Duration timeout) {
  v1::ActRequest request;
  *request.mutable_command() = command;
  if (command.mode() == v1::MODE_APPLY) timeout *= kApplyFactor;
  return plugins.Act(command.plugin(), request, timeout);
}

bool NothingWasDone(const absl::Status& status) {
  return absl::IsNotFound(status) || absl::IsUnimplemented(status) ||
         absl::IsInvalidArgument(status) || absl::IsFailedPrecondition(status);
}

bool CutOff(const absl::Status& status) {
  return absl::IsDeadlineExceeded(status) || absl::IsUnavailable(status);
}

}  // namespace

v1::CommandResult RunCommand(PluginRunner& plugins, const v1::Command& command, const Clock& clock,
                             absl::Duration timeout) {
  const absl::Time started_at = clock.Now();
  auto answer = Act(plugins, command, timeout);
  if (answer.ok()) {
    return Seal(command, std::move(*answer->mutable_result()), started_at, clock.Now());
  }
  const absl::Status& status = answer.status();
  if (CutOff(status) && command.mode() == v1::MODE_APPLY) {
    return ResolveInterrupted(plugins, command, clock, timeout, std::string(status.message()));
  }
  return Seal(command,
              Ended(NothingWasDone(status) ? v1::OUTCOME_REFUSED : v1::OUTCOME_FAILED,
                    std::string(status.message())),
              started_at, clock.Now());
}

v1::CommandResult ResolveInterrupted(PluginRunner& plugins, const v1::Command& command,
                                     const Clock& clock, absl::Duration timeout,
                                     const std::string& why) {
  const absl::Time started_at = clock.Now();
  v1::Command check = command;
  check.set_mode(v1::MODE_CHECK);
  check.clear_expected_check_digest();
  auto answer = Act(plugins, check, timeout);
  v1::CommandResult result;
  if (!answer.ok()) {
    result = Ended(v1::OUTCOME_INTERRUPTED,
                   absl::StrCat("cut off in the middle (", why,
                                "), and what became of it cannot "
                                "be seen: ",
                                answer.status().message(), "; look at the machine"));
  } else if (answer->result().outcome() == v1::OUTCOME_NO_CHANGE) {
    result =
        Ended(v1::OUTCOME_CHANGED, absl::StrCat("completed before the interruption (", why, ")"));
  } else {
    result = std::move(*answer->mutable_result());
    result.set_outcome(v1::OUTCOME_INTERRUPTED);
    result.clear_inverse();
    result.clear_check_digest();
    result.set_message(absl::StrCat("cut off in the middle (", why,
                                    "): the machine is not in the desired state; plan again"));
  }
  return Seal(command, std::move(result), started_at, clock.Now());
}

std::shared_ptr<CommandRunner> CommandRunner::Make(Env env) {
  return std::shared_ptr<CommandRunner>(new CommandRunner(std::move(env)));
}

void CommandRunner::Recover() {
  auto interrupted = env_.journal.Interrupted();
  if (!interrupted.ok()) {
    log::Error("AGENT_JOURNAL_UNREADABLE", "{}", interrupted.status().ToString());
    return;
  }
  for (auto& entry : *interrupted) {
    // Without its secret the plugin could not tell; the controller sends the command again.
    if (!entry.had_secrets) Enqueue({std::move(entry.command), /*interrupted=*/true});
  }
}

void CommandRunner::Accept(const v1::Command& command) {
  if (command.id().empty()) {
    log::Warning("AGENT_COMMAND_WITHOUT_ID", "ignored a command without an id: {}.{}",
                 command.plugin(), command.action());
    return;
  }
  if (at_work_.contains(command.id())) return;  // its result will answer both
  if (const auto unsaved = unsaved_.find(command.id()); unsaved != unsaved_.end()) {
    v1::CommandResult result = unsaved->second.second;
    result.set_repeated(true);
    env_.done(std::move(result), false);
    return;
  }
  auto entry = env_.journal.Find(command.id());
  if (!entry.ok()) {
    JournalFailed(entry.status());
    return Refuse(command, std::string(entry.status().message()));
  }
  if (entry->has_value() && (*entry)->state == Journal::State::kFinished) {
    v1::CommandResult result = std::move((*entry)->result);
    result.set_repeated(true);
    env_.done(std::move(result), false);
    return;
  }
  if (entry->has_value() && (*entry)->state == Journal::State::kStarted) {
    return Enqueue({command, /*interrupted=*/true});
  }
  if (command.mode() == v1::MODE_APPLY) {
    if (auto status = env_.journal.Receive(command, env_.clock.Now()); !status.ok()) {
      JournalFailed(status);
      return Refuse(command, std::string(status.message()));
    }
  }
  Enqueue({command, /*interrupted=*/false});
}

void CommandRunner::Enqueue(Job job) {
  at_work_.insert(job.command.id());
  queue_.push_back(std::move(job));
  RunNext();
}

void CommandRunner::SetControllerTime(const google::protobuf::Timestamp& now) {
  ahead_ = FromTimestamp(now) - env_.clock.Now();
}

void CommandRunner::RunNext() {
  while (!busy_ && !stopped_ && !queue_.empty()) {
    Job job = std::move(queue_.front());
    queue_.pop_front();
    const v1::Command& command = job.command;
    if (!job.interrupted) {
      if (command.mode() == v1::MODE_UNSPECIFIED) {
        Finish(command, Ended(v1::OUTCOME_REFUSED, "the command says neither CHECK nor APPLY"));
        continue;
      }
      const absl::Time now = env_.clock.Now() + ahead_;
      if (command.has_deadline() && now > FromTimestamp(command.deadline())) {
        Finish(command,
               Ended(v1::OUTCOME_REFUSED,
                     absl::StrCat("not started: its deadline was ",
                                  absl::FormatTime(FromTimestamp(command.deadline())),
                                  ", the controller's clock says ", absl::FormatTime(now))));
        continue;
      }
      if (command.mode() == v1::MODE_APPLY) {
        if (auto status = env_.journal.Start(command.id()); !status.ok()) {
          JournalFailed(status);
          Refuse(command, std::string(status.message()));
          continue;
        }
      }
    }
    RunOnLane(std::move(job));
  }
}

void CommandRunner::RunOnLane(Job job) {
  busy_ = true;
  env_.lane->Post([weak = weak_from_this(), job = std::move(job), &plugins = env_.plugins,
                   &clock = env_.clock, timeout = env_.plugin_timeout, strand = env_.strand] {
    if (weak.expired()) return;
    v1::CommandResult result = job.interrupted
                                   ? ResolveInterrupted(plugins, job.command, clock, timeout,
                                                        "the agent stopped while it ran")
                                   : RunCommand(plugins, job.command, clock, timeout);
    strand->Post([weak, command = job.command, result = std::move(result)] {
      auto self = weak.lock();
      if (self == nullptr) return;
      self->busy_ = false;
      self->Finish(command, result);
      self->RunNext();
    });
  });
}

void CommandRunner::Finish(const v1::Command& command, const v1::CommandResult& outcome) {
  v1::CommandResult result = outcome;
  result.set_command_id(command.id());
  at_work_.erase(command.id());
  if (auto status = env_.journal.Finish(command, result, env_.clock.Now()); status.ok()) {
    JournalWorks();
  } else {
    unsaved_[command.id()] = {command, result};
    unsaved_[command.id()].first.clear_secrets();
    JournalFailed(status);
  }
  log::Info("AGENT_COMMAND_DONE", "{} {}.{}: {} {}", command.id(), command.plugin(),
            command.action(), v1::Outcome_Name(result.outcome()), result.message());
  const bool look_again = command.mode() == v1::MODE_APPLY &&
                          result.outcome() != v1::OUTCOME_NO_CHANGE &&
                          result.outcome() != v1::OUTCOME_REFUSED;
  env_.done(std::move(result), look_again);
}

// For a command that could not even be written down: nothing is recorded, so it may be sent again.
void CommandRunner::Refuse(const v1::Command& command, const std::string& why) {
  at_work_.erase(command.id());
  v1::CommandResult result =
      Ended(v1::OUTCOME_REFUSED, absl::StrCat("not started, nothing was done: ", why));
  env_.done(Seal(command, std::move(result), env_.clock.Now(), env_.clock.Now()), false);
}

void CommandRunner::Acknowledge(const std::string& command_id) {
  if (auto status = env_.journal.Acknowledge(command_id); !status.ok()) JournalFailed(status);
}

std::vector<v1::CommandResult> CommandRunner::Unacknowledged() {
  auto results = env_.journal.Unacknowledged();
  if (!results.ok()) {
    log::Error("AGENT_JOURNAL_UNREADABLE", "{}", results.status().ToString());
    results.emplace();
  }
  for (const auto& [id, unsaved] : unsaved_) results->push_back(unsaved.second);
  return *std::move(results);
}

void CommandRunner::Maintain() {
  for (auto it = unsaved_.begin(); it != unsaved_.end();) {
    const auto& [command, result] = it->second;
    if (!env_.journal.Finish(command, result, env_.clock.Now()).ok()) return;
    it = unsaved_.erase(it);
  }
  if (env_.journal.Prune(env_.clock.Now() - kRetention).ok()) JournalWorks();
}

void CommandRunner::JournalFailed(const absl::Status& status) {
  if (std::exchange(journal_failing_, true)) return;
  log::Error(kJournalFull, "{}; commands are refused until it can be written again",
             status.ToString());
  v1::AgentNotice notice;
  notice.set_code(kJournalFull);
  notice.set_subject("journal");
  notice.set_message(std::string(status.message()));
  env_.notice(std::move(notice));
}

void CommandRunner::JournalWorks() {
  if (!journal_failing_) return;
  if (!unsaved_.empty()) return;
  journal_failing_ = false;
  v1::AgentNotice notice;
  notice.set_code(kJournalFull);
  notice.set_subject("journal");
  notice.set_resolved(true);
  notice.set_message("the journal can be written again");
  env_.notice(std::move(notice));
}

}  // namespace keymedic::agent
