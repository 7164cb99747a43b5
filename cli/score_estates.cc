// SPDX-License-Identifier: Apache-2.0
#include "cli/score_estates.h"

#include <algorithm>
#include <atomic>
#include <thread>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "cli/score_pipeline.h"

namespace keymedic::cli {
namespace {

constexpr uint64_t kMostSeeds = 10'000;

class StandingClock final : public Clock {
 public:
  absl::Time Now() const override { return now_; }

 private:
  const absl::Time now_ =
      absl::FromCivil(absl::CivilSecond(2026, 11, 22, 12, 0, 0), absl::UTCTimeZone());
};

}  // namespace

absl::StatusOr<Outcome> RunEstate(const lab::v1::Estate& estate) {
  const StandingClock clock;
  KM_ASSIGN_OR_RETURN(const auto world, lab::World::Make(estate, clock));
  Outcome outcome;
  KM_ASSIGN_OR_RETURN(outcome.findings, DiagnoseWorld(*world, clock));
  outcome.truth = world->CurrentTruth();
  outcome.machines = static_cast<int>(world->machine_names().size());
  return outcome;
}

absl::StatusOr<Score> ScoreEstate(const lab::v1::Estate& estate) {
  KM_ASSIGN_OR_RETURN(const Outcome outcome, RunEstate(estate));
  Score score = Compare(outcome.truth, outcome.findings);
  score.machines = outcome.machines;
  return score;
}

absl::StatusOr<SeedRange> ParseSeeds(absl::string_view text) {
  const size_t dash = text.find('-');
  const absl::string_view first = text.substr(0, dash);
  const absl::string_view last = dash == absl::string_view::npos ? first : text.substr(dash + 1);
  SeedRange seeds;
  if (!absl::SimpleAtoi(first, &seeds.first) || !absl::SimpleAtoi(last, &seeds.second) ||
      seeds.first > seeds.second || seeds.second - seeds.first >= kMostSeeds) {
    return absl::InvalidArgumentError(
        absl::StrCat("--seeds '", text, "': write 7, or 1-50 (at most ", kMostSeeds, " of them)"));
  }
  return seeds;
}

absl::StatusOr<std::vector<ScoredEstate>> ScoreSeeds(const lab::GenerateOptions& options,
                                                     SeedRange seeds, int jobs) {
  const size_t count = seeds.second - seeds.first + 1;
  std::vector<absl::StatusOr<Score>> scores(count, absl::UnknownError("not reached"));
  const auto score = [&](size_t i) -> absl::StatusOr<Score> {
    lab::GenerateOptions own = options;
    own.seed = seeds.first + i;
    KM_ASSIGN_OR_RETURN(const lab::v1::Estate estate, lab::GenerateEstate(own));
    return ScoreEstate(estate);
  };
  std::atomic<size_t> next = 0;
  const auto work = [&] {
    for (size_t i; (i = next++) < count;) scores[i] = score(i);
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < std::max(jobs, 1); ++i) threads.emplace_back(work);
  for (std::thread& thread : threads) thread.join();
  std::vector<ScoredEstate> estates;
  for (size_t i = 0; i < count; ++i) {
    const std::string name = absl::StrCat("seed ", seeds.first + i);
    KM_RETURN_IF_ERROR(Annotate(scores[i].status(), name));
    estates.push_back({name, *std::move(scores[i])});
  }
  return estates;
}

}  // namespace keymedic::cli
