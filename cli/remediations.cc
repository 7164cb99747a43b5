// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <iostream>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/random.h"
#include "base/status_macros.h"
#include "cli/commands.h"
#include "cli/remediation_view.h"

namespace keymedic::cli {
namespace {

constexpr int kPatienceSeconds = 600;

struct PlanOptions {
  std::string selector;
  uint32_t expect_count = 0;
  std::vector<std::string> treat;
  std::vector<std::string> approve;
  uint32_t canary = 0, first_wave = 0, concurrency = 0;
  double growth = 0;
  std::string budget;
  bool details = false;
};

std::string ResourceName(const std::string& id) {
  return absl::StartsWith(id, "remediations/") ? id : absl::StrCat("remediations/", id);
}

absl::Status SetBudget(const std::string& text, v1::RolloutPolicy& policy) {
  absl::string_view number = text;
  uint32_t absolute = 0;
  double percent = 0;
  if (text.empty()) return absl::OkStatus();
  if (absl::ConsumeSuffix(&number, "%") && absl::SimpleAtod(number, &percent) && percent >= 0 &&
      percent <= 100) {
    policy.mutable_error_budget()->set_percent(percent);
  } else if (absl::SimpleAtoi(text, &absolute)) {
    policy.mutable_error_budget()->set_absolute(absolute);
  } else {
    return absl::InvalidArgumentError(absl::StrCat(
        "--budget is '", text, "': give a number of machines (3) or a percentage (5%)"));
  }
  return absl::OkStatus();
}

int Plan(const Globals& globals, const PlanOptions& options) {
  v1::PlanRemediationRequest request;
  request.set_selector(options.selector);
  request.set_expect_count(options.expect_count);
  request.mutable_treat()->Add(options.treat.begin(), options.treat.end());
  request.mutable_approve()->Add(options.approve.begin(), options.approve.end());
  v1::RolloutPolicy& policy = *request.mutable_policy();
  policy.set_canary(options.canary);
  policy.set_first_wave(options.first_wave);
  policy.set_growth(options.growth);
  policy.set_concurrency(options.concurrency);
  if (const absl::Status status = SetBudget(options.budget, policy); !status.ok())
    return Fail(status, kUsage);
  SystemRandom random;
  request.set_request_id(random.Uuid());
  auto session = OpenSession(globals);
  if (!session.ok()) return Fail(session.status());
  auto plan = Call(**session, (*session)->remediation,
                   &v1::RemediationService::Stub::PlanRemediation, request, 300);
  if (!plan.ok()) return Fail(plan.status());
  if (globals.json()) {
    PrintJson(*plan);
    return kOk;
  }
  PrintPlan(*plan, std::cout, globals.color(), options.details);
  if (plan->targets_size() > 0) {
    std::cout << "start it with: keymedic remediations start " << plan->id() << " --plan-hash "
              << plan->plan_hash() << " --watch\n";
  }
  return kOk;
}

// Without --plan-hash a person at a terminal confirms what is shown, by typing the number of
// machines.
absl::StatusOr<std::string> ConfirmedHash(const Session& session, const std::string& name,
                                          bool color) {
  if (isatty(STDIN_FILENO) == 0) {
    return absl::InvalidArgumentError(
        "--plan-hash is needed: it says which plan you have seen (`keymedic remediations show` "
        "prints it)");
  }
  v1::GetRemediationRequest request;
  request.set_name(name);
  KM_ASSIGN_OR_RETURN(
      const v1::Remediation plan,
      Call(session, session.remediation, &v1::RemediationService::Stub::GetRemediation, request));
  PrintPlan(plan, std::cout, color, false);
  std::cout << "This changes " << plan.targets_size()
            << " machines. Type that number to start: " << std::flush;
  std::string answer;
  std::getline(std::cin, answer);
  if (answer != absl::StrCat(plan.targets_size())) return absl::CancelledError("not started");
  return plan.plan_hash();
}

int Watch(const Globals& globals, const Session& session, const std::string& name) {
  ProgressLine line(std::cerr, isatty(STDERR_FILENO) != 0);
  auto ended = WatchToTheEnd(session, name, line, kPatienceSeconds);
  line.Finish();
  if (!ended.ok()) return Fail(ended.status());
  if (globals.json()) {
    PrintJson(*ended);
  } else {
    PrintOutcome(*ended, std::cout, globals.color());
  }
  return ExitCodeOf(ended->state());
}

int Start(const Globals& globals, const std::string& id, const std::string& hash, bool watch) {
  auto session = OpenSession(globals);
  if (!session.ok()) return Fail(session.status());
  v1::StartRemediationRequest request;
  request.set_name(ResourceName(id));
  request.set_plan_hash(hash);
  if (hash.empty()) {
    auto confirmed = ConfirmedHash(**session, request.name(), globals.color());
    if (!confirmed.ok())
      return Fail(confirmed.status(),
                  absl::IsInvalidArgument(confirmed.status()) ? kUsage : kError);
    request.set_plan_hash(*confirmed);
  }
  auto started = Call(**session, (*session)->remediation,
                      &v1::RemediationService::Stub::StartRemediation, request);
  if (!started.ok()) return Fail(started.status());
  if (watch) return Watch(globals, **session, request.name());
  if (globals.json()) {
    PrintJson(*started);
  } else {
    std::cout << "started; follow it with: keymedic remediations watch " << started->id() << '\n';
  }
  return kOk;
}

int Show(const Globals& globals, const std::string& id) {
  auto session = OpenSession(globals);
  if (!session.ok()) return Fail(session.status());
  v1::GetRemediationRequest request;
  request.set_name(ResourceName(id));
  auto found = Call(**session, (*session)->remediation,
                    &v1::RemediationService::Stub::GetRemediation, request);
  if (!found.ok()) return Fail(found.status());
  if (globals.json()) {
    PrintJson(*found);
    return kOk;
  }
  PrintPlan(*found, std::cout, globals.color(), true);
  PrintOutcome(*found, std::cout, globals.color());
  return kOk;
}

int List(const Globals& globals) {
  auto session = OpenSession(globals);
  if (!session.ok()) return Fail(session.status());
  auto found = Call(**session, (*session)->remediation,
                    &v1::RemediationService::Stub::ListRemediations, v1::ListRemediationsRequest());
  if (!found.ok()) return Fail(found.status());
  if (globals.json()) {
    PrintJson(*found);
    return kOk;
  }
  TextTable table({"ID", "STATE", "PLANNED", "BY", "SELECTOR"});
  for (const v1::Remediation& remediation : found->remediations()) {
    table.Add({remediation.id(), StateName(remediation.state()),
               Ago(remediation.planned_at(), remediation.has_planned_at()),
               remediation.planned_by(), remediation.selector()});
  }
  table.Print(std::cout, globals.color());
  return kOk;
}

using ControlMethod = grpc::Status (v1::RemediationService::Stub::*)(
    grpc::ClientContext*, const v1::ControlRemediationRequest&, v1::Remediation*);

int Control(const Globals& globals, const std::string& id, const std::string& reason,
            ControlMethod method) {
  auto session = OpenSession(globals);
  if (!session.ok()) return Fail(session.status());
  v1::ControlRemediationRequest request;
  request.set_name(ResourceName(id));
  request.set_reason(reason);
  auto answer = Call(**session, (*session)->remediation, method, request);
  if (!answer.ok()) return Fail(answer.status());
  if (globals.json()) {
    PrintJson(*answer);
  } else {
    std::cout << answer->id() << " " << StateName(answer->state()) << '\n';
  }
  return kOk;
}

void AddPlan(CLI::App& noun, Globals& globals, int& exit_code) {
  CLI::App* plan = noun.add_subcommand(
      "plan", "what would be done: asks every target what would change, changes nothing");
  plan->fallthrough();
  auto o = std::make_shared<PlanOptions>();
  plan->add_option("--select", o->selector,
                   "which findings or machines: a selector; `all` says all")
      ->required();
  plan->add_option("--expect-count", o->expect_count,
                   "refuse if more machines than this would be touched");
  plan->add_option("--treat", o->treat, "only these actions")->delimiter(',');
  plan->add_option("--approve", o->approve,
                   "actions that need your explicit word (reset_machine_id)")
      ->delimiter(',');
  plan->add_option("--canary", o->canary, "machines in the canary");
  plan->add_option("--first-wave", o->first_wave, "machines in the first wave after it");
  plan->add_option("--growth", o->growth, "of each wave over the one before");
  plan->add_option("--concurrency", o->concurrency, "machines at the same time");
  plan->add_option("--budget", o->budget, "how many may fail: machines (3) or percent of all (5%)");
  plan->add_flag("--details", o->details, "each machine with what would change");
  plan->callback([&globals, &exit_code, o] { exit_code = Plan(globals, *o); });
}

}  // namespace

void AddRemediations(CLI::App& app, Globals& globals, int& exit_code) {
  CLI::App* noun = app.add_subcommand(
      "remediations",
      "Examples:\n  keymedic remediations plan --select 'finding=CLIENT_KEY_NOT_GVLK and "
      "site=berlin' --expect-count 40\n  keymedic remediations start r-1 "
      "--plan-hash HASH --watch\n  keymedic remediations pause r-1\n\nPlan, start and follow "
      "repairs: canary, growing waves, a hard error budget, verification.");
  noun->require_subcommand(1);
  noun->fallthrough();
  AddPlan(*noun, globals, exit_code);

  auto id = std::make_shared<std::string>();
  auto hash = std::make_shared<std::string>();
  auto reason = std::make_shared<std::string>();
  auto watch = std::make_shared<bool>(false);
  auto with_id = [&](const char* name, const char* text) {
    CLI::App* verb = noun->add_subcommand(name, text);
    verb->fallthrough();
    verb->add_option("ID", *id, "as `keymedic remediations list` shows it")->required();
    return verb;
  };
  CLI::App* start = with_id("start", "carry out a plan: exactly the one whose hash you give");
  start->add_option("--plan-hash", *hash, "of the plan you have seen");
  start->add_flag("--watch", *watch, "follow it to its end");
  start->callback(
      [&globals, &exit_code, id, hash, watch] { exit_code = Start(globals, *id, *hash, *watch); });
  with_id("watch", "follow a running one to its end")->callback([&globals, &exit_code, id] {
    auto session = OpenSession(globals);
    exit_code =
        session.ok() ? Watch(globals, **session, ResourceName(*id)) : Fail(session.status());
  });
  with_id("show", "one with all its targets")->callback([&globals, &exit_code, id] {
    exit_code = Show(globals, *id);
  });
  CLI::App* list = noun->add_subcommand("list", "all of them, newest first");
  list->fallthrough();
  list->callback([&globals, &exit_code] { exit_code = List(globals); });

  const struct {
    const char* name;
    const char* text;
    ControlMethod method;
  } controls[] = {
      {"pause", "start no more targets; what runs goes on",
       &v1::RemediationService::Stub::PauseRemediation},
      {"resume", "go on after a pause", &v1::RemediationService::Stub::ResumeRemediation},
      {"abort", "end it: what has not begun is cancelled",
       &v1::RemediationService::Stub::AbortRemediation}};
  for (const auto& control : controls) {
    CLI::App* verb = with_id(control.name, control.text);
    verb->add_option("--reason", *reason, "for the audit log");
    verb->callback([&globals, &exit_code, id, reason, method = control.method] {
      exit_code = Control(globals, *id, *reason, method);
    });
  }
}

}  // namespace keymedic::cli
