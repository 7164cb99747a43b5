// SPDX-License-Identifier: Apache-2.0
//
// An agent's bidirectional gRPC stream: reads one message at a time into a Session, writes what the
// session and the fleet send. Owns itself until gRPC is done with it; others may hold it longer,
// and then their calls do nothing.
#ifndef KEYMEDIC_CONTROLLER_FLEET_AGENT_STREAM_H_
#define KEYMEDIC_CONTROLLER_FLEET_AGENT_STREAM_H_

#include <grpcpp/grpcpp.h>

#include <string>

#include "controller/fleet/fleet.h"
#include "controller/fleet/session.h"
#include "keymedic/v1/agent_service.pb.h"

namespace keymedic::controller {

// `fleet` outlives the stream.
grpc::ServerBidiReactor<v1::AgentMessage, v1::ControllerMessage>* NewAgentStream(
    Fleet& fleet, const std::string& machine_id, Admission admission);

}  // namespace keymedic::controller

#endif  // KEYMEDIC_CONTROLLER_FLEET_AGENT_STREAM_H_
