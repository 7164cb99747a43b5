// SPDX-License-Identifier: Apache-2.0
//
// How the agent reaches its plugins: in a disposable process of their own (PluginProcess), or
// statically linked (BuiltinPlugins, for labs with thousands of agents). Both answer the same
// requests, so the agent core cannot tell them apart.
//
// Threads: calls may come from any thread; they are served one at a time, in order.
// Errors: kDeadlineExceeded when the call took longer than `timeout`, kUnavailable when the
// plugin's process died under it, kFailedPrecondition when the plugin is quarantined; the message
// names plugin, call, limit and value. After any of them the runner is usable again.
#ifndef KEYMEDIC_AGENT_PLUGIN_RUNNER_H_
#define KEYMEDIC_AGENT_PLUGIN_RUNNER_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "keymedic/v1/agent_service.pb.h"
#include "keymedic/v1/plugin.pb.h"

namespace keymedic::agent {

class PluginRunner {
 public:
  virtual ~PluginRunner() = default;

  // Loaded plugins and those that were refused, with the reason.
  virtual absl::StatusOr<v1::ListResponse> List() = 0;
  virtual absl::StatusOr<v1::CollectResponse> Collect(const std::string& plugin,
                                                      const v1::CollectRequest& request,
                                                      absl::Duration timeout) = 0;
  virtual absl::StatusOr<v1::ActResponse> Act(const std::string& plugin,
                                              const v1::ActRequest& request,
                                              absl::Duration timeout) = 0;
  virtual absl::StatusOr<v1::DiagnoseResponse> Diagnose(const std::string& plugin,
                                                        const v1::DiagnoseRequest& request,
                                                        absl::Duration timeout) = 0;
  // What the controller should hear about the plugins: quarantined, released. Drains.
  virtual std::vector<v1::AgentNotice> TakeNotices() = 0;
};

}  // namespace keymedic::agent

#endif  // KEYMEDIC_AGENT_PLUGIN_RUNNER_H_
