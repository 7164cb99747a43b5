// SPDX-License-Identifier: Apache-2.0
//
// Only for rollout*.cc: the effects of one event while they are being gathered, and the crowd.
#ifndef KEYMEDIC_CONTROLLER_REMEDIATION_ROLLOUT_CHANGES_H_
#define KEYMEDIC_CONTROLLER_REMEDIATION_ROLLOUT_CHANGES_H_

#include "controller/remediation/rollout.h"

namespace keymedic::controller {

struct Rollout::Changes {
  absl::Time now;
  Effects effects;
};

}  // namespace keymedic::controller

#endif  // KEYMEDIC_CONTROLLER_REMEDIATION_ROLLOUT_CHANGES_H_
