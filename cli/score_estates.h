// SPDX-License-Identifier: Apache-2.0
//
// Estates, one by one, from their files or their seeds to their scores. Always at one and the same
// instant, so that a score can be had again.
// Threads: ScoreSeeds uses some of its own and has joined them when it returns.
#ifndef KEYMEDIC_CLI_SCORE_ESTATES_H_
#define KEYMEDIC_CLI_SCORE_ESTATES_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "cli/score_view.h"
#include "lab/generate.h"

namespace keymedic::cli {

// What is found in an estate, and what is true in it. Errors name what is wrong with the estate.
struct Outcome {
  std::vector<v1::Finding> findings;  // folded
  lab::Truth truth;
  int machines = 0;
};
absl::StatusOr<Outcome> RunEstate(const lab::v1::Estate& estate);
absl::StatusOr<Score> ScoreEstate(const lab::v1::Estate& estate);

// First and last.
using SeedRange = std::pair<uint64_t, uint64_t>;
// "7" or "1-50".
absl::StatusOr<SeedRange> ParseSeeds(absl::string_view text);

// Generated estates, one for each seed; `jobs` at a time, which changes nothing but how long it
// takes. Errors name the seed.
absl::StatusOr<std::vector<ScoredEstate>> ScoreSeeds(const lab::GenerateOptions& options,
                                                     SeedRange seeds, int jobs);

}  // namespace keymedic::cli

#endif  // KEYMEDIC_CLI_SCORE_ESTATES_H_
