// SPDX-License-Identifier: Apache-2.0
//
// What becomes of one KMS host's count if nothing changes.
//
// A host remembers a machine for 30 days after its last request, and at most twice the highest
// threshold that its clients ask for (50 or 10). Who comes back is counted on; who does not falls
// out. What the log of the host does not show, although it is counted, is not known, and is never
// taken for gone while the host can be asked.
#ifndef KEYMEDIC_KMS_DIAGNOSIS_FORECAST_POOL_H_
#define KEYMEDIC_KMS_DIAGNOSIS_FORECAST_POOL_H_

#include <string>
#include <vector>

#include "kms/diagnosis/forecast_machine.h"

namespace keymedic::kms {

struct CountFall {
  int threshold = 0;
  absl::Time at;
  std::string reason;
  int clients = 0;                        // who asks this host and needs that threshold
  std::vector<const MachineState*> gone;  // who falls out before, as far as known
};

struct PoolOutlook {
  int count_now = 0;
  std::vector<CountFall> falls;  // highest threshold first
  std::string not_known;         // why nothing can be said of a threshold; empty: it can
};

PoolOutlook OutlookOfPool(const Estate& estate, const MachineState& host, Outlooks& outlooks,
                          const v1::Policy& policy, absl::Time now);

}  // namespace keymedic::kms

#endif  // KEYMEDIC_KMS_DIAGNOSIS_FORECAST_POOL_H_
