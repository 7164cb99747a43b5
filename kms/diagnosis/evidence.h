// SPDX-License-Identifier: Apache-2.0
//
// What several rules say in the same words.
#ifndef KEYMEDIC_KMS_DIAGNOSIS_EVIDENCE_H_
#define KEYMEDIC_KMS_DIAGNOSIS_EVIDENCE_H_

#include <string>

#include "kms/diagnosis/rules.h"

namespace keymedic::kms {

// "0xC004F074 No KMS host could be contacted".
std::string ErrorText(uint32_t error);

// A finding about a product of the machine; null: about the machine only.
FindingBuilder About(absl::string_view code, const Facts& facts, const v1::Product* product);

// The newest attempt, if it failed.
FindingBuilder& AddAttempt(FindingBuilder& builder, const Facts& facts);
// With which its host rejected it, if only the host's log tells.
FindingBuilder& AddRejection(FindingBuilder& builder, const Facts& facts);
// The newest attempt, or else the error that the state names.
FindingBuilder& AddError(FindingBuilder& builder, const Facts& facts);

// The first product (no add-on) for which `fits` says yes.
template <typename Fits>
const v1::Product* FindProduct(const Facts& facts, Fits fits) {
  if (!facts.machine.licensing.has_value()) return nullptr;
  for (const v1::Product& product : facts.machine.licensing->products()) {
    if (!product.is_addon() && fits(product)) return &product;
  }
  return nullptr;
}

// An error that the state of a product, or the newest attempt, names.
Found OnError(absl::string_view code, const Facts& facts, bool (*fits)(uint32_t error));

// The primary product, if it has a key of another kind on a machine that belongs on KMS.
const v1::Product* ProductOffKms(const Facts& facts);

}  // namespace keymedic::kms

#endif  // KEYMEDIC_KMS_DIAGNOSIS_EVIDENCE_H_
