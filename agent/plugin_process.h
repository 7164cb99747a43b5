// SPDX-License-Identifier: Apache-2.0
//
// Plugins in a process of their own, keymedic-plugin-host, which is started at the first call and
// again after it ended. The agent never loads a plugin, so none can take it down.
//
// A call that runs past its timeout, ends the process, or breaks the memory or CPU limit is a
// strike against the plugin that was called, and against no other; the process is replaced. Enough
// strikes quarantine the plugin (plugin_strikes.h). One that ends the process while it is loaded is
// quarantined at once, as each new try would cost all plugins their process. If the process ends
// again and again without an answer in between, it is started again only after a growing delay.
//
// Threads and errors: see PluginRunner. After a release from quarantine List has the plugin again.
// Timeouts are real time; strikes, cool-down and delay follow the clock.
#ifndef KEYMEDIC_AGENT_PLUGIN_PROCESS_H_
#define KEYMEDIC_AGENT_PLUGIN_PROCESS_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agent/plugin_runner.h"
#include "agent/plugin_strikes.h"
#include "base/clock.h"

namespace keymedic::agent {

struct PluginProcessOptions {
  std::string program;               // keymedic-plugin-host
  std::string plugin_dir;            // every *.so there; empty: none
  std::vector<std::string> plugins;  // and these files
  std::string allow_file;            // empty: plugins.allow in plugin_dir, if it is there
  std::string system = "local";
  std::map<std::string, std::string> settings;
  uint64_t memory_limit_mb = 512;                   // address space; 0: no limit
  uint64_t cpu_limit_seconds = 60;                  // of one call; 0: no limit
  absl::Duration load_timeout = absl::Seconds(30);  // of one plugin
  StrikePolicy strikes;
  absl::Duration restart_base = absl::Seconds(1);
  absl::Duration restart_cap = absl::Minutes(2);
};

// kNotFound when there is no such program. `clock` outlives the runner.
absl::StatusOr<std::unique_ptr<PluginRunner>> MakePluginProcess(const PluginProcessOptions& options,
                                                                const Clock& clock);

}  // namespace keymedic::agent

#endif  // KEYMEDIC_AGENT_PLUGIN_PROCESS_H_
