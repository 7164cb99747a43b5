// SPDX-License-Identifier: Apache-2.0
//
// The plugin host's way to its agent: the standard streams that it was started with, out of reach
// of the plugins.
#ifndef KEYMEDIC_AGENT_PLUGIN_HOST_CHANNEL_H_
#define KEYMEDIC_AGENT_PLUGIN_HOST_CHANNEL_H_

#include "absl/status/statusor.h"

namespace keymedic::agent {

struct Channel {
  int in;
  int out;
};

// From here on standard input is empty, and standard output is standard error. Once.
absl::StatusOr<Channel> TakeChannel();

// A hung call never reads the end of its input: ends the process a grace after the agent has gone.
// On Windows that is the doing of the agent's job object, at once.
void EndWithAgent(const Channel& channel);

}  // namespace keymedic::agent

#endif  // KEYMEDIC_AGENT_PLUGIN_HOST_CHANNEL_H_
