// SPDX-License-Identifier: Apache-2.0
#include "controller/remediation/maintenance.h"

#include <gtest/gtest.h>

namespace keymedic::controller {
namespace {

void AddWindow(v1::RolloutPolicy& policy, std::vector<uint32_t> days, uint32_t begin,
               uint32_t end) {
  v1::MaintenanceWindow& window = *policy.add_windows();
  window.mutable_days()->Add(days.begin(), days.end());
  window.set_begin_minute(begin);
  window.set_end_minute(end);
}

absl::Time At(const char* text) {
  absl::Time time;
  std::string error;
  EXPECT_TRUE(absl::ParseTime(absl::RFC3339_full, text, &time, &error)) << error;
  return time;
}

TEST(NextOpeningTest, WithoutWindowsIsAlways) {
  const Opening always = NextOpening({}, 60, At("2026-11-27T12:00:00Z"));
  EXPECT_EQ(always.begin, absl::InfinitePast());
  EXPECT_EQ(always.end, absl::InfiniteFuture());
}

// 2026-11-27 is a Friday.
TEST(NextOpeningTest, CountsInTheMachinesOwnTime) {
  v1::RolloutPolicy policy;
  AddWindow(policy, {5}, 22 * 60, 4 * 60);
  const Opening berlin = NextOpening(policy, 60, At("2026-11-27T12:00:00Z"));
  EXPECT_EQ(berlin.begin, At("2026-11-27T21:00:00Z"));
  EXPECT_EQ(berlin.end, At("2026-11-28T03:00:00Z"));
  const Opening auckland = NextOpening(policy, 13 * 60, At("2026-11-27T12:00:00Z"));
  EXPECT_EQ(auckland.begin, At("2026-11-27T09:00:00Z")) << "there it is open already";
  EXPECT_EQ(auckland.end, At("2026-11-27T15:00:00Z"));
  EXPECT_EQ(NextOpening(policy, -8 * 60, At("2026-11-28T12:00:01Z")).begin,
            At("2026-12-05T06:00:00Z"));
}

TEST(NextOpeningTest, OfYesterdayMayStillBeOpenAndItsEndIsOutside) {
  v1::RolloutPolicy policy;
  AddWindow(policy, {}, 23 * 60, 60);
  EXPECT_EQ(NextOpening(policy, 0, At("2026-11-27T00:59:59Z")).begin, At("2026-11-26T23:00:00Z"));
  EXPECT_EQ(NextOpening(policy, 0, At("2026-11-27T01:00:00Z")).begin, At("2026-11-27T23:00:00Z"));
}

TEST(NextOpeningTest, ThoseThatTouchAreOne) {
  v1::RolloutPolicy policy;
  AddWindow(policy, {5}, 20 * 60, 24 * 60);
  AddWindow(policy, {6}, 0, 120);
  AddWindow(policy, {6}, 60, 180);
  const Opening night = NextOpening(policy, 0, At("2026-11-27T12:00:00Z"));
  EXPECT_EQ(night.begin, At("2026-11-27T20:00:00Z"));
  EXPECT_EQ(night.end, At("2026-11-28T03:00:00Z"));
}

TEST(CheckWindowsTest, NamesTheFieldAndTheValue) {
  v1::RolloutPolicy policy;
  EXPECT_TRUE(CheckWindows(policy).ok());
  AddWindow(policy, {1, 7}, 0, 1440);
  EXPECT_TRUE(CheckWindows(policy).ok());
  AddWindow(policy, {8}, 0, 60);
  EXPECT_EQ(CheckWindows(policy).message(),
            "rollout policy: windows[2].days is 8; it must be from 1 (Monday) to 7 (Sunday)");
  policy.mutable_windows(1)->set_days(0, 2);
  policy.mutable_windows(1)->set_begin_minute(1440);
  EXPECT_FALSE(CheckWindows(policy).ok());
  policy.mutable_windows(1)->set_begin_minute(0);
  policy.mutable_windows(1)->set_end_minute(1441);
  EXPECT_FALSE(CheckWindows(policy).ok());
}

}  // namespace
}  // namespace keymedic::controller
