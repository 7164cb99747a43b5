// SPDX-License-Identifier: Apache-2.0
#include "controller/remediation/planner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controller/remediation/check_run.h"
#include "controller/remediation/simulated_fleet.h"
#include "controller/remediation/states.h"

namespace keymedic::controller {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);

class PlannerTest : public ::testing::Test {
 protected:
  PlannerTest() {
    view_.treatments = kTestTreatments;
    AddMachine("h1", "kms_host", "hq");
    AddMachine("c1", "kms_client", "berlin");
    AddMachine("c2", "kms_client", "berlin");
  }

  void AddMachine(std::string id, std::string role, std::string site) {
    view_.machines.push_back({.id = id,
                              .display_name = "name-" + id,
                              .labels = {{"site", site}},
                              .connected = true,
                              .roles = {role}});
  }

  v1::Finding& AddFinding(std::string code, std::string machine, std::vector<std::string> actions,
                          v1::Severity severity = v1::SEVERITY_CRITICAL) {
    v1::Finding& finding = view_.findings.emplace_back();
    finding.set_code(code);
    finding.set_subject("name-" + machine);
    finding.set_machine_id(machine);
    finding.set_severity(severity);
    for (const std::string& action : actions) finding.add_treatments()->set_action(action);
    return finding;
  }

  void AddFollower(std::string code, std::string machine, std::vector<std::string> actions,
                   std::string cause, std::string cause_machine) {
    v1::Finding& finding = AddFinding(code, machine, std::move(actions));
    finding.set_cause_code(cause);
    finding.set_cause_subject("name-" + cause_machine);
  }

  absl::StatusOr<Draft> TryDraft(std::string selector) {
    request_.set_selector(selector);
    return DraftPlan(request_, view_);
  }
  v1::Remediation DraftOf(std::string selector) {
    absl::StatusOr<Draft> draft = TryDraft(selector);
    EXPECT_TRUE(draft.ok()) << draft.status();
    return draft.ok() ? draft->remediation : v1::Remediation();
  }
  std::string ErrorOf(std::string selector) {
    absl::StatusOr<Draft> draft = TryDraft(selector);
    EXPECT_FALSE(draft.ok());
    return std::string(draft.status().message());
  }

  static std::vector<std::string> Actions(const v1::Target& target) {
    std::vector<std::string> actions;
    for (const v1::Step& step : target.steps()) actions.push_back(step.action());
    return actions;
  }
  static const v1::Target& TargetOn(const v1::Remediation& remediation, std::string machine) {
    for (const v1::Target& target : remediation.targets()) {
      if (target.machine_id() == machine) return target;
    }
    ADD_FAILURE() << "no target on " << machine;
    return v1::Target::default_instance();
  }
  static std::vector<std::string> Machines(const v1::Remediation& remediation) {
    std::vector<std::string> machines;
    for (const v1::Target& target : remediation.targets()) machines.push_back(target.machine_id());
    return machines;
  }

  // Runs CHECK with `answer` for each command.
  v1::Remediation Checked(std::string selector,
                          std::function<v1::CommandResult(const v1::Command&)> answer) {
    absl::StatusOr<Draft> draft = TryDraft(selector);
    EXPECT_TRUE(draft.ok()) << draft.status();
    draft->remediation.set_id("r-1");
    CheckRun run(*std::move(draft));
    CheckRun::Sends sends = run.Begin(kNow);
    while (!sends.empty()) {
      CheckRun::Sends more;
      for (const CheckRun::Send& send : sends) {
        EXPECT_EQ(send.command.mode(), v1::MODE_CHECK);
        asked_.push_back(send.command.action());
        v1::CommandResult result = answer(send.command);
        result.set_command_id(send.command.id());
        for (CheckRun::Send& next : run.Result(result, kNow)) more.push_back(std::move(next));
      }
      sends = std::move(more);
    }
    EXPECT_TRUE(run.done());
    Draft done = std::move(run).Finish();
    FinishPlan(done);
    return done.remediation;
  }
  static v1::CommandResult Outcome(v1::Outcome outcome, std::string text = "") {
    v1::CommandResult result;
    result.set_outcome(outcome);
    result.set_message(text);
    result.set_check_digest("d" + text);
    return result;
  }

  EstateView view_;
  v1::PlanRemediationRequest request_;
  std::vector<std::string> asked_;
};

// A host whose count is held down by clones: each of them is treated, the host is not.
TEST_F(PlannerTest, WhatShowsElsewhereIsVerifiedWhereItIsTreated) {
  v1::Finding& stuck =
      AddFinding("HOST_COUNT_STUCK", "h1", {"ensure_client_key", "ensure_client_key"});
  stuck.mutable_treatments(0)->set_machine_id("c1");
  stuck.mutable_treatments(1)->set_machine_id("c2");
  AddFinding("CLIENT_KEY_NOT_GVLK", "c1", {"ensure_client_key"});
  // This one is verified where it shows.
  v1::Finding& refused = AddFinding("CLIENT_HOST_KEY_MISMATCH", "c2",
                                    {"ensure_client_key", "ensure_firewall_exception"});
  refused.mutable_treatments(1)->set_machine_id("h1");
  const v1::Remediation plan = DraftOf("all");
  EXPECT_THAT(TargetOn(plan, "c1").finding_codes(), ElementsAre("CLIENT_KEY_NOT_GVLK"));
  EXPECT_THAT(TargetOn(plan, "c1").elsewhere_codes(), ElementsAre("HOST_COUNT_STUCK"));
  EXPECT_THAT(TargetOn(plan, "c2").elsewhere_codes(), ElementsAre("HOST_COUNT_STUCK"));
  EXPECT_THAT(TargetOn(plan, "h1").elsewhere_codes(), testing::IsEmpty());
}

TEST_F(PlannerTest, OneTargetForEachMachineWithItsStepsInTheTablesOrder) {
  AddFinding("CLIENT_KEY_NOT_GVLK", "c1", {"ensure_client_key", "activate"});
  AddFinding("CLIENT_HOST_OVERRIDE", "c1", {"activate", "ensure_discovery"});
  const v1::Remediation plan = DraftOf("all");
  ASSERT_EQ(plan.targets_size(), 1);
  EXPECT_THAT(Actions(plan.targets(0)),
              ElementsAre("ensure_discovery", "ensure_client_key", "activate"));
  EXPECT_EQ(plan.targets(0).steps(0).plugin(), "kms_client");
  EXPECT_THAT(plan.targets(0).finding_codes(),
              ElementsAre("CLIENT_HOST_OVERRIDE", "CLIENT_KEY_NOT_GVLK"));
  EXPECT_EQ(plan.findings_size(), 2);
}

TEST_F(PlannerTest, AFollowerComesAfterTheMachineOfItsCause) {
  AddFinding("HOST_FIREWALL_CLOSED", "h1", {"ensure_firewall_exception"});
  AddFollower("CLIENT_HOST_UNREACHABLE", "c1", {"activate"}, "HOST_FIREWALL_CLOSED", "h1");
  const v1::Remediation plan = DraftOf("all");
  EXPECT_THAT(TargetOn(plan, "c1").after(), ElementsAre("h1"));
  EXPECT_EQ(TargetOn(plan, "h1").wave(), 0u);
  EXPECT_EQ(TargetOn(plan, "c1").wave(), 1u);
  EXPECT_EQ(plan.findings_size(), 1);
  // Named by its cause, the follower is meant too.
  EXPECT_EQ(DraftOf("finding=HOST_FIREWALL_CLOSED").targets_size(), 2);
}

TEST_F(PlannerTest, NothingOutsideTheSelectorIsTouched) {
  AddFinding("HOST_FIREWALL_CLOSED", "h1", {"ensure_firewall_exception"});
  AddFollower("CLIENT_HOST_UNREACHABLE", "c1", {"activate"}, "HOST_FIREWALL_CLOSED", "h1");
  AddFinding("CLIENT_DNS_NO_SRV", "c2", {"ensure_firewall_exception"})
      .mutable_treatments(0)
      ->set_machine_id("h1");
  const v1::Remediation plan = DraftOf("site=berlin");
  EXPECT_EQ(plan.targets_size(), 0);
  ASSERT_EQ(plan.untreatable_size(), 2);
  EXPECT_THAT(plan.untreatable(0).why_untreatable(), HasSubstr("is done on name-h1"));
  EXPECT_THAT(plan.untreatable(1).why_untreatable(),
              HasSubstr("follows from HOST_FIREWALL_CLOSED on name-h1"));
}

TEST_F(PlannerTest, ALabelThatNoMachineCarriesIsNeverEverything) {
  AddFinding("CLIENT_KEY_NOT_GVLK", "c1", {"ensure_client_key"});
  for (std::string selector : {"sit=berlin", "sit!=berlin", "not sit=berlin"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(TryDraft(selector).status())) << selector;
    EXPECT_THAT(ErrorOf(selector), HasSubstr("label 'sit'; did you mean 'site'?")) << selector;
  }
  EXPECT_EQ(DraftOf("site!=ulm").targets_size(), 1);
}

TEST_F(PlannerTest, ASelectorByFindingTreatsThatFindingOnly) {
  AddFinding("CLIENT_KEY_NOT_GVLK", "c1", {"ensure_client_key"});
  AddFinding("CLIENT_HOST_OVERRIDE", "c1", {"ensure_discovery"});
  EXPECT_THAT(Actions(DraftOf("finding=CLIENT_HOST_OVERRIDE").targets(0)),
              ElementsAre("ensure_discovery"));
}

TEST_F(PlannerTest, NoticesAreTreatedOnlyWhenNamed) {
  AddFinding("CLIENT_CACHING_OFF", "c1", {"ensure_discovery"}, v1::SEVERITY_NOTICE);
  EXPECT_THAT(ErrorOf("all"), HasSubstr("'all' names no finding"));
  EXPECT_EQ(DraftOf("finding=CLIENT_CACHING_OFF").targets_size(), 1);
}

TEST_F(PlannerTest, ApprovalIsGivenByNameAndNeverImplied) {
  AddFinding("CLIENT_DUPLICATE_CMID", "c1", {"reset_machine_id", "activate"});
  v1::Remediation plan = DraftOf("all");
  EXPECT_EQ(plan.targets_size(), 0);
  EXPECT_EQ(plan.untreatable(0).why_untreatable(),
            "needs approval: run with --approve reset_machine_id");
  request_.add_approve("reset_machine_id");
  plan = DraftOf("all");
  EXPECT_THAT(Actions(plan.targets(0)), ElementsAre("reset_machine_id", "activate"));
  EXPECT_EQ(plan.targets(0).verify_within().seconds(), 15 * 60) << "as its slowest step says";
}

TEST_F(PlannerTest, ACauseMayBeTreatedOnAnotherMachine) {
  // c1 keeps the id, c2 gets a new one.
  v1::Finding& cause = AddFinding("CLIENT_DUPLICATE_CMID", "c1", {"reset_machine_id", "activate"});
  for (v1::Treatment& treatment : *cause.mutable_treatments()) treatment.set_machine_id("c2");
  AddFollower("CLIENT_DUPLICATE_CMID", "c2", {"reset_machine_id", "activate"},
              "CLIENT_DUPLICATE_CMID", "c1");
  v1::Remediation plan = DraftOf("all");
  EXPECT_EQ(plan.targets_size(), 0);
  EXPECT_EQ(plan.untreatable_size(), 1);
  request_.add_approve("reset_machine_id");
  plan = DraftOf("all");
  ASSERT_THAT(Machines(plan), ElementsAre("c2"));
  EXPECT_THAT(plan.targets(0).after(), IsEmpty());
  EXPECT_THAT(plan.targets(0).finding_codes(), ElementsAre("CLIENT_DUPLICATE_CMID"));
}

TEST_F(PlannerTest, AClientComesAfterTheHostThatIsTreatedForIt) {
  v1::Finding& finding = AddFinding("CLIENT_HOST_KEY_MISMATCH", "c1",
                                    {"ensure_firewall_exception", "activate", "activate"});
  finding.mutable_treatments(0)->set_machine_id("h1");
  finding.mutable_treatments(1)->set_machine_id("h1");
  const v1::Remediation plan = DraftOf("all");
  EXPECT_THAT(TargetOn(plan, "c1").after(), ElementsAre("h1"));
  EXPECT_THAT(TargetOn(plan, "h1").after(), IsEmpty());
  EXPECT_THAT(Actions(TargetOn(plan, "h1")), ElementsAre("ensure_firewall_exception", "activate"));
}

TEST_F(PlannerTest, WhatNothingTreatsIsSaidWithItsReason) {
  AddFinding("CLIENT_EDITION_NOT_VOLUME", "c1", {}).set_why_untreatable("no volume key for Home");
  AddFinding("DNS_SRV_STALE", "", {}).set_subject("_vlmcs._tcp.contoso.example");
  AddFollower("CLIENT_NOT_LICENSED", "c1", {"activate"}, "CLIENT_EDITION_NOT_VOLUME", "c1");
  const v1::Remediation plan = DraftOf("all");
  EXPECT_EQ(plan.targets_size(), 0);
  ASSERT_EQ(plan.untreatable_size(), 2);  // the follower stands under its cause
  EXPECT_EQ(plan.untreatable(0).why_untreatable(), "no volume key for Home");
}

TEST_F(PlannerTest, AnUnlicensedClientIsActivatedAtTheEnd) {
  AddFinding("CLIENT_HOST_OVERRIDE", "c1", {"ensure_discovery"});
  AddFinding("CLIENT_NOT_LICENSED", "c1", {"activate"});
  EXPECT_THAT(Actions(DraftOf("finding=CLIENT_HOST_OVERRIDE").targets(0)),
              ElementsAre("ensure_discovery", "activate"));
  request_.add_treat("ensure_discovery");
  EXPECT_THAT(Actions(DraftOf("finding=CLIENT_HOST_OVERRIDE").targets(0)),
              ElementsAre("ensure_discovery"));
}

TEST_F(PlannerTest, WhatOnlyAddsToAnActionServesWhoAsksForLess) {
  const auto ask = [](v1::Finding& finding, std::string name, std::string value) {
    (*finding.mutable_treatments(0)->mutable_params())[std::move(name)] = std::move(value);
  };
  AddFinding("CLIENT_CLOCK_SKEW", "c1", {"activate"});
  ask(AddFinding("CLIENT_HOST_UNSANCTIONED", "c1", {"activate"}), "after", "2026-11-28T12:00:00Z");
  AddFinding("CLIENT_NOT_LICENSED", "c1", {"activate"});
  ask(AddFinding("CLIENT_GRACE_EXPIRING", "c1", {"activate"}), "after", "2026-11-29T12:00:00Z");
  ask(AddFinding("CLIENT_HOST_OVERRIDE", "c1", {"activate"}), "in_vain", "true");
  const v1::Remediation plan = DraftOf("all");
  ASSERT_EQ(TargetOn(plan, "c1").steps_size(), 1);
  EXPECT_EQ(TargetOn(plan, "c1").steps(0).params().at("after"), "2026-11-28T12:00:00Z");
  ASSERT_EQ(plan.untreatable_size(), 2);
  for (const v1::Finding& finding : plan.untreatable()) {
    EXPECT_THAT(finding.why_untreatable(), HasSubstr("with other parameters")) << finding.code();
  }
}

TEST_F(PlannerTest, ErrorsNameWhatIsWrong) {
  EXPECT_THAT(ErrorOf(""), HasSubstr("never means everything"));
  EXPECT_THAT(ErrorOf("all"), HasSubstr("nothing to treat"));
  AddFinding("CLIENT_KEY_NOT_GVLK", "c1", {"ensure_client_key"});
  AddFinding("CLIENT_KEY_NOT_GVLK", "c2", {"ensure_client_key"});
  request_.set_expect_count(1);
  EXPECT_THAT(ErrorOf("all"), HasSubstr("gives 2 targets, and at most 1 were expected"));
  request_.add_treat("ensure_miracle");
  EXPECT_THAT(ErrorOf("all"), HasSubstr("no action 'ensure_miracle'"));
}

TEST_F(PlannerTest, CheckFillsThePlan) {
  AddFinding("CLIENT_KEY_NOT_GVLK", "c1", {"ensure_discovery", "ensure_client_key", "activate"});
  AddFinding("CLIENT_HOST_OVERRIDE", "c2", {"ensure_discovery"});
  const v1::Remediation plan = Checked("all", [](const v1::Command& command) {
    v1::CommandResult result = Outcome(
        command.action() == "ensure_discovery" ? v1::OUTCOME_NO_CHANGE : v1::OUTCOME_WOULD_CHANGE);
    result.add_changes()->set_after("3V66T");
    result.mutable_inverse()->set_action("ensure_client_key");
    return result;
  });
  EXPECT_THAT(asked_, ElementsAre("ensure_discovery", "ensure_discovery", "ensure_client_key"));
  EXPECT_EQ(TargetOn(plan, "c2").state(), v1::TARGET_STATE_NO_CHANGE);
  const v1::Target& c1 = TargetOn(plan, "c1");
  EXPECT_EQ(c1.state(), v1::TARGET_STATE_PENDING);
  EXPECT_EQ(c1.steps(0).outcome(), v1::OUTCOME_NO_CHANGE);
  EXPECT_EQ(c1.steps(1).changes(0).after(), "3V66T");
  EXPECT_EQ(c1.steps(1).check_digest(), "d");
  EXPECT_TRUE(c1.steps(2).unchecked());  // depends on the new key
  EXPECT_EQ(plan.totals().at("no-change"), 1u);
}

TEST_F(PlannerTest, ARefusedCheckTakesItsTargetAndWhatWaitsForItOutOfThePlan) {
  AddFinding("HOST_FIREWALL_CLOSED", "h1", {"ensure_firewall_exception"});
  AddFollower("CLIENT_HOST_UNREACHABLE", "c1", {"activate"}, "HOST_FIREWALL_CLOSED", "h1");
  AddFinding("CLIENT_KEY_NOT_GVLK", "c2", {"ensure_client_key"});
  const v1::Remediation plan = Checked("all", [](const v1::Command& command) {
    return command.plugin() == "kms_host" ? Outcome(v1::OUTCOME_FAILED, "access denied")
                                          : Outcome(v1::OUTCOME_WOULD_CHANGE);
  });
  EXPECT_THAT(Machines(plan), ElementsAre("c2"));
  ASSERT_EQ(plan.untreatable_size(), 2);
  EXPECT_THAT(plan.untreatable(0).why_untreatable(), HasSubstr("access denied"));
  EXPECT_THAT(plan.untreatable(1).why_untreatable(), HasSubstr("access denied"));
}

// It would refuse in the middle of the rollout as well, and what was done by then be undone.
TEST_F(PlannerTest, ARefusedCheckTakesItsTargetOutAlsoBehindAChange) {
  AddFinding("HOST_KEY_MISMATCH", "h1",
             {"ensure_firewall_exception", "ensure_host_key", "activate"});
  const auto checked = [&](v1::Outcome outcome) {
    return Checked("all", [outcome](const v1::Command& command) {
      return command.action() == "ensure_host_key" ? Outcome(outcome, "not like this")
                                                   : Outcome(v1::OUTCOME_WOULD_CHANGE);
    });
  };
  const v1::Remediation refused = checked(v1::OUTCOME_REFUSED);
  EXPECT_THAT(Machines(refused), IsEmpty());
  ASSERT_EQ(refused.untreatable_size(), 1);
  EXPECT_THAT(refused.untreatable(0).why_untreatable(), HasSubstr("not like this"));
  // What fails may fail for want of the change before it.
  const v1::Remediation failed = checked(v1::OUTCOME_FAILED);
  ASSERT_THAT(Machines(failed), ElementsAre("h1"));
  EXPECT_FALSE(failed.targets(0).steps(0).unchecked());
  EXPECT_TRUE(failed.targets(0).steps(1).unchecked());
}

TEST_F(PlannerTest, AHostKeyThatIsNotStoredIsAskedFor) {
  absl::Status stored = absl::NotFoundError("no key");
  view_.secrets = [&](const std::string& machine, const std::string& action) {
    EXPECT_EQ(machine, "h1");
    return action == "ensure_host_key" ? stored : absl::OkStatus();
  };
  AddFinding("HOST_KEY_MISMATCH", "h1", {"ensure_host_key", "activate"});
  v1::Remediation plan = DraftOf("all");
  EXPECT_THAT(Machines(plan), IsEmpty());
  ASSERT_EQ(plan.untreatable_size(), 1);
  EXPECT_EQ(plan.untreatable(0).why_untreatable(),
            "ensure_host_key on name-h1 needs a host key, and none is stored for it: run "
            "`keymedic host-keys set --host name-h1`");
  stored = absl::DataLossError("secrets.key is damaged");
  EXPECT_EQ(DraftOf("all").untreatable(0).why_untreatable(),
            "ensure_host_key on name-h1: secrets.key is damaged");
  stored = absl::OkStatus();
  EXPECT_THAT(Actions(DraftOf("all").targets(0)), ElementsAre("ensure_host_key", "activate"));
}

// The right key may be installed and only never activated.
TEST_F(PlannerTest, WithoutAStoredKeyAnUnlicensedHostIsActivatedAllTheSame) {
  absl::Status stored = absl::NotFoundError("no key");
  view_.secrets = [&](const std::string& machine, const std::string& action) {
    return action == "ensure_host_key" ? stored : absl::OkStatus();
  };
  AddFinding("HOST_NOT_LICENSED", "h1", {"ensure_host_key", "activate"})
      .mutable_treatments(0)
      ->set_if_possible(true);
  v1::Remediation plan = DraftOf("all");
  ASSERT_THAT(Machines(plan), ElementsAre("h1"));
  EXPECT_THAT(Actions(plan.targets(0)), ElementsAre("activate"));
  EXPECT_EQ(plan.untreatable_size(), 0);
  request_.add_treat("ensure_host_key");  // and nothing else
  plan = DraftOf("all");
  EXPECT_THAT(Machines(plan), IsEmpty());
  ASSERT_EQ(plan.untreatable_size(), 1);
  EXPECT_THAT(plan.untreatable(0).why_untreatable(), HasSubstr("keymedic host-keys set"));
  request_.clear_treat();
  stored = absl::OkStatus();
  EXPECT_THAT(Actions(DraftOf("all").targets(0)), ElementsAre("ensure_host_key", "activate"));
}

TEST_F(PlannerTest, UnderAnUntreatableCauseActivatingAloneIsPointless) {
  AddFinding("HOST_SERVICE_OUTDATED", "h1", {});
  AddFollower("CLIENT_HOST_UNREACHABLE", "c1", {"ensure_discovery", "activate"},
              "HOST_SERVICE_OUTDATED", "h1");
  AddFollower("CLIENT_HOST_UNREACHABLE", "c2", {"activate"}, "HOST_SERVICE_OUTDATED", "h1");
  EXPECT_THAT(Machines(DraftOf("all")), ElementsAre("c1"));
  const v1::Remediation plan = Checked("all", [](const v1::Command& command) {
    return Outcome(command.action() == "activate" ? v1::OUTCOME_WOULD_CHANGE
                                                  : v1::OUTCOME_NO_CHANGE);
  });
  EXPECT_THAT(Machines(plan), IsEmpty());
}

TEST_F(PlannerTest, AMachineThatIsAwayIsQueuedUncheckedBehindTheOthers) {
  for (int i = 3; i <= 6; ++i) AddMachine("c" + std::to_string(i), "kms_client", "ulm");
  for (int i = 1; i <= 6; ++i) {
    AddFinding("CLIENT_KEY_NOT_GVLK", "c" + std::to_string(i), {"ensure_client_key"});
  }
  view_.machines[1].connected = false;  // c1
  request_.mutable_policy()->set_first_wave(1);
  request_.mutable_policy()->set_growth(2);
  const v1::Remediation plan =
      Checked("all", [](const v1::Command&) { return Outcome(v1::OUTCOME_WOULD_CHANGE); });
  EXPECT_THAT(Machines(plan), ElementsAre("c2", "c3", "c4", "c5", "c6", "c1"));
  std::vector<uint32_t> waves;
  for (const v1::Target& target : plan.targets()) waves.push_back(target.wave());
  EXPECT_THAT(waves, ElementsAre(1, 2, 3, 3, 4, 4));
  EXPECT_EQ(TargetOn(plan, "c1").state(), v1::TARGET_STATE_QUEUED_OFFLINE);
  EXPECT_TRUE(TargetOn(plan, "c1").steps(0).unchecked());
}

TEST_F(PlannerTest, TheHashIsOverWhatWouldBeDoneAndNotOverTheRollout) {
  AddFinding("CLIENT_KEY_NOT_GVLK", "c1", {"ensure_client_key"});
  auto plan_with = [&](std::string digest) {
    return Checked("all",
                   [&](const v1::Command&) { return Outcome(v1::OUTCOME_WOULD_CHANGE, digest); });
  };
  const v1::Remediation one = plan_with("1");
  v1::Remediation other_waves = one;
  other_waves.mutable_targets(0)->set_wave(7);
  EXPECT_EQ(one.plan_hash().size(), 64u);
  EXPECT_EQ(PlanHash(other_waves), one.plan_hash());
  EXPECT_EQ(plan_with("1").plan_hash(), one.plan_hash());
  EXPECT_NE(plan_with("2").plan_hash(), one.plan_hash());
}

TEST_F(PlannerTest, AMachineThatDoesNotAnswerCheckStaysUnchecked) {
  AddFinding("CLIENT_KEY_NOT_GVLK", "c1", {"ensure_client_key"});
  absl::StatusOr<Draft> draft = TryDraft("all");
  ASSERT_TRUE(draft.ok());
  CheckRun run(*std::move(draft));
  EXPECT_EQ(run.Begin(kNow).size(), 1u);
  EXPECT_EQ(run.Connected("c1", kNow).size(), 1u);  // asked again
  run.Tick(run.NextDeadline());
  ASSERT_TRUE(run.done());
  const Draft done = std::move(run).Finish();
  EXPECT_TRUE(done.remediation.targets(0).steps(0).unchecked());
  EXPECT_THAT(done.remediation.targets(0).message(), HasSubstr("did not answer CHECK"));
}

}  // namespace
}  // namespace keymedic::controller
