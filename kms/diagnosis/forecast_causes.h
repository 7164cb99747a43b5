// SPDX-License-Identifier: Apache-2.0
//
// Which finding has to go so that a forecast does not come true: the root, in the folded findings,
// of what stops a machine or a host.
#ifndef KEYMEDIC_KMS_DIAGNOSIS_FORECAST_CAUSES_H_
#define KEYMEDIC_KMS_DIAGNOSIS_FORECAST_CAUSES_H_

#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "kms/diagnosis/forecast_machine.h"

namespace keymedic::kms {

class ForecastCauses {
 public:
  // Looks into `folded`, which must outlive it.
  explicit ForecastCauses(absl::Span<const v1::Finding> folded);

  // Null: nothing that was found explains it.
  const v1::Finding* Of(const MachineState& machine, const MachineOutlook& outlook) const;
  const v1::Finding* OfHost(const MachineState& host, absl::string_view code) const;

 private:
  const v1::Finding* Root(const v1::Finding* finding) const;

  absl::flat_hash_map<absl::string_view, std::vector<const v1::Finding*>> by_machine_;
  // Of causes only, by code and subject.
  absl::flat_hash_map<std::pair<absl::string_view, absl::string_view>, const v1::Finding*> causes_;
};

}  // namespace keymedic::kms

#endif  // KEYMEDIC_KMS_DIAGNOSIS_FORECAST_CAUSES_H_
