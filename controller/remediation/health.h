// SPDX-License-Identifier: Apache-2.0
//
// Are the machines that a rollout has treated so far well? Asked when a wave has soaked.
#ifndef KEYMEDIC_CONTROLLER_REMEDIATION_HEALTH_H_
#define KEYMEDIC_CONTROLLER_REMEDIATION_HEALTH_H_

#include <string>
#include <vector>

#include "controller/fleet/fleet_port.h"
#include "keymedic/v1/remediation_service.pb.h"

namespace keymedic::controller {

// What is wrong, a line for each machine, by the conditions of its policy; empty: all is well. Only
// targets that succeeded count: the others are the error budget's business. Any thread.
std::vector<std::string> TroublesOf(const v1::Remediation& remediation, FleetPort& fleet);

}  // namespace keymedic::controller

#endif  // KEYMEDIC_CONTROLLER_REMEDIATION_HEALTH_H_
