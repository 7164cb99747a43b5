// SPDX-License-Identifier: Apache-2.0
//
// What people do beside plan and start: previews, approval, retrying, leaving out; the estate's
// policy; soaking in the large.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/times.h"
#include "controller/remediation/manager_testing.h"

namespace keymedic::controller {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::IsSupersetOf;

v1::PlanRemediationRequest Request(const std::string& selector, uint32_t budget = 5) {
  v1::PlanRemediationRequest request;
  request.set_selector(selector);
  request.mutable_policy()->mutable_error_budget()->set_absolute(budget);
  return request;
}

std::string StateOf(const v1::Remediation& remediation, const std::string& machine) {
  for (const v1::Target& target : remediation.targets()) {
    if (target.machine_id() == machine) return StateName(target.state());
  }
  return "no target";
}

TEST(PreviewTest, ShowsTheTargetsAndAsksNobody) {
  Controller controller;
  BreakThings(controller);
  v1::PlanRemediationRequest request = Request("finding=CLIENT_KEY_NOT_GVLK");
  request.set_validate_only(true);
  const auto preview = controller.Plan(request);
  ASSERT_TRUE(preview.ok()) << preview.status();
  EXPECT_EQ(preview->targets_size(), 3);
  EXPECT_EQ(preview->id(), "");
  EXPECT_EQ(preview->plan_hash(), "");
  EXPECT_FALSE(preview->has_since_last());
  EXPECT_EQ(controller.fleet.sends, 0);
  EXPECT_THAT(controller.audit, IsEmpty());
  request.set_selector("");
  EXPECT_TRUE(absl::IsInvalidArgument(controller.Plan(request).status())) << "never all";
}

TEST(PreviewTest, SaysWhatChangedSinceTheSelectorWasPlannedLast) {
  Controller controller;
  BreakThings(controller);
  const auto first = controller.Plan(Request("finding=CLIENT_KEY_NOT_GVLK"));
  controller.fleet.at("a2").findings.clear();
  controller.fleet.Add("a9", "kms_client", "CLIENT_KEY_NOT_GVLK", {"ensure_client_key"});
  controller.Restart();
  const auto second = controller.Plan(Request("finding=CLIENT_KEY_NOT_GVLK"));
  EXPECT_EQ(second->since_last().last(), first->name());
  EXPECT_THAT(second->since_last().added(), ElementsAre("name-a9"));
  EXPECT_THAT(second->since_last().removed(), ElementsAre("name-a2"));
  EXPECT_FALSE(controller.Plan(Request("machine=a*"))->has_since_last());
}

TEST(ApprovalTest, BindsToTheHashAndMayBeDemanded) {
  Controller controller;
  BreakThings(controller);
  controller.policy.set_require_approval(true);
  const v1::Remediation plan = *controller.Plan(Request("all"));
  controller.Start(plan);
  controller.RunAll();
  EXPECT_THAT(std::string(controller.started.status().message()), HasSubstr("must be approved"));
  EXPECT_FALSE(controller.Approve(plan, "another", "bob").ok());
  ASSERT_TRUE(controller.Approve(plan, plan.plan_hash(), kAdmin).ok());
  controller.Start(plan);
  controller.RunAll();
  EXPECT_FALSE(controller.started.ok()) << "one's own word is not enough";
  ASSERT_TRUE(controller.Approve(plan, plan.plan_hash(), "bob").ok());
  controller.Restart();
  EXPECT_EQ(controller.Get(plan.name()).approved_by(), "bob") << "durable";
  controller.Start(plan);
  controller.RunAll();
  EXPECT_TRUE(controller.started.ok()) << controller.started.status();
  EXPECT_THAT(controller.audit, Contains(HasSubstr("remediation.approve")));
  EXPECT_TRUE(
      absl::IsFailedPrecondition(controller.Approve(plan, plan.plan_hash(), "bob").status()))
      << "it has begun";
}

TEST(EstatePolicyTest, FillsWhatTheRequestLeavesOpen) {
  Controller controller;
  BreakThings(controller);
  v1::RolloutPolicy& estate = *controller.policy.mutable_rollout();
  estate.set_canary(2);
  estate.set_concurrency(7);
  estate.add_windows()->set_begin_minute(60);
  v1::PlanRemediationRequest request = Request("all");
  request.mutable_policy()->set_concurrency(3);
  const v1::Remediation plan = *controller.Plan(request);
  EXPECT_EQ(plan.policy().canary(), 2u);
  EXPECT_EQ(plan.policy().concurrency(), 3u);
  EXPECT_EQ(plan.policy().windows_size(), 1);
  request.mutable_policy()->add_windows()->set_end_minute(5);
  EXPECT_EQ(controller.Plan(request)->policy().windows(0).end_minute(), 5u) << "not both";
  request.mutable_policy()->mutable_windows(0)->set_begin_minute(9999);
  EXPECT_TRUE(absl::IsInvalidArgument(controller.Plan(request).status()));
}

TEST(RetryTest, TreatsWhatIsLeftAndNothingElse) {
  Controller controller;
  BreakThings(controller);
  controller.fleet.at("a2").fails = true;
  const v1::Remediation first = controller.Treat(Request("finding=CLIENT_KEY_NOT_GVLK"));
  EXPECT_EQ(StateOf(first, "a2"), "failed");
  const auto again = controller.Plan(Request("finding=CLIENT_KEY_NOT_GVLK"));
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->targets_size(), 0) << "not offered without a person's word";
  ASSERT_EQ(again->untreatable_size(), 1);
  EXPECT_THAT(again->untreatable(0).why_untreatable(),
              HasSubstr("on name-a2 was tried by " + first.id() + " and did not help"));

  controller.Restart();
  EXPECT_EQ(controller.Plan(Request("all"))->untreatable_size(), 1) << "it is remembered";
  controller.fleet.at("a2").fails = false;
  controller.fleet.Add("a9", "kms_client", "CLIENT_KEY_NOT_GVLK", {"ensure_client_key"});
  const auto retry = controller.Retry(first.name(), /*failed_only=*/true);
  ASSERT_TRUE(retry.ok()) << retry.status();
  EXPECT_EQ(retry->retry_of(), first.name());
  ASSERT_EQ(retry->targets_size(), 1);
  EXPECT_EQ(retry->targets(0).machine_id(), "a2");
  controller.Start(*retry);
  controller.RunAll();
  EXPECT_EQ(StateOf(controller.Get(retry->name()), "a2"), "succeeded");
  EXPECT_TRUE(absl::IsFailedPrecondition(controller.Retry(retry->name(), false).status()))
      << "nothing is left";
}

std::vector<std::string> Actions(const v1::Target& target) {
  std::vector<std::string> actions;
  for (const v1::Step& step : target.steps()) actions.push_back(step.action());
  return actions;
}

TEST(RetryTest, KeepsWhatWasAskedFor) {
  Controller controller;
  BreakThings(controller);
  controller.fleet.at("a1").fails = true;
  v1::PlanRemediationRequest request = Request("finding=CLIENT_KEY_NOT_GVLK", /*budget=*/1);
  request.add_treat("ensure_client_key");
  const v1::Remediation first = controller.Treat(request);
  ASSERT_EQ(Totals(first), (std::map<std::string, uint32_t>{{"failed", 1}, {"cancelled", 2}}));
  controller.fleet.Add("a9", "kms_client", "CLIENT_KEY_NOT_GVLK",
                       {"ensure_client_key", "activate"});
  const auto retry = controller.Retry(first.name(), /*failed_only=*/false);
  ASSERT_TRUE(retry.ok()) << retry.status();
  std::vector<std::string> machines;
  for (const v1::Target& target : retry->targets()) {
    machines.push_back(target.machine_id());
    EXPECT_THAT(Actions(target), ElementsAre("ensure_client_key")) << target.machine_id();
  }
  EXPECT_THAT(machines, ElementsAre("a1", "a2", "a3"));
}

TEST(RetryTest, KeepsWhatWasApproved) {
  Controller controller;
  for (const char* id : {"d1", "d2"}) {
    controller.fleet.Add(id, "kms_client", "CLIENT_DUPLICATE_CMID",
                         {"reset_machine_id", "activate"});
  }
  controller.fleet.at("d1").fails = true;
  v1::PlanRemediationRequest request = Request("all", /*budget=*/1);
  request.add_approve("reset_machine_id");
  const v1::Remediation first = controller.Treat(request);
  ASSERT_EQ(Totals(first), (std::map<std::string, uint32_t>{{"failed", 1}, {"cancelled", 1}}));
  controller.Restart();
  const auto retry = controller.Retry(first.name(), /*failed_only=*/false);
  ASSERT_TRUE(retry.ok()) << retry.status();
  ASSERT_EQ(retry->targets_size(), 2);
  for (const v1::Target& target : retry->targets()) {
    EXPECT_THAT(Actions(target), ElementsAre("reset_machine_id", "activate"));
  }
  for (const v1::Remediation* plan : {&first, &*retry}) {
    EXPECT_THAT(controller.audit, Contains(AllOf(HasSubstr("remediation.plan " + plan->name()),
                                                 HasSubstr("approved: reset_machine_id"))));
  }
  EXPECT_THAT(controller.audit, Contains(AllOf(HasSubstr("remediation.start " + first.name()),
                                               HasSubstr("approved: reset_machine_id"))));
}

TEST(RetryTest, AgainIsAPersonsWord) {
  Controller controller;
  BreakThings(controller);
  controller.fleet.at("a2").fails = true;
  controller.Treat(Request("finding=CLIENT_KEY_NOT_GVLK"));
  v1::PlanRemediationRequest request = Request("finding=CLIENT_KEY_NOT_GVLK");
  request.set_again(true);
  EXPECT_EQ(controller.Plan(request)->targets_size(), 1);
}

TEST(RetryTest, NotBeforeTheEnd) {
  Controller controller;
  BreakThings(controller);
  const v1::Remediation plan = *controller.Plan(Request("all"));
  EXPECT_TRUE(absl::IsFailedPrecondition(controller.Retry(plan.name(), true).status()));
  EXPECT_TRUE(absl::IsNotFound(controller.Retry("remediations/r-0", true).status()));
}

TEST(RollBackTest, LeavesAnHonestHistory) {
  Controller controller;
  SimulatedFleet::Machine& machine =
      controller.fleet.Add("c1", "kms_client", "CLIENT_KEY_NOT_GVLK", {"ensure_client_key"});
  machine.cure = "";
  machine.inverse = "put_back";
  const v1::Remediation begun = controller.Treat(Request("all"));
  EXPECT_EQ(StateOf(begun, "c1"), "verifying");
  controller.Pass(absl::Minutes(3));
  controller.Restart();
  const v1::Remediation end = controller.Get(begun.name());
  EXPECT_EQ(Totals(end), (std::map<std::string, uint32_t>{{"rolled-back", 1}}));
  EXPECT_EQ(end.state(), v1::REMEDIATION_STATE_FAILED);
  EXPECT_EQ(controller.fleet.effects["c1 ensure_client_key"], 1);
  EXPECT_EQ(controller.fleet.effects["c1 put_back"], 1);
  const v1::Step& step = end.targets(0).steps(0);
  EXPECT_EQ(step.outcome(), v1::OUTCOME_CHANGED);
  EXPECT_TRUE(step.undone());
  EXPECT_EQ(step.inverse().action(), "put_back") << "how it was undone";
  const std::string command = "command.apply machines/c1 " + end.id() + ": ";
  EXPECT_THAT(controller.audit, IsSupersetOf({command + "step 1 of 1 (ensure_client_key): CHANGED",
                                              command + "undo of step 1 of 1 (ensure_client_key): "
                                                        "CHANGED"}));
}

TEST(SkipTest, LeavesOutWhatHasNotBegun) {
  Controller controller;
  BreakThings(controller);
  const v1::Remediation plan = *controller.Plan(Request("all", /*budget=*/1));
  using Control = RemediationManager::Control;
  EXPECT_FALSE(controller.Apply(Control::kSkip, plan.name(), "name-a3").ok()) << "not started";
  controller.Start(plan);
  controller.executor.RunReady();
  const auto skipped = controller.Apply(Control::kSkip, plan.name(), "name-a3");
  ASSERT_TRUE(skipped.ok()) << skipped.status();
  EXPECT_EQ(StateOf(*skipped, "a3"), "skipped");
  EXPECT_TRUE(
      absl::IsFailedPrecondition(controller.Apply(Control::kSkip, plan.name(), "h1").status()))
      << "it is under way";
  EXPECT_TRUE(absl::IsNotFound(controller.Apply(Control::kSkip, plan.name(), "nobody").status()));
  controller.RunAll();
  EXPECT_EQ(Totals(controller.Get(plan.name())),
            (std::map<std::string, uint32_t>{{"skipped", 1}, {"succeeded", 6}}));
  EXPECT_THAT(controller.audit, Contains(HasSubstr("remediation.skip")));
}

TEST(SoakTest, AnUnhealthyWavePausesTheRollout) {
  Controller controller;
  BreakThings(controller);
  v1::PlanRemediationRequest request = Request("finding=CLIENT_KEY_NOT_GVLK");
  request.mutable_policy()->mutable_soak()->set_seconds(3600);
  v1::Remediation now = controller.Treat(request);
  EXPECT_EQ(StateOf(now, "a1"), "succeeded");
  EXPECT_EQ(StateOf(now, "a2"), "pending");
  EXPECT_TRUE(now.has_soak_until());
  v1::Finding& news = controller.fleet.at("a1").findings.emplace_back();
  news.set_code("CLIENT_CLOCK_SKEWED");
  news.set_severity(v1::SEVERITY_CRITICAL);
  controller.Restart();
  controller.RunAll();
  controller.Pass(absl::Hours(1));
  now = controller.Get(now.name());
  EXPECT_EQ(now.state(), v1::REMEDIATION_STATE_PAUSED);
  EXPECT_THAT(now.reason(), HasSubstr("name-a1 has now CLIENT_CLOCK_SKEWED"));
  ASSERT_TRUE(controller.Apply(RemediationManager::Control::kResume, now.name()).ok());
  controller.RunAll();
  EXPECT_EQ(controller.Get(now.name()).state(), v1::REMEDIATION_STATE_SUCCEEDED);
}

// --- Standing treatments ---

uint32_t Automatic(Controller& controller) {
  uint32_t count = 0;
  v1::ListRemediationsResponse listed;
  controller.manager().List({}, [&listed](auto answer) { listed = *std::move(answer); });
  controller.executor.RunReady();
  for (const v1::Remediation& remediation : listed.remediations()) count += remediation.automatic();
  return count;
}

TEST(StandingTest, TreatsWhatThePolicyNamesAndNothingElse) {
  Controller controller;
  BreakThings(controller);
  controller.Pass(absl::Minutes(10));
  EXPECT_EQ(Automatic(controller), 0u) << "off by default";
  controller.policy.add_automatic("CLIENT_KEY_NOT_GVLK");
  controller.policy.set_require_approval(true);
  controller.Pass(RemediationManager::kStandingPause);
  EXPECT_EQ(Automatic(controller), 1u);
  for (const auto& [what, times] : controller.fleet.effects) {
    EXPECT_EQ(what[0], 'a') << what;
    EXPECT_EQ(times, 1) << what;
  }
  EXPECT_EQ(controller.fleet.effects.size(), 6u);
  EXPECT_THAT(controller.audit, Contains(HasSubstr("remediation.start")));
  controller.Pass(absl::Hours(3));
  EXPECT_EQ(Automatic(controller), 1u) << "nothing is left to do, and nothing is written";
  controller.fleet.Add("a9", "kms_client", "CLIENT_KEY_NOT_GVLK", {"ensure_client_key"});
  controller.Pass(RemediationManager::kStandingPause);
  EXPECT_EQ(Automatic(controller), 2u);
  EXPECT_TRUE(controller.fleet.at("a9").findings.empty());
}

TEST(StandingTest, OneThatFailedIsTheLastUntilSomebodyHasLooked) {
  Controller controller;
  BreakThings(controller);
  controller.fleet.at("a1").fails = true;
  controller.policy.add_automatic("CLIENT_KEY_NOT_GVLK");
  controller.policy.set_etag("1");
  controller.Pass(RemediationManager::kStandingPause);
  EXPECT_EQ(Automatic(controller), 1u);
  controller.fleet.Add("a9", "kms_client", "CLIENT_KEY_NOT_GVLK", {"ensure_client_key"});
  controller.Pass(absl::Hours(3));
  controller.Restart();
  controller.Pass(absl::Hours(3));
  EXPECT_EQ(Automatic(controller), 1u);
  controller.policy.set_etag("2");
  controller.Pass(RemediationManager::kStandingPause);
  EXPECT_EQ(Automatic(controller), 2u);
  EXPECT_TRUE(controller.fleet.at("a9").findings.empty());
}

TEST(StandingTest, AMachineThatAPersonTreatsIsLeftToHim) {
  Controller controller;
  BreakThings(controller);
  v1::PlanRemediationRequest request = Request("machine=a1");
  const v1::Remediation plan = *controller.Plan(request);
  controller.Start(plan);
  controller.executor.RunReady();  // it is under way
  controller.policy.add_automatic("CLIENT_KEY_NOT_GVLK");
  controller.Pass(RemediationManager::kStandingPause);
  EXPECT_EQ(controller.fleet.effects["a1 ensure_client_key"], 1);
  EXPECT_EQ(controller.Get(plan.name()).state(), v1::REMEDIATION_STATE_SUCCEEDED);
}

}  // namespace
}  // namespace keymedic::controller
