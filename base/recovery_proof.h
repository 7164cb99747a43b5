// SPDX-License-Identifier: Apache-2.0
//
// What a machine signs with the key of its last certificate to be given a new one: the words say
// what for, so that no other signature can be taken for this one. The agent signs it and the
// controller checks it.
#ifndef KEYMEDIC_BASE_RECOVERY_PROOF_H_
#define KEYMEDIC_BASE_RECOVERY_PROOF_H_

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace keymedic {

inline constexpr size_t kRecoveryNonceBytes = 32;

// `nonce` has kRecoveryNonceBytes, so where it ends is plain.
inline std::string RecoveryProof(absl::string_view nonce, absl::string_view csr_pem) {
  return absl::StrCat("KeyMedic certificate recovery 1\n", nonce, csr_pem);
}

}  // namespace keymedic

#endif  // KEYMEDIC_BASE_RECOVERY_PROOF_H_
