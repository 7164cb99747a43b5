// SPDX-License-Identifier: Apache-2.0
//
// Plugins that are linked in, run in the caller's own process: for labs with thousands of agents,
// and for tests. Made cheaply; the plugins are created at the first call.
//
// Threads: as PluginRunner; a mutex keeps the plugins' promise of one call at a time.
// Errors: as PluginRunner, but there is no process to end: a timeout is not enforced, nothing is
// quarantined, and a crash is the crash of the program.
#ifndef KEYMEDIC_AGENT_BUILTIN_PLUGINS_H_
#define KEYMEDIC_AGENT_BUILTIN_PLUGINS_H_

#include <memory>
#include <vector>

#include "agent/plugin_runner.h"
#include "keymedic/v1/plugin.pb.h"
#include "plugins/sdk/builtin.h"

namespace keymedic::agent {

using BuiltinPlugin = ::keymedic::BuiltinPlugin;

std::unique_ptr<PluginRunner> MakeBuiltinPlugins(std::vector<BuiltinPlugin> plugins,
                                                 const v1::PluginConfig& config);

}  // namespace keymedic::agent

#endif  // KEYMEDIC_AGENT_BUILTIN_PLUGINS_H_
