// SPDX-License-Identifier: Apache-2.0
//
// What was found, held against what is true: docs/scoring.md says what each figure means. Pure.
#ifndef KEYMEDIC_CLI_SCORE_H_
#define KEYMEDIC_CLI_SCORE_H_

#include <map>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "keymedic/v1/finding.pb.h"
#include "lab/truth.h"

namespace keymedic::cli {

struct CodeScore {
  int true_positives = 0;
  int false_positives = 0;
  int misses = 0;
  int root_correct = 0;
  int root_wrong = 0;
};

enum class Wrong { kFalsePositive, kMiss, kRoot };

// One finding that is not as it should be, in words: what was true, and what was seen.
struct Disagreement {
  Wrong wrong;
  std::string code, subject;
  std::string why;
};

struct Score {
  std::map<std::string, CodeScore> per_code;
  std::vector<Disagreement> disagreements;  // in the order of code and subject
  int machines = 0;
  int findings = 0;

  CodeScore Sum() const;
  // 1 where there is nothing to be wrong about.
  double precision() const;
  double recall() const;
  double root_cause_accuracy() const;

  int required = 0;  // truths that somebody has to find
  int required_found = 0;

  void Add(const Score& other);
};

// `findings` are folded.
Score Compare(const lab::Truth& truth, absl::Span<const v1::Finding> findings);

}  // namespace keymedic::cli

#endif  // KEYMEDIC_CLI_SCORE_H_
