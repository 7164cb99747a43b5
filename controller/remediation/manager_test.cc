// SPDX-License-Identifier: Apache-2.0
#include "controller/remediation/manager.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "controller/remediation/manager_testing.h"

namespace keymedic::controller {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

using Totalled = std::map<std::string, uint32_t>;

TEST(ManagerTest, PlanStartVerifyEnd) {
  Controller controller;
  BreakThings(controller);
  const absl::StatusOr<v1::Remediation> plan = controller.Plan("all");
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->targets_size(), 7);
  EXPECT_TRUE(controller.fleet.effects.empty());  // CHECK changes nothing
  controller.Start(*plan);
  controller.RunAll();
  ASSERT_TRUE(controller.started.ok()) << controller.started.status();
  const v1::Remediation end = controller.Get(plan->name());
  EXPECT_EQ(end.state(), v1::REMEDIATION_STATE_SUCCEEDED);
  EXPECT_EQ(Totals(end), (Totalled{{"succeeded", 7}}));
  EXPECT_TRUE(controller.fleet.Findings().empty());
  for (const auto& [what, times] : controller.fleet.effects) EXPECT_EQ(times, 1) << what;
  EXPECT_EQ(controller.fleet.effects.size(), 10u);
  EXPECT_THAT(controller.audit, Contains(HasSubstr("remediation.plan")));
  EXPECT_THAT(controller.audit, Contains(HasSubstr("remediation.start")));
  EXPECT_THAT(controller.audit, Contains(HasSubstr("command.apply machines/a1")));
  EXPECT_THAT(controller.audit, Contains(HasSubstr("remediation.end")));
}

// Each write waits for the disk: a thousand results at once must not wait a thousand times.
TEST(ManagerTest, WhatComesTogetherIsWrittenTogether) {
  Controller controller;
  BreakThings(controller);
  const v1::Remediation plan = *controller.Plan("all");
  controller.audit.clear();
  controller.audit_writes = 0;
  controller.Start(plan);
  bool more = true;
  while (more) {
    controller.executor.RunReady();
    more = false;
    while (controller.fleet.Step()) more = true;
  }
  EXPECT_EQ(Totals(controller.Get(plan.name())), (Totalled{{"succeeded", 7}}));
  EXPECT_GT(controller.audit.size(), 10u);
  EXPECT_LT(controller.audit_writes, controller.audit.size());
}

TEST(ManagerTest, StartBindsToTheHashAndHappensOnce) {
  Controller controller;
  BreakThings(controller);
  v1::Remediation plan = *controller.Plan("all");
  v1::Remediation other = plan;
  other.set_plan_hash("0123");
  controller.Start(other);
  controller.RunAll();
  EXPECT_TRUE(absl::IsFailedPrecondition(controller.started.status()));
  EXPECT_THAT(std::string(controller.started.status().message()), HasSubstr("not '0123'"));
  EXPECT_TRUE(controller.fleet.effects.empty());
  controller.Start(plan, "req-1");
  controller.RunAll();
  EXPECT_TRUE(controller.started.ok());
  controller.Start(plan, "req-1");
  controller.RunAll();
  EXPECT_TRUE(controller.started.ok());  // the same request again
  controller.Start(plan, "req-2");
  controller.RunAll();
  EXPECT_TRUE(absl::IsFailedPrecondition(controller.started.status()));
}

TEST(ManagerTest, ARepeatedPlanRequestGivesTheSamePlan) {
  Controller controller;
  BreakThings(controller);
  v1::PlanRemediationRequest request;
  request.set_selector("all");
  request.set_request_id("once");
  const std::string id = controller.Plan(request)->id();
  controller.Restart();
  EXPECT_EQ(controller.Plan(request)->id(), id);
  request.set_selector("machine=a*");
  EXPECT_TRUE(absl::IsInvalidArgument(controller.Plan(request).status()));
}

TEST(ManagerTest, OneMachineIsTreatedByOneRemediationAtATime) {
  Controller controller;
  BreakThings(controller);
  const v1::Remediation first = *controller.Plan("machine=a1");
  const v1::Remediation second = *controller.Plan("machine=name-a*");
  controller.Start(first);
  controller.executor.RunReady();
  controller.Start(second);
  controller.executor.RunReady();
  EXPECT_THAT(std::string(controller.started.status().message()), HasSubstr(first.id()));
}

// The controller dies in each of its writes in turn, before or after the write is durable, and is
// started again.
TEST(ManagerTest, ADeathInAnyWriteEndsInTheSameTotalsAndEachEffectHappensOnce) {
  int writes = 0;
  {
    Controller controller;
    BreakThings(controller);
    const v1::Remediation plan = *controller.Plan("all");
    const int before = controller.store.commits();
    controller.Start(plan);
    controller.RunAll();
    writes = controller.store.commits() - before;
  }
  ASSERT_GT(writes, 10);
  for (int crash = 2; crash <= 2 * writes + 1; ++crash) {
    SCOPED_TRACE(absl::StrCat("write ", crash / 2, crash % 2 ? ", durable" : ", lost"));
    Controller controller;
    BreakThings(controller);
    const v1::Remediation plan = *controller.Plan("all");
    controller.store.die_at = controller.store.commits() + crash / 2;
    controller.store.write_last = crash % 2;
    controller.Start(plan);
    controller.RunAll();
    ASSERT_TRUE(controller.store.dead);
    controller.Restart();
    controller.RunAll();
    if (controller.Get(plan.name()).state() == v1::REMEDIATION_STATE_PLANNED) {
      controller.Start(plan);  // the start itself was lost, and nobody was told otherwise
      controller.RunAll();
    }
    const v1::Remediation end = controller.Get(plan.name());
    ASSERT_EQ(end.state(), v1::REMEDIATION_STATE_SUCCEEDED) << end.ShortDebugString();
    ASSERT_EQ(Totals(end), (Totalled{{"succeeded", 7}}));
    ASSERT_EQ(controller.fleet.effects.size(), 10u);
    for (const auto& [what, times] : controller.fleet.effects) ASSERT_EQ(times, 1) << what;
    for (const char* id : {"h1", "a1", "a2", "a3", "b1", "b2", "b3"}) {
      ASSERT_TRUE(controller.fleet.at(id).unacknowledged.empty()) << id;
    }
  }
}

TEST(ManagerTest, AStoreThatRefusesMakesItStandStillUntilItTakesWritesAgain) {
  Controller controller;
  BreakThings(controller);
  const v1::Remediation plan = *controller.Plan("all");
  controller.Start(plan);
  controller.executor.RunReady();
  const int sent = controller.fleet.sends;
  controller.store.refuse = absl::ResourceExhaustedError("disk full");
  controller.RunAll();
  EXPECT_EQ(controller.fleet.sends, sent);  // nothing leaves that is not durable
  EXPECT_FALSE(controller.fleet.at("h1").unacknowledged.empty());
  controller.store.refuse = absl::OkStatus();
  controller.executor.Advance(RemediationManager::kRetry);
  controller.RunAll();
  EXPECT_EQ(Totals(controller.Get(plan.name())), (Totalled{{"succeeded", 7}}));
  for (const auto& [what, times] : controller.fleet.effects) EXPECT_EQ(times, 1) << what;
}

TEST(ManagerTest, FailuresUseUpTheBudgetAndStop) {
  Controller controller;
  for (int i = 0; i < 10; ++i) {
    controller.fleet
        .Add(absl::StrCat("c", i), "kms_client", "CLIENT_KEY_NOT_GVLK", {"ensure_client_key"})
        .fails = i > 0;
  }
  const v1::Remediation plan = *controller.Plan("all", /*budget=*/3);
  controller.Start(plan);
  controller.RunAll();
  const v1::Remediation end = controller.Get(plan.name());
  EXPECT_EQ(end.state(), v1::REMEDIATION_STATE_STOPPED_BY_BUDGET);
  EXPECT_EQ(Totals(end), (Totalled{{"succeeded", 1}, {"failed", 3}, {"cancelled", 6}}));
}

// The only machine, "c1", is sent its command and says nothing until its deadline is over.
v1::Remediation TreatASilentMachine(Controller& controller) {
  controller.fleet.Add("c1", "kms_client", "CLIENT_KEY_NOT_GVLK", {"ensure_client_key"});
  v1::Remediation plan = *controller.Plan("all");
  controller.Start(plan);
  controller.executor.RunReady();
  controller.executor.Advance(absl::Minutes(6));
  return plan;
}

TEST(ManagerTest, ASilentMachineEndsAsUnknownByItsDeadline) {
  Controller controller;
  const v1::Remediation plan = TreatASilentMachine(controller);
  EXPECT_EQ(Totals(controller.Get(plan.name())), (Totalled{{"unknown", 1}}));
}

TEST(ManagerTest, AMachineThatIsSilentAtCheckEndsThePlanByItsDeadline) {
  Controller controller;
  controller.fleet.Add("c1", "kms_client", "CLIENT_KEY_NOT_GVLK", {"ensure_client_key"});
  v1::PlanRemediationRequest request;
  request.set_selector("all");
  absl::StatusOr<v1::Remediation> plan = absl::UnknownError("not answered");
  controller.manager().Plan(request, kAdmin, [&](auto answer) { plan = std::move(answer); });
  controller.executor.RunReady();
  ASSERT_EQ(controller.fleet.sends, 1);
  controller.executor.Advance(CheckRun::kTimeout - absl::Seconds(1));
  EXPECT_FALSE(plan.ok()) << "it waits";
  controller.executor.Advance(absl::Seconds(1));
  ASSERT_TRUE(plan.ok()) << plan.status();
  ASSERT_EQ(plan->targets_size(), 1);
  EXPECT_TRUE(plan->targets(0).steps(0).unchecked());
  EXPECT_THAT(plan->targets(0).message(), HasSubstr("did not answer CHECK within 30s"));
  controller.RunAll();  // now it answers
  EXPECT_TRUE(controller.fleet.at("c1").unacknowledged.empty());
  EXPECT_EQ(controller.Get(plan->name()).plan_hash(), plan->plan_hash());
}

TEST(ManagerTest, WhatShowsElsewhereMustNotAskForTheMachineAnyMore) {
  for (const bool gone : {true, false}) {
    Controller controller;
    controller.fleet.Add("c1", "kms_client", "CLIENT_KEY_NOT_GVLK", {"ensure_client_key"});
    controller.fleet.Add("h1", "kms_host", "HOST_COUNT_STUCK", {"ensure_client_key"});
    v1::Finding& stuck = controller.fleet.at("h1").findings[0];
    stuck.mutable_treatments(0)->set_machine_id("c1");
    const v1::Remediation plan = *controller.Plan("all");
    ASSERT_EQ(plan.targets_size(), 1);
    // It stays, because of another machine.
    if (gone) stuck.mutable_treatments(0)->set_machine_id("c2");
    controller.Start(plan);
    controller.RunAll();
    controller.executor.Advance(absl::Hours(1));
    controller.RunAll();
    const v1::Remediation end = controller.Get(plan.name());
    EXPECT_EQ(Totals(end), (Totalled{{gone ? "succeeded" : "failed", 1}}));
    EXPECT_THAT(end.targets(0).message(), HasSubstr(gone ? "" : "HOST_COUNT_STUCK"));
  }
}

TEST(ManagerTest, AMachineAnswersForItselfOnly) {
  Controller controller;
  controller.fleet.Add("c1", "kms_client", "CLIENT_KEY_NOT_GVLK", {"ensure_client_key"});
  v1::PlanRemediationRequest request;
  request.set_selector("all");
  absl::StatusOr<v1::Remediation> plan = absl::UnknownError("not answered");
  controller.manager().Plan(request, kAdmin, [&](auto answer) { plan = std::move(answer); });
  controller.executor.RunReady();
  int acknowledged = 0;
  const auto say = [&](const std::string& id, v1::Outcome outcome) {
    v1::CommandResult result;
    result.set_command_id(id);
    result.set_outcome(outcome);
    controller.manager().OnResult("another", result, [&] { ++acknowledged; });
    controller.executor.RunReady();
  };
  ASSERT_EQ(controller.fleet.commands.size(), 1u);
  say(controller.fleet.commands[0].id(), v1::OUTCOME_NO_CHANGE);
  EXPECT_FALSE(plan.ok()) << "it still waits for c1";
  controller.RunAll();
  ASSERT_TRUE(plan.ok()) << plan.status();
  controller.Start(*plan);
  controller.executor.RunReady();
  say(plan->id() + "/0/0/apply1", v1::OUTCOME_FAILED);
  EXPECT_EQ(Totals(controller.Get(plan->name())), (Totalled{{"sent", 1}}));
  controller.RunAll();
  EXPECT_EQ(Totals(controller.Get(plan->name())), (Totalled{{"succeeded", 1}}));
  EXPECT_EQ(acknowledged, 2) << "the other one does not say it again and again";
}

TEST(ManagerTest, ALateAnswerIsKeptAlsoAfterTheEnd) {
  Controller controller;
  const v1::Remediation plan = TreatASilentMachine(controller);
  SimulatedFleet::Machine& machine = controller.fleet.at("c1");
  controller.Restart();  // it has ended, and only the store knows of it
  controller.audit.clear();
  v1::Command lost;
  lost.set_id(plan.id() + "/0/0/apply1");
  lost.set_action("ensure_client_key");
  lost.set_mode(v1::MODE_APPLY);
  ASSERT_TRUE(controller.fleet.Send("c1", lost));
  ASSERT_TRUE(controller.fleet.Step());
  ASSERT_EQ(machine.unacknowledged.size(), 1u);
  int acknowledged = 0;
  const v1::CommandResult result = machine.unacknowledged.begin()->second;
  controller.manager().OnResult("another", result, [] {});
  controller.manager().OnResult("c1", result, [&] { ++acknowledged; });  // at the same time
  controller.RunAll();
  controller.Restart();
  controller.manager().OnResult("c1", result, [&] { ++acknowledged; });  // and much later
  controller.RunAll();
  EXPECT_EQ(acknowledged, 2);
  EXPECT_TRUE(machine.unacknowledged.empty());
  const v1::Remediation end = controller.Get(plan.name());
  EXPECT_EQ(Totals(end), (Totalled{{"unknown", 1}}));
  EXPECT_EQ(end.targets(0).steps(0).message(), "answered after its deadline: CHANGED");
  EXPECT_THAT(controller.audit, ElementsAre("command.apply machines/c1 " + plan.id() +
                                            ": step 1 of 1 (ensure_client_key): answered after "
                                            "its deadline: CHANGED"));
}

TEST(ManagerTest, ALateAnswerThatTheStoreRefusesIsNotAcknowledged) {
  Controller controller;
  const v1::Remediation plan = TreatASilentMachine(controller);
  SimulatedFleet::Machine& machine = controller.fleet.at("c1");
  controller.store.refuse = absl::ResourceExhaustedError("disk full");
  controller.RunAll();
  EXPECT_EQ(machine.unacknowledged.size(), 1u);
  controller.store.refuse = absl::OkStatus();
  controller.Pass(RemediationManager::kRetry);
  controller.fleet.Reconnect("c1");
  controller.RunAll();
  EXPECT_TRUE(machine.unacknowledged.empty());
  EXPECT_THAT(controller.Get(plan.name()).targets(0).steps(0).message(), HasSubstr("CHANGED"));
}

TEST(ManagerTest, AMachineThatIsAwayIsTreatedWhenItComesBack) {
  Controller controller;
  controller.fleet.Add("c1", "kms_client", "CLIENT_KEY_NOT_GVLK", {"ensure_client_key"});
  controller.fleet.at("c1").info.connected = false;
  const v1::Remediation plan = *controller.Plan("all");
  EXPECT_EQ(plan.targets(0).state(), v1::TARGET_STATE_QUEUED_OFFLINE);
  controller.Start(plan);
  controller.RunAll();
  EXPECT_EQ(Totals(controller.Get(plan.name())), (Totalled{{"queued-offline", 1}}));
  controller.executor.Advance(absl::Minutes(2));
  controller.fleet.Reconnect("c1");
  controller.RunAll();
  EXPECT_EQ(Totals(controller.Get(plan.name())), (Totalled{{"succeeded", 1}}));
}

TEST(ManagerTest, PauseResumeAndAbortOutliveARestart) {
  Controller controller;
  BreakThings(controller);
  const v1::Remediation plan = *controller.Plan("all", /*budget=*/1);
  controller.Start(plan);
  controller.executor.RunReady();
  ASSERT_TRUE(controller.Apply(RemediationManager::Control::kPause, plan.name()).ok());
  controller.RunAll();
  controller.Restart();
  controller.RunAll();
  v1::Remediation now = controller.Get(plan.name());
  EXPECT_EQ(now.state(), v1::REMEDIATION_STATE_PAUSED);
  EXPECT_EQ(now.reason(), "a person said so");
  EXPECT_EQ(Totals(now), (Totalled{{"succeeded", 1}, {"pending", 6}}));
  ASSERT_TRUE(controller.Apply(RemediationManager::Control::kResume, plan.name()).ok());
  ASSERT_TRUE(controller.Apply(RemediationManager::Control::kAbort, plan.name()).ok());
  controller.Restart();
  controller.RunAll();
  now = controller.Get(plan.name());
  EXPECT_EQ(now.state(), v1::REMEDIATION_STATE_ABORTED);
  EXPECT_TRUE(now.has_ended_at());
  EXPECT_EQ(now.totals().at("cancelled"), 5u);
  EXPECT_TRUE(absl::IsFailedPrecondition(
      controller.Apply(RemediationManager::Control::kResume, plan.name()).status()));
}

TEST(ManagerTest, WatchersSeeTheStartTheChangesAndTheEnd) {
  Controller controller;
  BreakThings(controller);
  const v1::Remediation plan = *controller.Plan("all");
  std::vector<v1::RemediationProgress> seen;
  int last = 0;
  controller.manager().Watch(plan.name(), [&](auto progress, bool is_last) {
    ASSERT_TRUE(progress.ok());
    seen.push_back(*progress);
    last += is_last;
    EXPECT_LE(progress->budget_used(), progress->budget());
  });
  controller.Start(plan);
  controller.RunAll();
  ASSERT_GT(seen.size(), 3u);
  EXPECT_EQ(seen.front().changed_size(), 7);
  EXPECT_EQ(seen.back().state(), v1::REMEDIATION_STATE_SUCCEEDED);
  EXPECT_EQ(last, 1);
  absl::Status status;
  controller.manager().Watch("remediations/none",
                             [&](auto progress, bool) { status = progress.status(); });
  controller.RunAll();
  EXPECT_TRUE(absl::IsNotFound(status));
}

TEST(ManagerTest, ListsNewestFirstInPages) {
  Controller controller;
  BreakThings(controller);
  std::vector<std::string> ids;
  for (int i = 0; i < 3; ++i) {
    ids.push_back(controller.Plan("all")->id());
    controller.executor.Advance(absl::Seconds(1));
  }
  v1::ListRemediationsRequest request;
  request.set_page_size(2);
  std::vector<std::string> listed;
  auto list = [&] {
    controller.manager().List(request, [&](auto response) {
      ASSERT_TRUE(response.ok());
      for (const v1::Remediation& r : response->remediations()) listed.push_back(r.id());
      request.set_page_token(response->next_page_token());
    });
    controller.executor.RunReady();
  };
  list();
  list();
  EXPECT_THAT(listed, ElementsAre(ids[2], ids[1], ids[0]));
  EXPECT_EQ(request.page_token(), "");
}

// The same with real threads and SQLite.
TEST(ManagerTest, RunsOnThreadsAndSqlite) {
  absl::StatusOr<std::unique_ptr<Store>> store = OpenSqliteStore(":memory:");
  ASSERT_TRUE(store.ok()) << store.status();
  const bool dead = false;
  SimulatedFleet fleet(dead);
  fleet.Add("c1", "kms_client", "CLIENT_KEY_NOT_GVLK", {"ensure_client_key"});
  fleet.at("c1").info.connected = false;
  SystemClock clock;
  SystemRandom random;
  std::unique_ptr<Executor> executor = MakeThreadPool(4);
  absl::StatusOr<std::unique_ptr<RemediationManager>> manager = RemediationManager::Open(
      {fleet, **store, *executor, clock, random,
       [](const std::vector<AuditRecord>&) { return absl::OkStatus(); }, kTestTreatments,
       [] { return absl::StatusOr<v1::Policy>(v1::Policy()); }});
  ASSERT_TRUE(manager.ok());
  absl::Notification ended;
  v1::PlanRemediationRequest request;
  request.set_selector("all");
  (*manager)->Plan(request, kAdmin, [&](absl::StatusOr<v1::Remediation> plan) {
    ASSERT_TRUE(plan.ok()) << plan.status();
    v1::StartRemediationRequest start;
    start.set_name(plan->name());
    start.set_plan_hash(plan->plan_hash());
    (*manager)->Start(start, kAdmin, [&](auto started) { ASSERT_TRUE(started.ok()); });
    v1::ControlRemediationRequest abort;
    abort.set_name(plan->name());
    (*manager)->Apply(RemediationManager::Control::kAbort, abort, kAdmin, [](auto) {});
    (*manager)->Watch(plan->name(), [&](auto progress, bool last) {
      if (last) ended.Notify();
    });
  });
  ASSERT_TRUE(ended.WaitForNotificationWithTimeout(absl::Seconds(60)));
}

}  // namespace
}  // namespace keymedic::controller
