// SPDX-License-Identifier: Apache-2.0
//
// One machine's agent as a process that can be killed: the real session, commands, journal and role
// plugins over its folder on disk. Its messages go through a Link that is passed in, its plugins
// act on a lab machine; each message, act and write of the journal is a step of its life.
//
// Life cycle: Boot -> (killed: Die -> Boot again over the same folder)*.
// Threads: one; what it wants to do runs when its executor is told.
// Errors: of the disk, as the journal's.
#ifndef KEYMEDIC_BENCH_CRASH_MORTAL_AGENT_H_
#define KEYMEDIC_BENCH_CRASH_MORTAL_AGENT_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "agent/journal.h"
#include "agent/outbox.h"
#include "agent/session.h"
#include "base/clock.h"
#include "base/executor.h"
#include "base/random.h"
#include "base/sqlite.h"
#include "bench/crash/life.h"

namespace keymedic::bench {

class MortalAgent {
 public:
  struct Options {
    std::string machine;
    std::string state_dir;  // is there
    std::string system;     // of its plugins: "lab:inprocess:NAME#machine"
    const Clock& clock;
    Random& random;
    // Asked before each act of a plugin: where does the plugin's own process die?
    enum class PluginDeath { kNone, kBefore, kAfter };
    std::function<PluginDeath()> plugin_death;
  };

  explicit MortalAgent(Options options) : options_(std::move(options)) {}

  absl::Status Boot();
  // What was in memory is gone.
  void Die();

  const std::string& machine() const { return options_.machine; }
  Life& life() { return process_->life; }
  agent::Session& session() { return *process_->session; }
  ManualExecutor& executor() { return process_->executor; }

 private:
  // In the order in which they are made; the executor drops what is left when all else is gone.
  struct Process {
    Life life;
    ManualExecutor executor;
    std::optional<Database> database;
    std::optional<agent::Journal> journal;
    std::optional<agent::Outbox> outbox;
    std::unique_ptr<agent::PluginRunner> plugins;
    std::shared_ptr<agent::Session> session;
  };

  const Options options_;
  std::unique_ptr<Process> process_;
};

}  // namespace keymedic::bench

#endif  // KEYMEDIC_BENCH_CRASH_MORTAL_AGENT_H_
