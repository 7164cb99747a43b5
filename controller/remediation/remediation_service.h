// SPDX-License-Identifier: Apache-2.0
//
// RemediationService over the manager: turns calls into calls, and nothing else. Who may call what
// is decided before, in controller/trust.
#ifndef KEYMEDIC_CONTROLLER_REMEDIATION_REMEDIATION_SERVICE_H_
#define KEYMEDIC_CONTROLLER_REMEDIATION_REMEDIATION_SERVICE_H_

#include <grpcpp/grpcpp.h>

#include <functional>
#include <memory>
#include <string>

#include "controller/remediation/manager.h"

namespace keymedic::controller {

// `actor` gives the caller's SPIFFE id. Destroy the service after its server was shut down and
// before the manager.
std::unique_ptr<grpc::Service> MakeRemediationService(
    RemediationManager& manager,
    std::function<std::string(const grpc::CallbackServerContext&)> actor);

}  // namespace keymedic::controller

#endif  // KEYMEDIC_CONTROLLER_REMEDIATION_REMEDIATION_SERVICE_H_
