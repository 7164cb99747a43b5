// SPDX-License-Identifier: Apache-2.0
//
// What an admin does about one machine's right to be here: ban, unban, reset, remove. Each holds
// for new calls before the machine's stream is ended, so nothing slips in between, and is in the
// audit log before it is answered.
//
// Threads: any.
// Errors: kNotFound, kFailedPrecondition (several machines of that name; to be removed and
// connected; to be unbanned and not banned), kInvalidArgument (a reason that is too long).
#ifndef KEYMEDIC_CONTROLLER_SERVICES_MACHINE_GATE_H_
#define KEYMEDIC_CONTROLLER_SERVICES_MACHINE_GATE_H_

#include <string>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "controller/audit.h"
#include "controller/fleet/fleet.h"
#include "controller/trust/revocations.h"
#include "keymedic/v1/access_service.pb.h"

namespace keymedic::controller {

class MachineGate {
 public:
  // All outlive the gate.
  MachineGate(Fleet& fleet, Revocations& revocations, AuditLog& audit, const Clock& clock)
      : fleet_(fleet), revocations_(revocations), audit_(audit), clock_(clock) {}

  absl::StatusOr<v1::MachineAccess> Ban(const std::string& caller, const std::string& name,
                                        const std::string& reason);
  // Also of a machine that was removed: by its id.
  absl::StatusOr<v1::MachineAccess> Unban(const std::string& caller, const std::string& name,
                                          const std::string& reason);
  absl::StatusOr<v1::MachineAccess> Reset(const std::string& caller, const std::string& name,
                                          const std::string& reason);
  absl::StatusOr<v1::MachineAccess> Remove(const std::string& caller, const std::string& name,
                                           const std::string& reason);

 private:
  v1::MachineAccess Describe(const std::string& machine_id);
  // Writes the audit line and gives back what it was about.
  absl::StatusOr<v1::MachineAccess> Done(const std::string& caller, const std::string& act,
                                         v1::MachineAccess machine, const std::string& reason);

  Fleet& fleet_;
  Revocations& revocations_;
  AuditLog& audit_;
  const Clock& clock_;
};

}  // namespace keymedic::controller

#endif  // KEYMEDIC_CONTROLLER_SERVICES_MACHINE_GATE_H_
