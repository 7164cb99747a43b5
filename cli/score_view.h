// SPDX-License-Identifier: Apache-2.0
//
// How scores look: one JSON object for programs, a table for people.
#ifndef KEYMEDIC_CLI_SCORE_VIEW_H_
#define KEYMEDIC_CLI_SCORE_VIEW_H_

#include <ostream>
#include <string>
#include <vector>

#include "cli/score.h"

namespace keymedic::cli {

struct ScoredEstate {
  std::string name;  // its file, or "seed 7"
  Score score;
};

struct ScoreReport {
  std::vector<ScoredEstate> estates;
  double seconds = 0;  // for all of them, generating included

  Score Total() const;
  // Those with something wrong, the worst first.
  std::vector<const ScoredEstate*> Worst() const;
};

// `verbose` adds every disagreement.
std::string ScoreAsJson(const ScoreReport& report, bool verbose);
void PrintScore(const ScoreReport& report, bool verbose, bool color, std::ostream& out);

}  // namespace keymedic::cli

#endif  // KEYMEDIC_CLI_SCORE_VIEW_H_
