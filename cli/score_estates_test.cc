// SPDX-License-Identifier: Apache-2.0
//
// A ratchet on what the diagnosis reaches on estates with known faults: figures here only ever
// rise.
#include "cli/score_estates.h"

#include <gmock/gmock.h>

namespace keymedic::cli {
namespace {

constexpr double kRootCauses = 0.98;

TEST(ScoreEstatesTest, WhatIsFoundInGeneratedEstatesIsTrueAndAllOfIt) {
  const auto scored = ScoreSeeds({.machines = 120}, {1, 6}, /*jobs=*/1);
  ASSERT_TRUE(scored.ok()) << scored.status();
  const ScoreReport report{.estates = *scored};
  const Score total = report.Total();
  EXPECT_EQ(total.precision(), 1) << ScoreAsJson(report, /*verbose=*/true);
  EXPECT_EQ(total.recall(), 1) << ScoreAsJson(report, /*verbose=*/true);
  EXPECT_GE(total.root_cause_accuracy(), kRootCauses) << ScoreAsJson(report, /*verbose=*/true);
  EXPECT_GT(total.findings, 100);
}

TEST(ScoreEstatesTest, HowManyAtATimeChangesNothing) {
  const auto alone = ScoreSeeds({.machines = 40}, {1, 3}, /*jobs=*/1);
  const auto beside = ScoreSeeds({.machines = 40}, {1, 3}, /*jobs=*/3);
  ASSERT_TRUE(alone.ok() && beside.ok());
  EXPECT_EQ(ScoreAsJson({.estates = *alone}, true), ScoreAsJson({.estates = *beside}, true));
}

TEST(ScoreEstatesTest, Seeds) {
  EXPECT_EQ(*ParseSeeds("7"), SeedRange(7, 7));
  EXPECT_EQ(*ParseSeeds("1-50"), SeedRange(1, 50));
  for (const char* wrong : {"", "x", "5-1", "1-", "-3", "1-999999"})
    EXPECT_FALSE(ParseSeeds(wrong).ok()) << wrong;
}

TEST(ScoreEstatesTest, AnEstateThatCannotBeSaysWhichSeed) {
  const auto scored = ScoreSeeds({.machines = 3}, {9, 9}, 1);
  ASSERT_FALSE(scored.ok());
  EXPECT_THAT(std::string(scored.status().message()), testing::HasSubstr("seed 9"));
}

}  // namespace
}  // namespace keymedic::cli
