// SPDX-License-Identifier: Apache-2.0
#include "controller/remediation/rollout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "base/times.h"
#include "controller/remediation/rollout_testing.h"

namespace keymedic::controller {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(RolloutTest, HostsThenCanaryThenWaves) {
  Rollout rollout(MakeRemediation({0, 1, 2, 2}, 4));
  Rollout::Effects effects = rollout.Start(kStart);
  ASSERT_EQ(effects.sends.size(), 1u);
  EXPECT_EQ(effects.sends[0].target, 0u);
  EXPECT_EQ(effects.sends[0].command.id(), "r-1/0/0/apply1");
  EXPECT_EQ(effects.sends[0].command.expected_check_digest(), "d");
  EXPECT_TRUE(effects.targets.contains(0));
  effects = Succeed(rollout, effects.sends[0], kStart);
  ASSERT_EQ(effects.sends.size(), 1u);
  EXPECT_EQ(effects.sends[0].target, 1u);
  effects = Succeed(rollout, effects.sends[0], kStart);
  ASSERT_EQ(effects.sends.size(), 2u);
  EXPECT_EQ(rollout.budget_used(), 2u);
  const Rollout::Send last = effects.sends[1];
  Succeed(rollout, effects.sends[0], kStart);
  EXPECT_FALSE(rollout.ended());
  Succeed(rollout, last, kStart);
  EXPECT_TRUE(rollout.ended());
  EXPECT_EQ(rollout.remediation().state(), v1::REMEDIATION_STATE_SUCCEEDED);
  EXPECT_EQ(rollout.remediation().totals().at("succeeded"), 4u);
}

TEST(RolloutTest, TheBudgetLimitsWhatIsInFlightAndStopsTheRest) {
  Rollout rollout(MakeRemediation({2, 2, 2, 2, 2}, 2));
  Rollout::Effects effects = rollout.Start(kStart);
  ASSERT_EQ(effects.sends.size(), 2u);
  const Rollout::Send second = effects.sends[1];
  effects = rollout.Result(Answer(effects.sends[0], v1::OUTCOME_FAILED), kStart);
  EXPECT_TRUE(effects.sends.empty());  // one failed, one in flight: nothing is left
  rollout.Result(Answer(second, v1::OUTCOME_FAILED), kStart);
  EXPECT_TRUE(rollout.ended());
  EXPECT_EQ(rollout.remediation().state(), v1::REMEDIATION_STATE_STOPPED_BY_BUDGET);
  EXPECT_EQ(rollout.remediation().totals().at("cancelled"), 3u);
  EXPECT_THAT(rollout.remediation().reason(), HasSubstr("error budget of 2"));
}

TEST(RolloutTest, ALostCanaryStopsTheRollout) {
  Rollout rollout(MakeRemediation({1, 2, 2}, 3));
  Rollout::Effects effects = rollout.Start(kStart);
  rollout.Result(Answer(effects.sends.at(0), v1::OUTCOME_FAILED), kStart);
  EXPECT_EQ(rollout.remediation().state(), v1::REMEDIATION_STATE_FAILED);
  EXPECT_THAT(rollout.remediation().reason(), HasSubstr("canary pc-0"));
  EXPECT_EQ(StateOf(rollout, 2), "cancelled");
}

TEST(RolloutTest, WhatWaitsForAFailedHostIsSkippedWithTheReason) {
  v1::Remediation remediation = MakeRemediation({0, 1, 1}, 3);
  remediation.mutable_targets(1)->add_after("m0");
  Rollout rollout(remediation);
  Rollout::Effects effects = rollout.Start(kStart);
  effects = rollout.Result(Answer(effects.sends.at(0), v1::OUTCOME_FAILED), kStart);
  EXPECT_EQ(StateOf(rollout, 1), "skipped");
  EXPECT_EQ(rollout.remediation().targets(1).message(), "pc-0 comes first and ended as failed");
  ASSERT_EQ(effects.sends.size(), 1u);
  EXPECT_EQ(effects.sends[0].target, 2u);
}

TEST(RolloutTest, TargetsThatWaitForEachOtherEnd) {
  v1::Remediation remediation = MakeRemediation({0, 0}, 3);
  remediation.mutable_targets(0)->add_after("m1");
  remediation.mutable_targets(1)->add_after("m0");
  Rollout rollout(remediation);
  rollout.Start(kStart);
  EXPECT_TRUE(rollout.ended());
  EXPECT_EQ(rollout.remediation().totals().at("skipped"), 2u);
}

TEST(RolloutTest, AStillFoundProblemFailsAtItsDeadlineAndIsUndoneBackwards) {
  Rollout rollout(MakeRemediation({1}, 1, /*steps=*/2));
  Rollout::Effects effects = rollout.Start(kStart);
  effects = rollout.Result(Answer(effects.sends.at(0), v1::OUTCOME_CHANGED, "back_0"), kStart);
  EXPECT_EQ(effects.sends.at(0).command.id(), "r-1/0/1/apply1");
  effects = rollout.Result(Answer(effects.sends.at(0), v1::OUTCOME_CHANGED, "back_1"), kStart);
  rollout.Collected("m0", effects.looks.at(0).collect_id, {"BROKEN", "OTHER"}, kStart);
  EXPECT_EQ(StateOf(rollout, 0), "verifying");
  EXPECT_EQ(rollout.Tick(kStart + absl::Seconds(3)).looks.size(), 1u);  // it looks again
  effects = rollout.Tick(kStart + absl::Seconds(121));
  EXPECT_EQ(effects.sends.at(0).command.action(), "back_1");
  effects = rollout.Result(Answer(effects.sends.at(0), v1::OUTCOME_CHANGED), kStart);
  EXPECT_EQ(effects.sends.at(0).command.action(), "back_0");
  rollout.Result(Answer(effects.sends.at(0), v1::OUTCOME_CHANGED), kStart);
  EXPECT_EQ(StateOf(rollout, 0), "rolled-back");
  EXPECT_THAT(rollout.remediation().targets(0).message(), HasSubstr("still found: BROKEN; undone"));
  EXPECT_EQ(rollout.remediation().state(), v1::REMEDIATION_STATE_FAILED);
}

TEST(RolloutTest, WhatCannotBeUndoneStaysFailed) {
  Rollout rollout(MakeRemediation({1}, 1, /*steps=*/2));
  Rollout::Effects effects = rollout.Start(kStart);
  effects = rollout.Result(Answer(effects.sends.at(0), v1::OUTCOME_CHANGED), kStart);
  rollout.Result(Answer(effects.sends.at(0), v1::OUTCOME_FAILED), kStart);
  EXPECT_EQ(StateOf(rollout, 0), "failed");
  EXPECT_THAT(rollout.remediation().targets(0).message(), HasSubstr("cannot be undone: ensure_0"));
}

TEST(RolloutTest, ACutOffStepIsLookedAtBeforeItIsTriedAgain) {
  Rollout rollout(MakeRemediation({1}, 1));
  Rollout::Effects effects = rollout.Start(kStart);
  effects = rollout.Result(Answer(effects.sends.at(0), v1::OUTCOME_INTERRUPTED), kStart);
  EXPECT_EQ(effects.sends.at(0).command.mode(), v1::MODE_CHECK);
  effects = rollout.Result(Answer(effects.sends.at(0), v1::OUTCOME_WOULD_CHANGE), kStart);
  EXPECT_EQ(effects.sends.at(0).command.id(), "r-1/0/0/apply2");
  effects = rollout.Result(Answer(effects.sends.at(0), v1::OUTCOME_INTERRUPTED), kStart);
  effects = rollout.Result(Answer(effects.sends.at(0), v1::OUTCOME_NO_CHANGE), kStart);
  EXPECT_EQ(StateOf(rollout, 0), "verifying");
  EXPECT_EQ(rollout.remediation().targets(0).steps(0).outcome(), v1::OUTCOME_CHANGED);
}

// Its first step is done and wants a restart.
Rollout::Effects BeginRestart(Rollout& rollout) {
  const Rollout::Effects begun = rollout.Start(kStart);
  v1::CommandResult done = Answer(begun.sends.at(0), v1::OUTCOME_CHANGED);
  done.set_restart_required(true);
  return rollout.Result(done, kStart);
}

TEST(RolloutTest, WhatComesAfterARestartWaitsForIt) {
  Rollout rollout(MakeRemediation({1}, 1, /*steps=*/2));
  Rollout::Effects effects = BeginRestart(rollout);
  ASSERT_EQ(effects.sends.size(), 1u);
  EXPECT_EQ(effects.sends[0].command.action(), "ensure_0");
  EXPECT_EQ(effects.sends[0].command.mode(), v1::MODE_CHECK);
  const Rollout::Send first = effects.sends[0];
  effects = rollout.Result(Answer(first, v1::OUTCOME_WOULD_CHANGE), kStart);
  EXPECT_TRUE(effects.sends.empty());
  EXPECT_TRUE(effects.audit.empty());
  // By the clock, when the machine is back, and by a controller that has restarted itself: each
  // time under another id, as the agent knows its answer to the former.
  effects = rollout.Tick(kStart + absl::Seconds(2));
  EXPECT_NE(effects.sends.at(0).command.id(), first.command.id());
  effects = rollout.Connected("m0", kStart + absl::Seconds(3));
  EXPECT_EQ(effects.sends.at(0).command.mode(), v1::MODE_CHECK);
  Rollout restarted(rollout.remediation());
  effects = restarted.Recover(kStart + absl::Seconds(4));
  EXPECT_EQ(effects.sends.at(0).command.mode(), v1::MODE_CHECK);
  effects = restarted.Result(Answer(effects.sends.at(0), v1::OUTCOME_NO_CHANGE),
                             kStart + absl::Seconds(5));
  EXPECT_EQ(effects.sends.at(0).command.id(), "r-1/0/1/apply1");
  EXPECT_EQ(restarted.remediation().targets(0).steps(0).outcome(), v1::OUTCOME_CHANGED);
}

TEST(RolloutTest, AMachineThatDoesNotComeBackFromItsRestartIsUnknown) {
  v1::Remediation remediation = MakeRemediation({1}, 1);
  remediation.mutable_targets(0)->mutable_verify_within()->set_seconds(15 * 60);
  Rollout rollout(std::move(remediation));
  BeginRestart(rollout);
  rollout.Tick(kStart + absl::Minutes(14));
  EXPECT_EQ(StateOf(rollout, 0), "running");
  rollout.Tick(kStart + absl::Minutes(15));
  EXPECT_EQ(StateOf(rollout, 0), "unknown");
  EXPECT_THAT(rollout.remediation().targets(0).message(),
              HasSubstr("did not come back from its restart within 15m"));
}

TEST(RolloutTest, WhatTakesTimeHasATimeOfItsOwn) {
  v1::Remediation remediation = MakeRemediation({1}, 1);
  remediation.mutable_targets(0)->mutable_verify_within()->set_seconds(30 * 60);
  Rollout rollout(std::move(remediation));
  Rollout::Effects effects = rollout.Start(kStart);
  effects = rollout.Result(Answer(effects.sends.at(0), v1::OUTCOME_CHANGED, "back"), kStart);
  rollout.Collected("m0", effects.looks.at(0).collect_id, {"BROKEN"}, kStart);
  rollout.Tick(kStart + absl::Minutes(29));
  EXPECT_EQ(StateOf(rollout, 0), "verifying");
  EXPECT_EQ(rollout.Tick(kStart + absl::Minutes(30)).sends.at(0).command.action(), "back");
  EXPECT_THAT(rollout.remediation().targets(0).message(), HasSubstr("not verified within 30m"));
}

TEST(RolloutTest, LostAfterTheSendIsUnknownAndALateAnswerIsKept) {
  Rollout rollout(MakeRemediation({1}, 1));
  const Rollout::Send send = rollout.Start(kStart).sends.at(0);
  EXPECT_EQ(rollout.NextDeadline(), kStart + absl::Minutes(5));
  rollout.Tick(kStart + absl::Minutes(5));
  EXPECT_EQ(StateOf(rollout, 0), "unknown");
  const Rollout::Effects late = rollout.Result(Answer(send, v1::OUTCOME_CHANGED), kStart);
  EXPECT_THAT(late.targets, ElementsAre(0));
  EXPECT_EQ(StateOf(rollout, 0), "unknown");
  EXPECT_THAT(rollout.remediation().targets(0).steps(0).message(), HasSubstr("CHANGED"));
  EXPECT_EQ(late.audit.size(), 1u);
  EXPECT_TRUE(rollout.Result(Answer(send, v1::OUTCOME_CHANGED), kStart).audit.empty())
      << "repeated";
}

TEST(RolloutTest, ARepeatedAnswerIsNotALateOne) {
  Rollout rollout(MakeRemediation({1}, 1));
  const Rollout::Send send = rollout.Start(kStart).sends.at(0);
  rollout.Result(Answer(send, v1::OUTCOME_CHANGED), kStart);
  rollout.Tick(kStart + absl::Minutes(2));
  ASSERT_EQ(StateOf(rollout, 0), "unknown") << "it never reported what it holds";
  EXPECT_TRUE(rollout.Result(Answer(send, v1::OUTCOME_CHANGED), kStart).audit.empty());
  EXPECT_EQ(rollout.remediation().targets(0).steps(0).message(), "");
}

TEST(RolloutTest, ALateUndoIsKeptToo) {
  Rollout rollout(MakeRemediation({1}, 1, /*steps=*/2));
  Rollout::Effects effects = rollout.Start(kStart);
  v1::CommandResult done = Answer(effects.sends.at(0), v1::OUTCOME_CHANGED, "back");
  done.set_message("installed");
  effects = rollout.Result(done, kStart);
  effects = rollout.Result(Answer(effects.sends.at(0), v1::OUTCOME_FAILED), kStart);
  rollout.Tick(kStart + absl::Minutes(5));
  ASSERT_EQ(StateOf(rollout, 0), "unknown");
  const Rollout::Effects late =
      rollout.Result(Answer(effects.sends.at(0), v1::OUTCOME_CHANGED), kStart);
  ASSERT_EQ(late.audit.size(), 1u);
  EXPECT_THAT(late.audit[0].detail, HasSubstr("undo of step 1 of 2 (ensure_0): answered after"));
  EXPECT_TRUE(rollout.remediation().targets(0).steps(0).undone());
}

TEST(RolloutTest, AMachineThatIsAwayWaitsWithoutAUnitOfTheBudget) {
  Rollout rollout(MakeRemediation({1}, 1));
  Rollout::Send send = rollout.Start(kStart).sends.at(0);
  rollout.NotSent(0, send.command.id(), kStart);
  EXPECT_EQ(StateOf(rollout, 0), "queued-offline");
  EXPECT_EQ(rollout.budget_used(), 0u);
  EXPECT_EQ(rollout.Connected("m0", kStart).sends.size(), 1u);
  EXPECT_EQ(StateOf(rollout, 0), "sent");
  rollout.NotSent(0, send.command.id(), kStart);
  rollout.Tick(kStart + absl::Minutes(5));
  EXPECT_EQ(StateOf(rollout, 0), "skipped");
  EXPECT_EQ(rollout.remediation().state(), v1::REMEDIATION_STATE_SUCCEEDED);
}

TEST(RolloutTest, AReconnectSendsTheSameCommandAgainAndARepeatChangesNothing) {
  Rollout rollout(MakeRemediation({1}, 1));
  const Rollout::Send send = rollout.Start(kStart).sends.at(0);
  const Rollout::Send again = rollout.Connected("m0", kStart).sends.at(0);
  EXPECT_EQ(again.command.id(), send.command.id());
  EXPECT_FALSE(again.first);
  rollout.Result(Answer(send, v1::OUTCOME_CHANGED), kStart);
  const Rollout::Effects repeated = rollout.Result(Answer(send, v1::OUTCOME_FAILED), kStart);
  EXPECT_EQ(StateOf(rollout, 0), "verifying");
  EXPECT_THAT(repeated.targets, ElementsAre(0));
  EXPECT_TRUE(repeated.audit.empty());
}

TEST(RolloutTest, PauseLetsFlightsLandAndResumeGoesOn) {
  Rollout rollout(MakeRemediation({2, 2, 2}, 1));
  Rollout::Effects effects = rollout.Start(kStart);
  rollout.Pause("lunch", kStart);
  effects = Succeed(rollout, effects.sends.at(0), kStart);
  EXPECT_TRUE(effects.sends.empty());
  EXPECT_EQ(StateOf(rollout, 0), "succeeded");
  EXPECT_EQ(rollout.remediation().reason(), "lunch");
  EXPECT_EQ(rollout.Resume(kStart).sends.size(), 1u);
}

TEST(RolloutTest, AbortTellsWhatRanAllTheSame) {
  Rollout rollout(MakeRemediation({2, 2, 2, 2}, 3, /*steps=*/2));
  Rollout::Effects effects = rollout.Start(kStart);
  ASSERT_EQ(effects.sends.size(), 3u);
  rollout.Abort("wrong site", kStart);
  EXPECT_EQ(StateOf(rollout, 3), "cancelled");
  EXPECT_FALSE(rollout.ended());
  rollout.Result(Answer(effects.sends[0], v1::OUTCOME_CHANGED), kStart);
  EXPECT_EQ(StateOf(rollout, 0), "ran-despite-cancel");
  rollout.Result(Answer(effects.sends[1], v1::OUTCOME_NO_CHANGE), kStart);
  EXPECT_EQ(StateOf(rollout, 1), "cancelled");
  rollout.NotSent(2, effects.sends[2].command.id(), kStart);
  EXPECT_EQ(StateOf(rollout, 2), "cancelled");
  EXPECT_TRUE(rollout.ended());
  EXPECT_EQ(rollout.remediation().state(), v1::REMEDIATION_STATE_ABORTED);
}

void ExpectOnlyToBeAnswered(const v1::Command& command, const Rollout::Send& sent) {
  EXPECT_EQ(command.id(), sent.command.id());
  EXPECT_TRUE(command.has_deadline());
  EXPECT_LT(FromTimestamp(command.deadline()), kStart - absl::Hours(24)) << "also by a wrong clock";
}

TEST(RolloutTest, AbortTellsWhatRanAndWhatWasLostDoesNotRunAnyMore) {
  Rollout rollout(MakeRemediation({2, 2}, 2, /*steps=*/2));
  const Rollout::Effects begun = rollout.Start(kStart);
  const Rollout::Effects second =
      rollout.Result(Answer(begun.sends.at(1), v1::OUTCOME_CHANGED, "back"), kStart);
  rollout.Abort("wrong site", kStart);
  const Rollout::Effects again = rollout.Connected("m0", kStart);
  ASSERT_EQ(again.sends.size(), 1u);
  ExpectOnlyToBeAnswered(again.sends[0].command, begun.sends[0]);

  Rollout recovered(rollout.remediation());
  const Rollout::Effects resent = recovered.Recover(kStart + absl::Hours(1));
  ASSERT_EQ(resent.sends.size(), 2u);
  ExpectOnlyToBeAnswered(resent.sends[0].command, begun.sends[0]);
  ExpectOnlyToBeAnswered(resent.sends[1].command, second.sends.at(0));
  recovered.Result(Answer(resent.sends[0], v1::OUTCOME_REFUSED), kStart);
  EXPECT_EQ(StateOf(recovered, 0), "cancelled");
  const Rollout::Effects last =
      recovered.Result(Answer(resent.sends[1], v1::OUTCOME_REFUSED), kStart);
  EXPECT_EQ(StateOf(recovered, 1), "ran-despite-cancel") << "its first step did";
  EXPECT_TRUE(last.sends.empty()) << "what ran is told, not undone";
  EXPECT_EQ(recovered.remediation().state(), v1::REMEDIATION_STATE_ABORTED);
  EXPECT_TRUE(recovered.ended());
}

TEST(RolloutTest, AnAbortDoesNotHideThatAStepWasCutOff) {
  Rollout rollout(MakeRemediation({1}, 1));
  Rollout::Effects effects = rollout.Start(kStart);
  effects = rollout.Result(Answer(effects.sends.at(0), v1::OUTCOME_INTERRUPTED), kStart);
  effects = rollout.Result(Answer(effects.sends.at(0), v1::OUTCOME_WOULD_CHANGE), kStart);
  rollout.Abort("", kStart);
  effects = rollout.Connected("m0", kStart);
  rollout.Result(Answer(effects.sends.at(0), v1::OUTCOME_REFUSED), kStart);
  EXPECT_EQ(StateOf(rollout, 0), "unknown");
}

TEST(RolloutTest, AnAbortDoesNotCancelAnUndo) {
  Rollout rollout(MakeRemediation({1}, 1, /*steps=*/2));
  Rollout::Effects effects = rollout.Start(kStart);
  effects = rollout.Result(Answer(effects.sends.at(0), v1::OUTCOME_CHANGED, "back"), kStart);
  rollout.Result(Answer(effects.sends.at(0), v1::OUTCOME_FAILED), kStart);
  rollout.Abort("", kStart);
  const v1::Command undo = rollout.Connected("m0", kStart).sends.at(0).command;
  EXPECT_EQ(undo.action(), "back");
  EXPECT_GT(FromTimestamp(undo.deadline()), kStart);
}

TEST(RolloutTest, AUsedUpBudgetLetsWhatIsInFlightFinish) {
  Rollout rollout(MakeRemediation({2, 2, 2, 2}, 2));
  const Rollout::Effects begun = rollout.Start(kStart);
  ASSERT_EQ(begun.sends.size(), 2u);
  v1::Remediation stopped = rollout.remediation();
  stopped.set_state(v1::REMEDIATION_STATE_STOPPED_BY_BUDGET);
  const Rollout::Send again = Rollout(stopped).Connected("m1", kStart).sends.at(0);
  EXPECT_GT(FromTimestamp(again.command.deadline()), kStart);
}

TEST(RolloutTest, StepsThatCheckFoundDoneAreNotSent) {
  v1::Remediation remediation = MakeRemediation({1}, 1, /*steps=*/3);
  remediation.mutable_targets(0)->mutable_steps(0)->set_outcome(v1::OUTCOME_NO_CHANGE);
  remediation.mutable_targets(0)->mutable_steps(2)->set_outcome(v1::OUTCOME_NO_CHANGE);
  Rollout rollout(remediation);
  const Rollout::Send send = rollout.Start(kStart).sends.at(0);
  EXPECT_EQ(send.command.action(), "ensure_1");
  Succeed(rollout, send, kStart);
  EXPECT_EQ(StateOf(rollout, 0), "succeeded");
}

TEST(StatesTest, CommandIdsRoundTripAndRefuseOthers) {
  const CommandId id{"r-9", 17, 2, Phase::kUndo, 3};
  EXPECT_EQ(id.ToString(), "r-9/17/2/undo3");
  const std::optional<CommandId> parsed = CommandId::Parse("r-9/17/2/undo3");
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->target, 17u);
  EXPECT_EQ(parsed->phase, Phase::kUndo);
  EXPECT_EQ(parsed->attempt, 3u);
  for (absl::string_view bad :
       {"", "r-9", "r-9/x/2/undo3", "r-9/1/2/redo3", "r-9/1/2/undo", "a/b"}) {
    EXPECT_FALSE(CommandId::Parse(bad)) << bad;
  }
}

TEST(StatesTest, BudgetsAreRoundedUpAndNeverNothing) {
  v1::Remediation remediation = MakeRemediation({1, 1, 1}, 1);
  remediation.mutable_policy()->mutable_error_budget()->set_percent(34);
  EXPECT_EQ(BudgetOf(remediation), 2u);
  remediation.mutable_policy()->mutable_error_budget()->set_percent(0);
  EXPECT_EQ(BudgetOf(remediation), 1u);
}

TEST(StatesTest, ABadPolicyIsRefusedByName) {
  v1::RolloutPolicy policy;
  policy.set_growth(0.5);
  EXPECT_THAT(std::string(CompletePolicy(policy).message()), HasSubstr("growth is 0.5"));
  policy.set_growth(2);
  policy.mutable_error_budget()->set_percent(101);
  EXPECT_THAT(std::string(CompletePolicy(policy).message()), HasSubstr("error_budget.percent"));
}

}  // namespace
}  // namespace keymedic::controller
