// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <iostream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/random.h"
#include "base/remediation_states.h"
#include "base/status_macros.h"
#include "cli/commands.h"
#include "cli/remediation_report.h"
#include "cli/remediation_view.h"
#include "cli/rollout_options.h"
#include "cli/terminal.h"

namespace keymedic::cli {
namespace {

constexpr int kPatienceSeconds = 600;
constexpr int kPlanSeconds = 300;

struct PlanOptions {
  std::string selector;
  uint32_t expect_count = 0;
  std::vector<std::string> treat;
  std::vector<std::string> approve;
  RolloutOptions rollout;
  bool again = false;
  bool details = false;
  bool preview = false;
};

std::string ResourceName(const std::string& id) {
  return absl::StartsWith(id, "remediations/") ? id : absl::StrCat("remediations/", id);
}

void ShowPlan(const v1::Remediation& plan, const Globals& globals, bool details) {
  if (globals.json()) return PrintJson(plan);
  PrintPlan(plan, std::cout, globals.color(), details);
  if (plan.targets_size() > 0 && !plan.id().empty()) {
    std::cout << "start it with: keymedic remediations start " << plan.id() << " --plan-hash "
              << plan.plan_hash() << " --watch\n";
  }
}

int Plan(const Globals& globals, const PlanOptions& options) {
  v1::PlanRemediationRequest request;
  request.set_selector(options.selector);
  request.set_expect_count(options.expect_count);
  request.mutable_treat()->Add(options.treat.begin(), options.treat.end());
  request.mutable_approve()->Add(options.approve.begin(), options.approve.end());
  request.set_again(options.again);
  request.set_validate_only(options.preview);
  auto policy = options.rollout.ToPolicy();
  if (!policy.ok()) return Fail(policy.status(), kUsage);
  *request.mutable_policy() = *std::move(policy);
  SystemRandom random;
  request.set_request_id(random.Uuid());
  auto session = OpenSession(globals);
  if (!session.ok()) return Fail(session.status());
  auto plan = Call(**session, (*session)->remediation,
                   &v1::RemediationService::Stub::PlanRemediation, request, kPlanSeconds);
  if (!plan.ok()) return Fail(plan.status());
  ShowPlan(*plan, globals, options.details);
  return kOk;
}

int Retry(const Globals& globals, const std::string& id, bool failed_only) {
  SystemRandom random;
  v1::RetryRemediationRequest request;
  request.set_name(ResourceName(id));
  request.set_failed_only(failed_only);
  request.set_request_id(random.Uuid());
  auto session = OpenSession(globals);
  if (!session.ok()) return Fail(session.status());
  auto plan = Call(**session, (*session)->remediation,
                   &v1::RemediationService::Stub::RetryRemediation, request, kPlanSeconds);
  if (!plan.ok()) return Fail(plan.status());
  ShowPlan(*plan, globals, /*details=*/false);
  return kOk;
}

int Approve(const Globals& globals, const std::string& id, const std::string& hash) {
  auto session = OpenSession(globals);
  if (!session.ok()) return Fail(session.status());
  v1::ApproveRemediationRequest request;
  request.set_name(ResourceName(id));
  request.set_plan_hash(hash);
  auto approved = Call(**session, (*session)->remediation,
                       &v1::RemediationService::Stub::ApproveRemediation, request);
  if (!approved.ok()) return Fail(approved.status());
  if (globals.json()) {
    PrintJson(*approved);
  } else {
    std::cout << approved->id() << " approved by " << approved->approved_by() << '\n';
  }
  return kOk;
}

int Report(const Globals& globals, const std::string& id, const std::string& format) {
  auto session = OpenSession(globals);
  if (!session.ok()) return Fail(session.status());
  v1::GetRemediationRequest request;
  request.set_name(ResourceName(id));
  auto found = Call(**session, (*session)->remediation,
                    &v1::RemediationService::Stub::GetRemediation, request);
  if (!found.ok()) return Fail(found.status());
  if (format == "json" || (format.empty() && globals.json())) {
    PrintJson(*found);
  } else {
    std::cout << MarkdownReport(*found);
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
  auto ended = WatchToTheEnd(session, name, kPatienceSeconds);
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
  auto found = ListRemediations(**session);
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
            ControlMethod method, const std::string& machine = "") {
  auto session = OpenSession(globals);
  if (!session.ok()) return Fail(session.status());
  v1::ControlRemediationRequest request;
  request.set_name(ResourceName(id));
  request.set_reason(reason);
  request.set_machine(machine);
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
  const auto add = [&](const char* name, const char* text, bool preview) {
    CLI::App* verb = noun.add_subcommand(name, text);
    verb->fallthrough();
    auto o = std::make_shared<PlanOptions>();
    o->preview = preview;
    verb->add_option("--select", o->selector,
                     "which findings or machines: a selector; `all` says all")
        ->required();
    verb->add_option("--expect-count", o->expect_count,
                     "refuse if more machines than this would be touched");
    verb->add_option("--treat", o->treat, "only these actions")->delimiter(',');
    verb->add_option("--approve", o->approve,
                     "actions that need your explicit word (reset_machine_id)")
        ->delimiter(',');
    verb->add_flag("--again", o->again,
                   "also what was tried on the same machine before and failed");
    o->rollout.AddTo(*verb);
    verb->add_flag("--details", o->details,
                   preview ? "each machine" : "each machine with what would change");
    verb->callback([&globals, &exit_code, o] { exit_code = Plan(globals, *o); });
  };
  add("plan", "what would be done: asks every target what would change, changes nothing", false);
  add("preview", "which machines a selector names, and how that differs from its last plan", true);
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

  auto machine = std::make_shared<std::string>();
  CLI::App* skip = with_id("skip", "leave out one machine of which nothing was sent");
  skip->add_option("MACHINE", *machine, "name or id")->required();
  skip->add_option("--reason", *reason, "for the audit log");
  skip->callback([&globals, &exit_code, id, reason, machine] {
    exit_code = Control(globals, *id, *reason, &v1::RemediationService::Stub::SkipTarget, *machine);
  });
  CLI::App* approve = with_id("approve", "vouch for a plan: exactly the one whose hash you give");
  approve->add_option("--plan-hash", *hash, "of the plan you have seen")->required();
  approve->callback([&globals, &exit_code, id, hash] { exit_code = Approve(globals, *id, *hash); });
  auto failed_only = std::make_shared<bool>(false);
  CLI::App* retry = with_id("retry", "a new plan for what an ended one has left");
  retry->add_flag("--failed", *failed_only, "only what failed, not what was skipped or cancelled");
  retry->callback(
      [&globals, &exit_code, id, failed_only] { exit_code = Retry(globals, *id, *failed_only); });
  auto format = std::make_shared<std::string>();
  CLI::App* report = with_id("report", "for the change ticket: Markdown, or JSON");
  report->add_option("-o,--output", *format, "markdown or json")
      ->check(CLI::IsMember({"markdown", "json"}));
  report->callback(
      [&globals, &exit_code, id, format] { exit_code = Report(globals, *id, *format); });

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
