// SPDX-License-Identifier: Apache-2.0
//
// To a lab in another process, over its local socket: frames of base/frames.h, one answer for each
// request. Connects at the first call. A connection that broke is made anew once; an act is not
// repeated after it may have reached the lab, because it may have been done.
//
// Threads: one at a time, like the Systems that owns it.
// Errors: kUnavailable (nobody serves the socket, the lab went away), kDeadlineExceeded.
#ifndef KEYMEDIC_PLUGINS_SYSTEMS_LAB_UNIX_TRANSPORT_H_
#define KEYMEDIC_PLUGINS_SYSTEMS_LAB_UNIX_TRANSPORT_H_

#include <string>

#include "absl/time/time.h"
#include "plugins/systems/lab/lab_systems.h"

namespace keymedic::systems {

LabTransport MakeUnixTransport(std::string socket_path,
                               absl::Duration deadline = absl::Seconds(10));

}  // namespace keymedic::systems

#endif  // KEYMEDIC_PLUGINS_SYSTEMS_LAB_UNIX_TRANSPORT_H_
