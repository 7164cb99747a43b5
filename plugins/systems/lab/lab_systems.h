// SPDX-License-Identifier: Apache-2.0
//
// A simulated machine, reached by messages (proto/keymedic/lab/v1/machine.proto). The world and its
// rules live in lab/; here is only the way to ask it.
//
// Acts carry the name of the method they stand for: "InstallKey" (text: key), "Activate" (text:
// activation id), "SetKmsHost" (text: host, number: port), "ClearKmsHost", "SetHostCaching" (flag),
// "SetActivationType" (number), "SetListeningPort" (number), "SetDnsPublishing" (flag), "Rearm",
// "SetRuleEnabled" (text: rule id, flag), "AddInboundRule" (rule), "RemoveRule" (text),
// "SetServiceDisabled" (text, flag), "RestartService" (text), "SetLogMaxBytes" (text: channel,
// number: bytes), "SynchroniseClock", "Restart".
//
// Errors: what the lab answered as status, or what the transport met (kUnavailable,
// kDeadlineExceeded); an answer of another kind than was asked for is kInternal.
#ifndef KEYMEDIC_PLUGINS_SYSTEMS_LAB_LAB_SYSTEMS_H_
#define KEYMEDIC_PLUGINS_SYSTEMS_LAB_LAB_SYSTEMS_H_

#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "keymedic/lab/v1/machine.pb.h"
#include "plugins/systems/systems.h"

namespace keymedic::systems {

using LabTransport =
    std::function<absl::StatusOr<lab::v1::MachineResponse>(const lab::v1::MachineRequest&)>;

Systems MakeLabSystems(std::string machine, LabTransport transport);

}  // namespace keymedic::systems

#endif  // KEYMEDIC_PLUGINS_SYSTEMS_LAB_LAB_SYSTEMS_H_
