// SPDX-License-Identifier: Apache-2.0
#include "controller/remediation/tried.h"

#include <gtest/gtest.h>

#include "base/times.h"
#include "controller/remediation/simulated_fleet.h"

namespace keymedic::controller {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);

class TriedTest : public testing::Test {
 protected:
  TriedTest() {
    remediation_.set_id("r-1");
    target_.set_machine_id("m1");
    target_.set_message("did not help");
    target_.add_finding_codes("BROKEN");
    for (const auto& [action, outcome] :
         {std::pair("ensure_key", v1::OUTCOME_CHANGED), std::pair("activate", v1::OUTCOME_FAILED),
          std::pair("ensure_port", v1::OUTCOME_REFUSED)}) {
      v1::Step& step = *target_.add_steps();
      step.set_action(action);
      step.set_outcome(outcome);
    }
    finding_.set_code("BROKEN");
    *finding_.mutable_first_seen_at() = ToTimestamp(kNow - absl::Hours(5));
  }
  // What is written is what is read after a restart.
  void Note(v1::TargetState state) {
    target_.set_state(state);
    Batch batch;
    tried_.Note(remediation_, target_, kNow, batch);
    ASSERT_TRUE(store_.Commit(std::move(batch)).ok());
    tried_ = *Tried::Load(store_);
  }
  bool Was(const std::string& action) {
    return !tried_.WhyNotAgain(finding_, "m1", action).empty();
  }

  MemoryStore store_;
  Tried tried_;
  v1::Remediation remediation_;
  v1::Target target_;
  v1::Finding finding_;
};

TEST_F(TriedTest, KeepsWhatWasDoneInVainAndNotWhatWasRefused) {
  Note(v1::TARGET_STATE_ROLLED_BACK);
  EXPECT_TRUE(Was("ensure_key"));
  EXPECT_TRUE(Was("activate"));
  EXPECT_FALSE(Was("ensure_port"));
  EXPECT_EQ(tried_.WhyNotAgain(finding_, "m1", "activate"),
            "was tried by r-1 and did not help (did not help); to try it once more, plan with "
            "--again");
  EXPECT_EQ(tried_.WhyNotAgain(finding_, "m2", "activate"), "");
}

TEST_F(TriedTest, IsForgottenWhenTheFindingIsCured) {
  Note(v1::TARGET_STATE_FAILED);
  Note(v1::TARGET_STATE_SUCCEEDED);
  EXPECT_FALSE(Was("ensure_key"));
}

TEST_F(TriedTest, WhatIsNotKnownToHaveFailedIsNotKept) {
  for (const auto state : {v1::TARGET_STATE_UNKNOWN, v1::TARGET_STATE_SKIPPED,
                           v1::TARGET_STATE_CANCELLED, v1::TARGET_STATE_RUNNING}) {
    Note(state);
    EXPECT_FALSE(Was("ensure_key"));
  }
}

TEST_F(TriedTest, AFindingThatComesBackLaterIsANewOne) {
  Note(v1::TARGET_STATE_FAILED);
  *finding_.mutable_first_seen_at() = ToTimestamp(kNow + absl::Minutes(1));
  EXPECT_TRUE(Was("ensure_key")) << "undone into being again";
  *finding_.mutable_first_seen_at() = ToTimestamp(kNow + absl::Hours(2));
  EXPECT_FALSE(Was("ensure_key"));
}

TEST_F(TriedTest, ADamagedRowIsAnError) {
  ASSERT_TRUE(store_.Commit({{.table = Table::kTried, .key = "x", .value = "\xFF"}}).ok());
  EXPECT_TRUE(absl::IsDataLoss(Tried::Load(store_).status()));
}

}  // namespace
}  // namespace keymedic::controller
