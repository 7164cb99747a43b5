// SPDX-License-Identifier: Apache-2.0
//
// The plugin host's conversation with its agent: HostRequest frames in, HostResponse frames out.
//
// Threads: one. Ownership: descriptors stay the caller's.
#ifndef KEYMEDIC_AGENT_PLUGIN_HOST_SERVER_H_
#define KEYMEDIC_AGENT_PLUGIN_HOST_SERVER_H_

#include <functional>

#include "absl/status/status.h"
#include "agent/plugin_host/plugin_handle.h"
#include "keymedic/v1/plugin.pb.h"

namespace keymedic::agent {

// Answers one request. Never fails: an error is an answer.
v1::HostResponse Answer(const PluginSet& plugins, const v1::HostRequest& request);

// Answers until the input ends. `before_call` runs before each request. An error means that the
// stream cannot be followed any further; the agent has been told so with id 0.
absl::Status Serve(const PluginSet& plugins, int in, int out,
                   const std::function<void()>& before_call);

}  // namespace keymedic::agent

#endif  // KEYMEDIC_AGENT_PLUGIN_HOST_SERVER_H_
