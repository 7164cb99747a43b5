// SPDX-License-Identifier: Apache-2.0
//
// Maintenance windows: when a machine may be treated, in its own time. Pure functions, any thread.
#ifndef KEYMEDIC_CONTROLLER_REMEDIATION_MAINTENANCE_H_
#define KEYMEDIC_CONTROLLER_REMEDIATION_MAINTENANCE_H_

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "keymedic/v1/remediation_service.pb.h"

namespace keymedic::controller {

// One opening: [begin, end).
struct Opening {
  absl::Time begin = absl::InfinitePast();
  absl::Time end = absl::InfiniteFuture();
};

// The opening that `now` is in, or else the next one; windows that touch or overlap are one.
// Without windows: always open. `utc_offset_minutes`: of the machine's time zone at this time.
Opening NextOpening(const v1::RolloutPolicy& policy, int utc_offset_minutes, absl::Time now);

// kInvalidArgument naming the window and the value.
absl::Status CheckWindows(const v1::RolloutPolicy& policy);

}  // namespace keymedic::controller

#endif  // KEYMEDIC_CONTROLLER_REMEDIATION_MAINTENANCE_H_
