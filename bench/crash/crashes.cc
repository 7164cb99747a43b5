// SPDX-License-Identifier: Apache-2.0
#include "bench/crash/crashes.h"

#include <memory>
#include <optional>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace keymedic::bench {
namespace {

// A controller reads all its remediations when it comes up, so a long-lived one gets slow.
constexpr int kRoundsOfAnEstate = 50;
constexpr uint64_t kLongestLife = 60;  // steps

class AtOneStep final : public Fate {
 public:
  explicit AtOneStep(std::string victim) : victim_(std::move(victim)) {}

  void NextRound(uint64_t step) { step_ = step; }
  std::optional<uint64_t> Of(const std::string& process) override {
    if (process != victim_) return std::nullopt;
    return std::exchange(step_, std::nullopt);
  }
  PluginDeath OfPlugin() override { return PluginDeath::kNone; }

 private:
  const std::string victim_;
  std::optional<uint64_t> step_;  // of the death that is still to come
};

class AtRandom final : public Fate {
 public:
  explicit AtRandom(uint64_t seed) : random_(seed) {}

  std::optional<uint64_t> Of(const std::string&) override {
    if (random_.Uniform() < 0.4) return std::nullopt;
    return random_.Uint64() % kLongestLife;
  }
  PluginDeath OfPlugin() override {
    const double lot = random_.Uniform();
    if (lot < 0.1) return PluginDeath::kBefore;
    return lot < 0.2 ? PluginDeath::kAfter : PluginDeath::kNone;
  }

 private:
  SeededRandom random_;
};

Administrator::Ill EveryoneIll(const Estate& estate) {
  Administrator::Ill ill;
  for (const std::string& machine : estate.machines()) {
    for (const Ailment& one : machine == kHostMachine ? HostAilments() : ClientAilments())
      ill[machine].push_back(&one);
  }
  return ill;
}

// At least one of them, each with some of what it can have.
Administrator::Ill SomeIll(const Estate& estate, Random& random) {
  Administrator::Ill ill;
  while (ill.empty()) {
    for (const std::string& machine : estate.machines()) {
      for (const Ailment& one : machine == kHostMachine ? HostAilments() : ClientAilments()) {
        if (random.Uniform() < 0.5) ill[machine].push_back(&one);
      }
    }
  }
  return ill;
}

}  // namespace

absl::StatusOr<Tally> KillAtEachStep(const std::string& dir, const std::string& victim,
                                     const Progress& progress) {
  AtOneStep fate(victim);
  Tally tally;
  std::unique_ptr<Estate> estate;
  std::optional<Administrator> administrator;
  for (uint64_t step = 0;; ++step) {
    if (step % kRoundsOfAnEstate == 0) {
      administrator.reset();
      KM_ASSIGN_OR_RETURN(estate,
                          Estate::Make(absl::StrCat(dir, "/", victim, "-", step), step + 1, fate));
      administrator.emplace(*estate);
    }
    fate.NextRound(step);
    KM_ASSIGN_OR_RETURN(const Tally round, administrator->Treat(EveryoneIll(*estate)));
    tally += round;
    progress(tally);
    if (round.crashes == 0) return tally;
  }
}

absl::StatusOr<Tally> KillAtRandom(const std::string& dir, uint64_t seed, uint64_t crashes,
                                   const Progress& progress) {
  AtRandom fate(seed);
  SeededRandom random(seed + 1);
  Tally tally;
  for (uint64_t era = 0; tally.crashes < crashes; ++era) {
    KM_ASSIGN_OR_RETURN(
        const auto estate,
        Estate::Make(absl::StrCat(dir, "/random-", seed, "-", era), random.Uint64(), fate));
    Administrator administrator(*estate);
    for (int i = 0; i < kRoundsOfAnEstate && tally.crashes < crashes; ++i) {
      KM_ASSIGN_OR_RETURN(const Tally round, administrator.Treat(SomeIll(*estate, random)));
      tally += round;
      progress(tally);
    }
  }
  return tally;
}

}  // namespace keymedic::bench
