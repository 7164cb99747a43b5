// SPDX-License-Identifier: Apache-2.0
//
// status.json in the state directory: what the controller makes of this machine (MachineStatus, in
// the JSON form of Protocol Buffers with the protocol's names), for others on the machine who must
// not ask the network, such as a configuration management's facts. It is as private as the rest of
// the directory. The agent reads none of it. An enrolment removes it, as it is another
// controller's.
//
// Threads: one at a time. Errors name the file.
#ifndef KEYMEDIC_AGENT_STATUS_FILE_H_
#define KEYMEDIC_AGENT_STATUS_FILE_H_

#include <string>

#include "absl/status/status.h"
#include "keymedic/v1/agent_service.pb.h"

namespace keymedic::agent {

std::string StatusFile(const std::string& state_dir);
// Readers see the old one or the new one.
absl::Status StoreStatus(const std::string& state_dir, const v1::MachineStatus& status);

}  // namespace keymedic::agent

#endif  // KEYMEDIC_AGENT_STATUS_FILE_H_
