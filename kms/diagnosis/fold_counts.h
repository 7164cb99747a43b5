// SPDX-License-Identifier: Apache-2.0
//
// For fold.cc: is what a host's count lacks just what something keeps from it? Pure; absent fields
// are not known, and what is not known is given the benefit of the doubt.
#ifndef KEYMEDIC_KMS_DIAGNOSIS_FOLD_COUNTS_H_
#define KEYMEDIC_KMS_DIAGNOSIS_FOLD_COUNTS_H_

#include "absl/strings/string_view.h"
#include "kms/diagnosis/diagnosis.h"

namespace keymedic::kms {

// Would its count be enough if each of the machines that share an id had one of its own?
bool ClonesFillCount(const Estate& estate, const MachineState& host);

// Would its count be enough if those could ask whom `cause`, a code about this host, keeps out?
bool IsAwaited(const Estate& estate, const MachineState& host, absl::string_view cause);

// 0: not known.
uint32_t ListeningPort(const MachineState& host);

}  // namespace keymedic::kms

#endif  // KEYMEDIC_KMS_DIAGNOSIS_FOLD_COUNTS_H_
