// SPDX-License-Identifier: Apache-2.0
//
// Activation attempts out of events: a request (12288) with its answer (12289), and what the
// licensing service says of an attempt as a whole (8198, 8196). Internal to kms.
#ifndef KEYMEDIC_KMS_ATTEMPTS_H_
#define KEYMEDIC_KMS_ATTEMPTS_H_

#include <vector>

#include "keymedic/v1/event.pb.h"
#include "keymedic/v1/section.pb.h"

namespace keymedic::kms {

// `events` oldest first; other events than these four are passed over.
void FoldAttempts(const std::vector<const v1::EventRecord*>& events, v1::KmsClientSection& client);

}  // namespace keymedic::kms

#endif  // KEYMEDIC_KMS_ATTEMPTS_H_
