// SPDX-License-Identifier: Apache-2.0
#include "bench/rollout.h"

#include <algorithm>
#include <iostream>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/substitute.h"
#include "absl/time/clock.h"
#include "base/files.h"
#include "base/status_macros.h"
#include "bench/figure.h"
#include "bench/office.h"
#include "bench/stage.h"

namespace keymedic::bench {
namespace {

constexpr char kFinding[] = "CLIENT_CACHING_OFF";
// Of all clients, which are `$0`, with the prefix `$1`.
constexpr char kFaults[] =
    "faults { fault: 'client_caching_off' machines: '$1-*' count: $0 since_days: 10 }\n";
// Each agent has four files open, and a process not always more than 20,000.
constexpr size_t kAgentsOfLab = 2500;
// A machine answers its CHECK; then it answers its APPLY, and sends what it looks like afterwards.
// Acknowledgements of results, which the floor has not, are not counted.
constexpr double kExchangesOfPlan = 1, kExchangesOfRun = 2;
constexpr int kCallSeconds = 900;
constexpr absl::Duration kFleetPatience = absl::Minutes(10);

// Seconds of the bare server for one exchange on each of `agents` streams, all at once.
absl::StatusOr<double> FloorOfOneExchange(const std::string& build, size_t agents) {
  Stage stage(build);
  KM_RETURN_IF_ERROR(stage.Start(agents));
  KM_ASSIGN_OR_RETURN(auto streams, Streams::Open(stage.echo_address, stage.credentials));
  KM_ASSIGN_OR_RETURN(const double rate, streams->Push(1, absl::Seconds(10)));
  return static_cast<double>(agents) / rate;
}

using Labs = std::vector<std::unique_ptr<cli::Child>>;

// An estate of its own for each, with so many agents in all.
absl::StatusOr<Labs> LaunchLabs(const Stage& stage, size_t agents) {
  const std::string token_file = stage.directory + "/token";
  KM_ASSIGN_OR_RETURN(const std::string token, stage.Token(agents));
  KM_RETURN_IF_ERROR(WriteFileAtomically(token_file, token));
  Labs labs;
  for (size_t begun = 0; begun < agents; begun += kAgentsOfLab) {
    const size_t count = std::min(kAgentsOfLab, agents - begun);
    const std::string prefix = absl::StrCat("pc", labs.size());
    const std::string estate = absl::StrCat(stage.directory, "/", prefix, ".textproto");
    KM_RETURN_IF_ERROR(WriteFileAtomically(
        estate,
        absl::StrCat(OfficeEstate(count, prefix), absl::Substitute(kFaults, count, prefix))));
    labs.push_back(
        stage.Launch({stage.bin() + "keymedic", "lab", "serve", estate, "--controller",
                      stage.controller_address, "--token-file", token_file, "--state-dir",
                      stage.directory + "/agents", "--machines", prefix + "-*"}));
  }
  return labs;
}

absl::Status WaitForFleet(const cli::Session& session, const Labs& labs, size_t agents) {
  const absl::Time deadline = absl::Now() + kFleetPatience;
  uint32_t reported = 0;
  while (reported < agents) {
    if (absl::Now() > deadline)
      return absl::DeadlineExceededError(
          absl::StrCat(reported, " of ", agents, " agents have reported in time"));
    for (const auto& lab : labs) {
      if (const std::string ended = lab->Ended(); !ended.empty())
        return absl::InternalError(absl::StrCat("a lab has ended: ", ended));
    }
    absl::SleepFor(absl::Seconds(1));
    KM_ASSIGN_OR_RETURN(const v1::Summary summary,
                        cli::Call(session, session.fleet, &v1::FleetService::Stub::GetSummary,
                                  v1::GetSummaryRequest()));
    reported = summary.reported();
  }
  return absl::OkStatus();
}

absl::StatusOr<v1::Remediation> Plan(const cli::Session& session, size_t agents) {
  v1::PlanRemediationRequest request;
  request.set_selector(absl::StrCat("finding=", kFinding));
  v1::RolloutPolicy& policy = *request.mutable_policy();
  policy.set_first_wave(static_cast<uint32_t>(agents));
  policy.set_concurrency(static_cast<uint32_t>(agents));
  policy.mutable_error_budget()->set_percent(100);
  KM_ASSIGN_OR_RETURN(
      v1::Remediation plan,
      cli::Call(session, session.remediation, &v1::RemediationService::Stub::PlanRemediation,
                request, kCallSeconds));
  if (static_cast<size_t>(plan.targets_size()) == agents) return plan;
  return absl::InternalError(absl::StrCat("the plan has ", plan.targets_size(), " targets"));
}

absl::Status StartAndWatch(const cli::Session& session, const v1::Remediation& plan) {
  v1::StartRemediationRequest start;
  start.set_name(plan.name());
  start.set_plan_hash(plan.plan_hash());
  KM_RETURN_IF_ERROR(cli::Call(session, session.remediation,
                               &v1::RemediationService::Stub::StartRemediation, start)
                         .status());
  v1::GetRemediationRequest watch;
  watch.set_name(plan.name());
  grpc::ClientContext context;
  auto stream = session.remediation->WatchRemediation(&context, watch);
  v1::RemediationProgress progress, last;
  while (stream->Read(&progress)) last = progress;
  const grpc::Status status = stream->Finish();
  if (!status.ok()) return session.Explain(status);
  if (last.totals().count("succeeded") > 0 && last.totals().at("succeeded") == last.targets())
    return absl::OkStatus();
  return absl::InternalError(absl::StrCat("not every machine was cured: ", last.reason()));
}

}  // namespace

absl::Status BenchRollout(const std::string& build, size_t agents) {
  KM_ASSIGN_OR_RETURN(const double floor, FloorOfOneExchange(build, agents));
  Stage stage(build);
  KM_RETURN_IF_ERROR(stage.Start(0));
  KM_ASSIGN_OR_RETURN(const Labs labs, LaunchLabs(stage, agents));
  KM_ASSIGN_OR_RETURN(const auto session, stage.Admin());
  if (const absl::Status ready = WaitForFleet(*session, labs, agents); !ready.ok()) {
    std::cerr << stage.Log();
    return ready;
  }
  const absl::Time begun = absl::Now();
  KM_ASSIGN_OR_RETURN(const v1::Remediation plan, Plan(*session, agents));
  const absl::Time planned = absl::Now();
  KM_RETURN_IF_ERROR(StartAndWatch(*session, plan));
  const absl::Time done = absl::Now();
  PrintFigure("rollout_plan", absl::ToDoubleSeconds(planned - begun), "s", floor * kExchangesOfPlan,
              agents);
  PrintFigure("rollout_run", absl::ToDoubleSeconds(done - planned), "s", floor * kExchangesOfRun,
              agents);
  return absl::OkStatus();
}

}  // namespace keymedic::bench
