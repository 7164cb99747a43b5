// SPDX-License-Identifier: Apache-2.0
//
// How long an agent waits before it tries to connect again. A controller that restarts loses all of
// its agents in one instant, and must not have them all back in one: already the first wait is
// spread (full jitter: evenly from nothing to a ceiling), and the ceiling doubles with each
// failure.
//
// Pure; any thread.
#ifndef KEYMEDIC_AGENT_RECONNECT_H_
#define KEYMEDIC_AGENT_RECONNECT_H_

#include "absl/time/time.h"

namespace keymedic::agent {

struct ReconnectPolicy {
  absl::Duration first = absl::Seconds(10);  // the ceiling after a connection that worked
  absl::Duration most = absl::Minutes(2);    // no ceiling is higher
};

// `failures`: attempts since the last connection that worked. `retry_after`: what the controller
// asks for; it comes on top, so that those it sent away do not all come back at once. `uniform`: of
// [0, 1), at random.
absl::Duration ReconnectDelay(const ReconnectPolicy& policy, int failures,
                              absl::Duration retry_after, double uniform);

}  // namespace keymedic::agent

#endif  // KEYMEDIC_AGENT_RECONNECT_H_
