// SPDX-License-Identifier: Apache-2.0
//
// A whole estate at once: for who holds all of it at one instant and keeps no findings between two
// looks. (A controller looks again only at what a change touches.)
// Pure; as diagnosis.h.
#ifndef KEYMEDIC_KMS_DIAGNOSIS_DIAGNOSE_ESTATE_H_
#define KEYMEDIC_KMS_DIAGNOSIS_DIAGNOSE_ESTATE_H_

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "absl/types/span.h"
#include "kms/diagnosis/diagnosis.h"

namespace keymedic::kms {

// What the machines `ids` show, what no machine owns, and `more` (of the agents), folded.
std::vector<v1::Finding> DiagnoseEstate(const Estate& estate, absl::Span<const std::string> ids,
                                        const v1::Policy& policy, absl::Time now,
                                        std::vector<v1::Finding> more);

}  // namespace keymedic::kms

#endif  // KEYMEDIC_KMS_DIAGNOSIS_DIAGNOSE_ESTATE_H_
