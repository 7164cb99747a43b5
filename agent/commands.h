// SPDX-License-Identifier: Apache-2.0
//
// Runs the controller's commands: one at a time, in order, each at most once. The journal is
// written before each step; a command that was cut off in the middle (by a crash of the agent or
// of the plugin's process) is resolved by a CHECK of the same action, never by trying again.
//
// Life cycle: Make -> Recover (what a crash left) -> Accept ... -> Stop.
// Threads: everything on `strand`; plugins are called on `lane`.
// Errors: none leave it; every command ends in a result.
#ifndef KEYMEDIC_AGENT_COMMANDS_H_
#define KEYMEDIC_AGENT_COMMANDS_H_

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "agent/journal.h"
#include "agent/plugin_runner.h"
#include "base/clock.h"
#include "base/executor.h"
#include "keymedic/v1/agent_service.pb.h"
#include "keymedic/v1/command.pb.h"

namespace keymedic::agent {

inline constexpr char kJournalFull[] = "AGENT_JOURNAL_FULL";

// Blocking. Acts once; where the plugin died under it or hung, looks at what became of it. An
// APPLY may take four times `timeout`.
v1::CommandResult RunCommand(PluginRunner& plugins, const v1::Command& command, const Clock& clock,
                             absl::Duration timeout);
// Blocking. What became of an APPLY that was cut off, seen by a CHECK of the same action.
v1::CommandResult ResolveInterrupted(PluginRunner& plugins, const v1::Command& command,
                                     const Clock& clock, absl::Duration timeout,
                                     const std::string& why);

class CommandRunner : public std::enable_shared_from_this<CommandRunner> {
 public:
  struct Env {
    const Clock& clock;
    PluginRunner& plugins;
    Journal& journal;
    std::shared_ptr<Strand> strand;
    std::shared_ptr<Strand> lane;
    absl::Duration plugin_timeout;
    // A result to be sent; `look_again`: the machine may have changed.
    std::function<void(v1::CommandResult result, bool look_again)> done;
    std::function<void(v1::AgentNotice)> notice;
  };

  static std::shared_ptr<CommandRunner> Make(Env env);

  // What the controller's clock says now: deadlines are by it. Until it is told, this machine's
  // own.
  void SetControllerTime(const google::protobuf::Timestamp& now);
  void Recover();
  void Accept(const v1::Command& command);
  void Acknowledge(const std::string& command_id);
  std::vector<v1::CommandResult> Unacknowledged();
  // Writes what a full disk has kept out of the journal, and forgets what is old.
  void Maintain();
  void Stop() { stopped_ = true; }

 private:
  struct Job {
    v1::Command command;
    bool interrupted = false;
  };

  explicit CommandRunner(Env env) : env_(std::move(env)) {}

  void Enqueue(Job job);
  void RunNext();
  void RunOnLane(Job job);
  void Finish(const v1::Command& command, const v1::CommandResult& result);
  void Refuse(const v1::Command& command, const std::string& why);
  void JournalFailed(const absl::Status& status);
  void JournalWorks();

  Env env_;
  std::deque<Job> queue_;
  std::set<std::string> at_work_;  // queued or running
  bool busy_ = false;
  bool stopped_ = false;
  absl::Duration ahead_ = absl::ZeroDuration();  // of the controller's clock over ours
  bool journal_failing_ = false;
  // Finished, but the journal's disk is full.
  std::map<std::string, std::pair<v1::Command, v1::CommandResult>> unsaved_;
};

}  // namespace keymedic::agent

#endif  // KEYMEDIC_AGENT_COMMANDS_H_
