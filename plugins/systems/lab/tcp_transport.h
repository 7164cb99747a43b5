// SPDX-License-Identifier: Apache-2.0
//
// To a lab in another process, over a TCP port of this computer's loopback, which is all that a
// Windows program under Wine can reach; stream_transport.h says how calls go.
#ifndef KEYMEDIC_PLUGINS_SYSTEMS_LAB_TCP_TRANSPORT_H_
#define KEYMEDIC_PLUGINS_SYSTEMS_LAB_TCP_TRANSPORT_H_

#include <string>

#include "absl/time/time.h"
#include "plugins/systems/lab/lab_systems.h"

namespace keymedic::systems {

// `address`: "127.0.0.1:41231" or "[::1]:41231", as the lab printed it; each call answers
// kInvalidArgument for what is none.
LabTransport MakeTcpTransport(std::string address, absl::Duration deadline = absl::Seconds(10));

}  // namespace keymedic::systems

#endif  // KEYMEDIC_PLUGINS_SYSTEMS_LAB_TCP_TRANSPORT_H_
