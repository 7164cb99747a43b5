// SPDX-License-Identifier: Apache-2.0
//
// What targets and waves wait for beside their turn: soaking, health, windows, room, machines that
// are away.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "base/times.h"
#include "controller/remediation/rollout.h"
#include "controller/remediation/rollout_testing.h"

namespace keymedic::controller {
namespace {

using ::testing::HasSubstr;

std::vector<uint32_t> TargetsOf(const Rollout::Effects& effects) {
  std::vector<uint32_t> targets;
  for (const Rollout::Send& send : effects.sends) targets.push_back(send.target);
  return targets;
}

Rollout::Effects NotConnected(Rollout& rollout, const Rollout::Send& send, absl::Time now) {
  return rollout.NotSent(send.target, send.command.id(), now);
}

// --- Soaking and health ---

v1::Remediation SoakRemediation() {
  v1::Remediation remediation = MakeRemediation({1, 2}, 2);
  remediation.mutable_policy()->mutable_soak()->set_seconds(600);
  return remediation;
}

class SoakTest : public testing::Test {
 protected:
  SoakTest() : rollout_(SoakRemediation()) {
    const Rollout::Effects first = rollout_.Start(kStart);
    EXPECT_EQ(TargetsOf(first), std::vector<uint32_t>{0});
    soaking_ = Succeed(rollout_, first.sends.at(0), kStart);
  }
  Rollout rollout_;
  Rollout::Effects soaking_;
  const absl::Time soaked_ = kStart + absl::Minutes(10);
};

TEST_F(SoakTest, TheNextWaveWaitsForTimeAndHealth) {
  EXPECT_TRUE(soaking_.sends.empty());
  EXPECT_TRUE(soaking_.header);
  EXPECT_EQ(FromTimestamp(rollout_.remediation().soak_until()), soaked_);
  EXPECT_EQ(rollout_.NextDeadline(), soaked_);
  EXPECT_FALSE(rollout_.Tick(soaked_ - absl::Seconds(1)).ask_health);
  EXPECT_TRUE(rollout_.Tick(soaked_).ask_health);
  EXPECT_EQ(rollout_.NextDeadline(), absl::InfiniteFuture()) << "asked once";
  EXPECT_FALSE(rollout_.Tick(soaked_).ask_health);
  EXPECT_EQ(TargetsOf(rollout_.Health({}, soaked_)), std::vector<uint32_t>{1});
  EXPECT_FALSE(rollout_.remediation().has_soak_until());
}

TEST_F(SoakTest, IllHealthPausesAndAPersonDecides) {
  rollout_.Tick(soaked_);
  const auto effects = rollout_.Health({"pc-0 is away", "b", "c", "d", "e"}, soaked_);
  EXPECT_TRUE(effects.sends.empty());
  EXPECT_TRUE(effects.header);
  EXPECT_EQ(rollout_.remediation().state(), v1::REMEDIATION_STATE_PAUSED);
  EXPECT_THAT(rollout_.remediation().reason(), HasSubstr("pc-0 is away; b; c; and 2 more"));
  EXPECT_EQ(TargetsOf(rollout_.Resume(soaked_)), std::vector<uint32_t>{1});
}

TEST_F(SoakTest, OutlivesARestartAndAPause) {
  Rollout again(rollout_.remediation());
  EXPECT_TRUE(again.Recover(kStart + absl::Minutes(1)).sends.empty());
  EXPECT_EQ(again.NextDeadline(), soaked_);
  again.Pause("lunch", kStart);
  EXPECT_EQ(again.NextDeadline(), absl::InfiniteFuture());
  EXPECT_FALSE(again.Tick(soaked_).ask_health);
  EXPECT_TRUE(again.Resume(soaked_).ask_health);
  again.Pause("lunch again", soaked_);
  EXPECT_TRUE(again.Health({"pc-0 is away"}, soaked_).sends.empty());
  EXPECT_THAT(again.remediation().reason(), HasSubstr("pc-0 is away"));
}

TEST_F(SoakTest, NobodyAskedIsNoAnswer) {
  EXPECT_TRUE(rollout_.Health({}, soaked_).sends.empty());
  rollout_.Skip(1, "not today", kStart);
  EXPECT_TRUE(rollout_.ended());
  EXPECT_FALSE(rollout_.remediation().has_soak_until());
}

TEST(WavesTest, WhereNothingWasDoneNothingSoaks) {
  Rollout rollout(SoakRemediation());
  const auto first = rollout.Start(kStart);
  const auto looked = rollout.Result(Answer(first.sends.at(0), v1::OUTCOME_NO_CHANGE), kStart);
  const auto next = rollout.Collected("m0", looked.looks.at(0).collect_id, {}, kStart);
  EXPECT_EQ(TargetsOf(next), std::vector<uint32_t>{1});
}

// --- Machines that are away ---

TEST(OfflineTest, HoldsUpNoWaveBehindTheCanary) {
  Rollout rollout(MakeRemediation({1, 2, 2, 3}, 3));
  auto effects = rollout.Start(kStart);
  effects = Succeed(rollout, effects.sends.at(0), kStart);
  ASSERT_EQ(TargetsOf(effects), (std::vector<uint32_t>{1, 2}));
  const Rollout::Send other = effects.sends[1];
  NotConnected(rollout, effects.sends[0], kStart);
  effects = Succeed(rollout, other, kStart);
  EXPECT_EQ(TargetsOf(effects), std::vector<uint32_t>{3});
  EXPECT_EQ(TargetsOf(rollout.Connected("m1", kStart)), std::vector<uint32_t>{1});
}

TEST(OfflineTest, ACanaryThatNeverCameIsReplaced) {
  Rollout rollout(MakeRemediation({1, 2, 2, 2}, 3));
  auto effects = rollout.Start(kStart);
  EXPECT_TRUE(NotConnected(rollout, effects.sends.at(0), kStart).sends.empty());
  effects = rollout.Tick(kStart + absl::Minutes(5));
  EXPECT_EQ(StateOf(rollout, 0), "skipped");
  ASSERT_EQ(TargetsOf(effects), std::vector<uint32_t>{1});
  EXPECT_EQ(rollout.remediation().targets(1).wave(), 1u);
  EXPECT_TRUE(effects.targets.contains(1)) << "durable";
  rollout.Result(Answer(effects.sends[0], v1::OUTCOME_FAILED), kStart);
  EXPECT_EQ(StateOf(rollout, 2), "cancelled") << "and its word counts";
}

TEST(OfflineTest, IsQueuedUntilADateOrSkipped) {
  v1::Remediation remediation = MakeRemediation({2, 2}, 2);
  *remediation.mutable_policy()->mutable_queue_until() = ToTimestamp(kStart + absl::Hours(72));
  Rollout queued(remediation);
  auto effects = queued.Start(kStart);
  NotConnected(queued, effects.sends.at(0), kStart);
  EXPECT_EQ(FromTimestamp(queued.remediation().targets(0).state_deadline()),
            kStart + absl::Hours(72));
  queued.Tick(kStart + absl::Hours(71));
  EXPECT_EQ(StateOf(queued, 0), "queued-offline");
  queued.Tick(kStart + absl::Hours(72));
  EXPECT_EQ(StateOf(queued, 0), "skipped");
  EXPECT_THAT(queued.remediation().targets(0).message(), HasSubstr("not connected until 2027-01"));

  remediation.mutable_policy()->set_offline(v1::OFFLINE_RULE_SKIP);
  Rollout skipping(remediation);
  effects = skipping.Start(kStart);
  NotConnected(skipping, effects.sends.at(0), kStart);
  EXPECT_EQ(StateOf(skipping, 0), "skipped");
}

// --- Maintenance windows ---

// kStart is 2027-01-15T08:00:00Z, a Friday.
class WindowTest : public testing::Test {
 protected:
  static v1::Remediation Remediation(v1::MissedWindow missed) {
    v1::Remediation remediation = MakeRemediation({2, 2}, 2);
    v1::MaintenanceWindow& window = *remediation.mutable_policy()->add_windows();
    window.set_begin_minute(22 * 60);
    window.set_end_minute(24 * 60);
    remediation.mutable_policy()->set_missed_window(missed);
    remediation.mutable_targets(0)->set_utc_offset_minutes(60);
    remediation.mutable_targets(1)->set_utc_offset_minutes(13 * 60 + 30);
    return remediation;
  }
};

TEST_F(WindowTest, EachMachineBeginsInItsOwnTime) {
  Rollout rollout(Remediation(v1::MISSED_WINDOW_NEXT));
  auto effects = rollout.Start(kStart);
  EXPECT_TRUE(effects.sends.empty());
  EXPECT_TRUE(effects.targets.contains(0)) << "says what it waits for";
  EXPECT_THAT(rollout.remediation().targets(0).message(),
              HasSubstr("window, Fri 2027-01-15 22:00 of its own time"));
  EXPECT_EQ(rollout.NextDeadline(), kStart + absl::Minutes(30));
  EXPECT_EQ(TargetsOf(rollout.Tick(kStart + absl::Minutes(30))), std::vector<uint32_t>{1});
  EXPECT_EQ(TargetsOf(rollout.Tick(kStart + absl::Hours(13))), std::vector<uint32_t>{0});
  EXPECT_EQ(rollout.remediation().targets(0).message(), "");
}

// It was planned in summer time and waits until after its end; or the other way about.
TEST_F(WindowTest, AWindowMovesWithTheMachinesClock) {
  for (const int32_t now : {0, 120}) {
    std::optional<int32_t> offset = 60;
    Rollout rollout(Remediation(v1::MISSED_WINDOW_SKIP), [&](const std::string& machine) {
      return machine == "m0" ? offset : std::nullopt;
    });
    rollout.Start(kStart);
    const absl::Time opens = kStart + absl::Hours(13);  // 22:00 by the plan's offset
    offset = now;
    const auto sends = TargetsOf(rollout.Tick(opens));
    if (now == 120) {
      EXPECT_EQ(sends, std::vector<uint32_t>{0}) << "there it is 23:00";
      EXPECT_EQ(FromTimestamp(rollout.remediation().targets(0).window_ends()),
                opens + absl::Hours(1));
      continue;
    }
    EXPECT_TRUE(sends.empty()) << "there it is 21:00";
    EXPECT_TRUE(TargetsOf(rollout.Tick(opens + absl::Minutes(59))).empty());
    EXPECT_EQ(TargetsOf(rollout.Tick(opens + absl::Hours(1))), std::vector<uint32_t>{0});
  }
}

TEST_F(WindowTest, AMissedOneIsForTheRule) {
  for (const auto missed :
       {v1::MISSED_WINDOW_NEXT, v1::MISSED_WINDOW_SKIP, v1::MISSED_WINDOW_RUN}) {
    Rollout rollout(Remediation(missed));
    rollout.Start(kStart);
    rollout.Pause("", kStart);
    const absl::Time late = kStart + absl::Hours(4);  // that of target 1 is over
    const auto effects = rollout.Resume(late);
    switch (missed) {
      case v1::MISSED_WINDOW_SKIP:
        EXPECT_EQ(StateOf(rollout, 1), "skipped");
        EXPECT_THAT(rollout.remediation().targets(1).message(), HasSubstr("missed"));
        break;
      case v1::MISSED_WINDOW_RUN:
        EXPECT_EQ(TargetsOf(effects), std::vector<uint32_t>{1});
        break;
      default:
        EXPECT_EQ(StateOf(rollout, 1), "pending");
        EXPECT_EQ(FromTimestamp(rollout.remediation().targets(1).window_ends()),
                  kStart + absl::Hours(26) + absl::Minutes(30));
    }
    EXPECT_EQ(StateOf(rollout, 0), "pending") << "its own is still to come";
  }
}

TEST_F(WindowTest, WhoWaitsForTheBudgetMissesItsWindowToo) {
  v1::Remediation remediation = Remediation(v1::MISSED_WINDOW_SKIP);
  remediation.mutable_policy()->mutable_error_budget()->set_absolute(1);
  remediation.mutable_targets(1)->set_utc_offset_minutes(60);
  remediation.mutable_policy()->mutable_step_timeout()->set_seconds(4 * 3600);
  Rollout rollout(remediation);
  rollout.Start(kStart);
  EXPECT_EQ(TargetsOf(rollout.Tick(kStart + absl::Hours(13))), std::vector<uint32_t>{0});
  EXPECT_EQ(rollout.NextDeadline(), kStart + absl::Hours(15)) << "the end of the window";
  rollout.Tick(kStart + absl::Hours(15));
  EXPECT_EQ(StateOf(rollout, 1), "skipped");
}

// --- Room ---

TEST(CrowdTest, HostsAndSitesHaveLimitsOfTheirOwn) {
  v1::Remediation remediation = MakeRemediation({2, 2, 2, 2, 2}, 5);
  remediation.mutable_policy()->set_host_concurrency(1);
  remediation.mutable_policy()->set_site_concurrency(2);
  for (int i = 0; i < 4; ++i) {
    remediation.mutable_targets(i)->set_site(i < 3 ? "berlin" : "hamburg");
    remediation.mutable_targets(i)->set_kms_host(absl::StrCat("kms-", i / 2));
  }
  Rollout rollout(remediation);
  const auto effects = rollout.Start(kStart);
  EXPECT_EQ(TargetsOf(effects), (std::vector<uint32_t>{0, 2, 4})) << "4 has neither";
  EXPECT_EQ(TargetsOf(Succeed(rollout, effects.sends[0], kStart)), std::vector<uint32_t>{1});
  EXPECT_EQ(TargetsOf(Succeed(rollout, effects.sends[1], kStart)), std::vector<uint32_t>{3});
}

TEST(SkipTest, OnlyWhatHasNotBegun) {
  Rollout rollout(MakeRemediation({2, 2}, 1));
  const auto effects = rollout.Start(kStart);
  EXPECT_TRUE(rollout.Skip(0, "x", kStart).targets.empty()) << "it is under way";
  EXPECT_EQ(rollout.Skip(1, "left out by hand", kStart).targets, std::set<uint32_t>{1});
  EXPECT_EQ(StateOf(rollout, 1), "skipped");
  Succeed(rollout, effects.sends[0], kStart);
  EXPECT_TRUE(rollout.ended());
}

}  // namespace
}  // namespace keymedic::controller
