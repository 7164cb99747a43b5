// SPDX-License-Identifier: Apache-2.0
#include "cli/remediation_progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace keymedic::cli {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

const absl::Time kBegin = absl::FromUnixSeconds(1'800'000'000);

void AddTarget(v1::RemediationProgress& progress, int machine, uint32_t wave,
               v1::TargetState state) {
  v1::Target& target = *progress.add_changed();
  target.set_machine_id(absl::StrCat("m", machine));
  target.set_wave(wave);
  target.set_state(state);
}

// A host, a canary and four machines behind them; `states` are those of the four.
v1::RemediationProgress Progress(const std::vector<v1::TargetState>& states) {
  v1::RemediationProgress progress;
  progress.set_id("r-1");
  progress.set_state(v1::REMEDIATION_STATE_RUNNING);
  progress.set_wave(2);
  progress.set_waves(3);
  progress.set_targets(6);
  progress.set_budget(2);
  progress.set_budget_used(1);
  AddTarget(progress, 0, 0, v1::TARGET_STATE_SUCCEEDED);
  AddTarget(progress, 1, 1, v1::TARGET_STATE_NO_CHANGE);
  (*progress.mutable_totals())["succeeded"] = 1;
  (*progress.mutable_totals())["no-change"] = 1;
  int machine = 2;
  for (const v1::TargetState state : states) {
    AddTarget(progress, machine++, 2, state);
    const char* name = state == v1::TARGET_STATE_PENDING     ? "pending"
                       : state == v1::TARGET_STATE_VERIFYING ? "verifying"
                                                             : "failed";
    ++(*progress.mutable_totals())[name];
  }
  return progress;
}

TEST(RemediationProgressView, BlockShowsWavesBudgetAndStates) {
  RemediationProgressView view;
  view.Add(Progress({v1::TARGET_STATE_FAILED, v1::TARGET_STATE_VERIFYING, v1::TARGET_STATE_PENDING,
                     v1::TARGET_STATE_PENDING}),
           kBegin);
  EXPECT_EQ(view.Block(false),
            "r-1 running  budget 1/2\n"
            "  hosts first  [########################] 1/1\n"
            "  canary       [########################] 1/1\n"
            "> wave 1       [######..................] 1/4  in flight 1  failed 1\n"
            "  2 pending, 1 verifying, 1 succeeded, 1 no-change, 1 failed");
  EXPECT_EQ(view.Line(),
            "wave 1 (3 of 3)  [############............] 3/6  in flight 1  failed 1  budget 1/2");
}

TEST(RemediationProgressView, KnowsTargetsOfEarlierMessages) {
  RemediationProgressView view;
  view.Add(Progress({v1::TARGET_STATE_VERIFYING, v1::TARGET_STATE_PENDING}), kBegin);
  v1::RemediationProgress later = Progress({});
  later.clear_changed();
  AddTarget(later, 2, 2, v1::TARGET_STATE_SUCCEEDED);
  (*later.mutable_totals())["succeeded"] = 2;
  (*later.mutable_totals())["pending"] = 1;
  view.Add(later, kBegin + absl::Seconds(30));
  EXPECT_THAT(view.Block(false), HasSubstr("> wave 1       [############............] 1/2\n"));
}

TEST(RemediationProgressView, RateIsOfWhatEndedWhileItWasWatched) {
  RemediationProgressView view;
  v1::RemediationProgress progress = Progress({v1::TARGET_STATE_PENDING});
  view.Add(progress, kBegin);
  EXPECT_THAT(view.Line(), Not(HasSubstr("a minute")));  // the two that had ended say nothing
  (*progress.mutable_totals())["succeeded"] = 4;
  view.Add(progress, kBegin + absl::Seconds(30));
  EXPECT_THAT(view.Line(), EndsWith("  6 a minute"));
}

TEST(RemediationProgressView, SaysWhyItStoppedOrWaits) {
  RemediationProgressView view;
  v1::RemediationProgress progress = Progress({v1::TARGET_STATE_PENDING});
  progress.mutable_soak_until()->set_seconds(1'800'000'000);
  view.Add(progress, kBegin);
  EXPECT_THAT(view.Block(false), HasSubstr("soaking until "));
  progress.clear_soak_until();
  progress.set_state(v1::REMEDIATION_STATE_PAUSED);
  progress.set_reason("pc-1 is not well");
  view.Add(progress, kBegin);
  EXPECT_THAT(view.Block(false), HasSubstr("r-1 paused  budget 1/2  pc-1 is not well\n"));
  EXPECT_THAT(view.Line(), EndsWith("  paused"));
}

}  // namespace
}  // namespace keymedic::cli
