// SPDX-License-Identifier: Apache-2.0
//
// The estate's policy in the store: one row, changed only by who has seen what is there (etag).
#ifndef KEYMEDIC_CONTROLLER_POLICY_H_
#define KEYMEDIC_CONTROLLER_POLICY_H_

#include "absl/status/statusor.h"
#include "controller/store/store.h"
#include "keymedic/v1/policy_service.pb.h"

namespace keymedic::controller {

// With defaults filled in, and its etag.
absl::StatusOr<v1::Policy> LoadPolicy(Store& store);
// kAborted when `policy` carries another etag than what is stored; kInvalidArgument.
absl::StatusOr<v1::Policy> SavePolicy(Store& store, const v1::Policy& policy);

}  // namespace keymedic::controller

#endif  // KEYMEDIC_CONTROLLER_POLICY_H_
