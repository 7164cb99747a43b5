// SPDX-License-Identifier: Apache-2.0
//
// The rules, as tables. A rule looks at one machine's facts and says at most one finding; it never
// looks at what other rules said. Which of several causes is the most specific is the table's stage
// and Fold's business, not the rule's.
#ifndef KEYMEDIC_KMS_DIAGNOSIS_RULES_H_
#define KEYMEDIC_KMS_DIAGNOSIS_RULES_H_

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

using Found = std::optional<v1::Finding>;

struct Rule {
  Stage stage;
  Found (*look)(const Facts& facts);
};

// One table for each file of rules.
std::span<const Rule> ClientKeyRules();    // the key, the edition, the machine id
std::span<const Rule> ClientPathRules();   // the way to the host and what it answers
std::span<const Rule> ClientStateRules();  // what the licensing service says of itself
std::span<const Rule> HostStateRules();    // the host's key, its count, its requests
std::span<const Rule> HostPathRules();     // the way to this host

}  // namespace keymedic::kms

#endif  // KEYMEDIC_KMS_DIAGNOSIS_RULES_H_
