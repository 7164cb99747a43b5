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

// How many are in flight per KMS host and per site.
struct Rollout::Crowd {
  Crowd(const v1::Remediation& remediation, const std::set<uint32_t>& flight);
  // Whether one more fits into the policy's limits; a machine without site or host counts for
  // neither.
  bool HasRoom(const v1::Target& target) const;
  void Add(const v1::Target& target);

  const v1::RolloutPolicy& policy;
  std::map<std::string, uint32_t> hosts, sites;
};

}  // namespace keymedic::controller

#endif  // KEYMEDIC_CONTROLLER_REMEDIATION_ROLLOUT_CHANGES_H_
