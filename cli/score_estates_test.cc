// SPDX-License-Identifier: Apache-2.0
//
// A ratchet on what the diagnosis reaches on estates with known faults: figures here only ever
// rise.
#include "cli/score_estates.h"

#include <cstdlib>
#include <filesystem>

#include "gmock/gmock.h"
#include "lab/estate.h"

namespace keymedic::cli {
namespace {

constexpr double kRootCauses = 0.98;

class GeneratedEstates : public testing::TestWithParam<SeedRange> {};

TEST_P(GeneratedEstates, WhatIsFoundIsTrueAndAllOfIt) {
  const auto scored = ScoreSeeds({.machines = 120}, GetParam(), /*jobs=*/1);
  ASSERT_TRUE(scored.ok()) << scored.status();
  const ScoreReport report{.estates = *scored};
  const Score total = report.Total();
  EXPECT_EQ(total.precision(), 1) << ScoreAsJson(report, /*verbose=*/true);
  EXPECT_EQ(total.recall(), 1) << ScoreAsJson(report, /*verbose=*/true);
  EXPECT_GE(total.root_cause_accuracy(), kRootCauses) << ScoreAsJson(report, /*verbose=*/true);
  EXPECT_GT(total.findings, 100);
}

INSTANTIATE_TEST_SUITE_P(Seeds, GeneratedEstates,
                         testing::Values(SeedRange(1, 6), SeedRange(1001, 1004)));

// Estates by hand, each with what generated ones seldom have.
TEST(ScoreEstatesTest, WhatIsFoundInEstatesByHandIsTrueAndAllOfIt) {
  const char* source = std::getenv("KEYMEDIC_SOURCE_DIR");
  ASSERT_NE(source, nullptr);
  int seen = 0;
  for (const auto& file :
       std::filesystem::directory_iterator(std::filesystem::path(source) / "tests/estates")) {
    if (file.path().extension() != ".textproto") continue;
    const auto estate = lab::ReadEstateFile(file.path());
    ASSERT_TRUE(estate.ok()) << estate.status();
    const auto score = ScoreEstate(*estate);
    ASSERT_TRUE(score.ok()) << score.status();
    EXPECT_EQ(score->precision(), 1) << file.path();
    EXPECT_EQ(score->recall(), 1) << file.path();
    EXPECT_EQ(score->root_cause_accuracy(), 1) << file.path();
    ++seen;
  }
  EXPECT_GE(seen, 6);
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
