// SPDX-License-Identifier: Apache-2.0
//
// What the program does with the parts: the plugins of a configuration, and the daemon's life.
#ifndef KEYMEDIC_AGENT_RUN_H_
#define KEYMEDIC_AGENT_RUN_H_

#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/config.h"
#include "agent/daemon.h"
#include "agent/plugin_runner.h"
#include "base/clock.h"

namespace keymedic::agent {

// `clock` outlives what is returned.
absl::StatusOr<std::unique_ptr<PluginRunner>> OpenPlugins(const Config& config, const Clock& clock);

// Waits until the machine is enrolled if it is not (waiting_enrolment.h), then is its agent, until
// the daemon is asked to stop. `load` reads the configuration: while it waits, again and again.
absl::Status RunAgent(const std::function<absl::StatusOr<Config>()>& load, Daemon& daemon);

}  // namespace keymedic::agent

#endif  // KEYMEDIC_AGENT_RUN_H_
