// SPDX-License-Identifier: Apache-2.0
//
// How remediations stand in the store: one row for the remediation, one for each target, so that a
// target's progress is one small write.
// Errors: the store's own; kDataLoss naming a row that does not parse.
#ifndef KEYMEDIC_CONTROLLER_REMEDIATION_STORED_H_
#define KEYMEDIC_CONTROLLER_REMEDIATION_STORED_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "controller/store/store.h"
#include "keymedic/v1/remediation_service.pb.h"

namespace keymedic::controller {

Write HeaderRow(const v1::Remediation& remediation);  // leaves out the targets
Write TargetRow(const v1::Remediation& remediation, uint32_t index);

absl::StatusOr<std::vector<v1::Remediation>> LoadHeaders(Store& store);
absl::Status LoadTargets(Store& store, v1::Remediation& remediation);
// kNotFound.
absl::StatusOr<v1::Remediation> LoadRemediation(Store& store, const std::string& id);

}  // namespace keymedic::controller

#endif  // KEYMEDIC_CONTROLLER_REMEDIATION_STORED_H_
