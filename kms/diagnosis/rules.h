// SPDX-License-Identifier: Apache-2.0
//
// The rules, as tables. A rule looks at one machine's facts and says at most one finding for each
// code; it never looks at what other rules said. Which of several causes is the most specific is
// the table's order and stage, not the rule's business.
#ifndef KEYMEDIC_KMS_DIAGNOSIS_RULES_H_
#define KEYMEDIC_KMS_DIAGNOSIS_RULES_H_

#include <functional>
#include <optional>
#include <span>

#include "kms/diagnosis/builder.h"
#include "kms/diagnosis/facts.h"

namespace keymedic::kms {

enum class Stage {
  kFact,     // shown by the machine's state; reported whatever else is
  kCause,    // a fact that also explains why the machine is not activated
  kSymptom,  // explains it too, but only looked at when no cause does
  kGeneric,  // only what is left: not activated, and nothing says why
};

struct Rule {
  Stage stage;
  std::optional<v1::Finding> (*look)(const Facts& facts);
};

std::span<const Rule> ClientRules();
std::span<const Rule> HostRules();

}  // namespace keymedic::kms

#endif  // KEYMEDIC_KMS_DIAGNOSIS_RULES_H_
