// SPDX-License-Identifier: Apache-2.0
//
// To a lab in another process, over its local socket; stream_transport.h says how calls go.
// kInvalidArgument for a path that is too long for a socket.
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
