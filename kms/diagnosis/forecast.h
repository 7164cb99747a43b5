// SPDX-License-Identifier: Apache-2.0
//
// The forecast: for each machine the day it leaves Licensed (or its grace period) if nothing
// changes, for each KMS host the day its count falls under a threshold that its clients need, and
// the cause that would have to go so that it does not happen. Pure, as all of the diagnosis.
//
// What one machine's state says stands in forecast_machine.h, what a host's in forecast_pool.h;
// here it is joined with the folded findings, sorted, and told by cause. What is not known is told
// as not known, with the reason.
#ifndef KEYMEDIC_KMS_DIAGNOSIS_FORECAST_H_
#define KEYMEDIC_KMS_DIAGNOSIS_FORECAST_H_

#include <functional>
#include <vector>

#include "absl/time/time.h"
#include "absl/types/span.h"
#include "keymedic/v1/fleet_service.pb.h"
#include "kms/diagnosis/diagnosis.h"

namespace keymedic::kms {

struct ForecastOptions {
  absl::Duration ahead = absl::Hours(24 * 180);    // what happens later is only counted
  std::function<bool(const MachineState&)> about;  // which machines; empty: all
};

// `folded` are the findings of this estate as Fold gives them. The answer has every forecast,
// soonest first, and the summary; no page token.
v1::ListForecastsResponse Forecast(const Estate& estate, absl::Span<const v1::Finding> folded,
                                   const v1::Policy& policy, absl::Time now,
                                   const ForecastOptions& options = {});

}  // namespace keymedic::kms

#endif  // KEYMEDIC_KMS_DIAGNOSIS_FORECAST_H_
