// SPDX-License-Identifier: Apache-2.0
#include "kms/diagnosis/diagnose_estate.h"

#include <iterator>
#include <utility>

namespace keymedic::kms {

std::vector<v1::Finding> DiagnoseEstate(const Estate& estate, absl::Span<const std::string> ids,
                                        const v1::Policy& policy, absl::Time now,
                                        std::vector<v1::Finding> more) {
  std::vector<v1::Finding> all = DiagnoseRecords(estate, policy, now);
  const auto add = [&all](std::vector<v1::Finding> findings) {
    all.insert(all.end(), std::make_move_iterator(findings.begin()),
               std::make_move_iterator(findings.end()));
  };
  for (const std::string& id : ids) add(DiagnoseMachine(estate, id, policy, now));
  add(std::move(more));
  return Fold(estate, std::move(all));
}

}  // namespace keymedic::kms
