// SPDX-License-Identifier: Apache-2.0
#include "cli/remediation_view.h"

#include <algorithm>
#include <map>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "cli/finding_view.h"

namespace keymedic::cli {
namespace {

constexpr int kNamesShown = 5;

uint32_t Total(const google::protobuf::Map<std::string, uint32_t>& totals,
               std::initializer_list<v1::TargetState> states) {
  uint32_t sum = 0;
  for (const v1::TargetState state : states) {
    const auto it = totals.find(StateName(state));
    if (it != totals.end()) sum += it->second;
  }
  return sum;
}

std::string Actions(const v1::Target& target) {
  std::vector<std::string> actions;
  for (const v1::Step& step : target.steps()) actions.push_back(step.action());
  return absl::StrJoin(actions, ", ");
}

void PrintTargets(const v1::Remediation& plan, std::ostream& out, bool color) {
  TextTable table({"WAVE", "MACHINE", "STATE", "FOR", "WHAT CHANGES"});
  for (const v1::Target& target : plan.targets()) {
    table.Add({WaveName(target.wave()), target.display_name(), StateName(target.state()),
               absl::StrJoin(target.finding_codes(), ","),
               target.message().empty() ? ChangesText(target) : target.message()});
  }
  table.Print(out, color);
}

// Two hundred targets in a few lines: those of one wave with the same steps together.
void PrintFolded(const v1::Remediation& plan, std::ostream& out, bool color) {
  std::map<std::pair<uint32_t, std::string>, std::vector<std::string>> folded;
  for (const v1::Target& target : plan.targets())
    folded[{target.wave(), Actions(target)}].push_back(target.display_name());
  TextTable table({"WAVE", "MACHINES", "STEPS", "WHICH"});
  for (const auto& [key, machines] : folded) {
    const size_t shown = std::min<size_t>(machines.size(), 3);
    table.Add(
        {WaveName(key.first), absl::StrCat(machines.size()), key.second,
         absl::StrCat(absl::StrJoin(machines.begin(),
                                    machines.begin() + static_cast<std::ptrdiff_t>(shown), ", "),
                      machines.size() > shown ? ", ..." : "")});
  }
  table.Print(out, color);
}

void PrintSinceLast(const v1::Remediation& plan, std::ostream& out) {
  if (!plan.has_since_last()) return;
  const v1::SelectionChange& change = plan.since_last();
  out << "since " << absl::StripPrefix(change.last(), "remediations/") << ": ";
  if (change.added().empty() && change.removed().empty()) {
    out << "the same machines\n";
    return;
  }
  out << "+" << change.added_size() << " -" << change.removed_size();
  for (const auto& [sign, names] : {std::pair("+", &change.added()), {"-", &change.removed()}}) {
    for (int i = 0; i < std::min(names->size(), kNamesShown); ++i)
      out << " " << sign << names->Get(i);
    if (names->size() > kNamesShown) out << " ...";
  }
  out << '\n';
}

}  // namespace

int ExitCodeOf(v1::RemediationState state) {
  switch (state) {
    case v1::REMEDIATION_STATE_SUCCEEDED:
      return kOk;
    case v1::REMEDIATION_STATE_STOPPED_BY_BUDGET:
      return kStoppedByBudget;
    case v1::REMEDIATION_STATE_FAILED:
    case v1::REMEDIATION_STATE_ABORTED:
      return kPartial;
    default:
      return kError;
  }
}

void PrintPlan(const v1::Remediation& plan, std::ostream& out, bool color, bool details) {
  const std::string title = plan.id().empty() ? "Preview" : absl::StrCat("Plan ", plan.id());
  out << Paint(title, Style::kBold, color) << ": " << plan.targets_size() << " machines, for '"
      << plan.selector() << "'\n";
  PrintSinceLast(plan, out);
  if (plan.targets_size() > 0) {
    if (details) {
      PrintTargets(plan, out, color);
    } else {
      PrintFolded(plan, out, color);
    }
  }
  for (const v1::Finding& finding : plan.untreatable()) {
    out << Paint("not treated", Style::kYellow, color) << "  " << finding.code() << " "
        << finding.subject() << ": " << finding.why_untreatable() << '\n';
  }
  if (!plan.plan_hash().empty()) out << "plan hash " << plan.plan_hash() << '\n';
}

std::string ProgressText(const v1::RemediationProgress& progress) {
  const uint32_t ended =
      Total(progress.totals(),
            {v1::TARGET_STATE_SUCCEEDED, v1::TARGET_STATE_NO_CHANGE, v1::TARGET_STATE_FAILED,
             v1::TARGET_STATE_ROLLED_BACK, v1::TARGET_STATE_UNKNOWN, v1::TARGET_STATE_CANCELLED,
             v1::TARGET_STATE_RAN_DESPITE_CANCEL, v1::TARGET_STATE_SKIPPED});
  const uint32_t flying = Total(progress.totals(), {v1::TARGET_STATE_SENT, v1::TARGET_STATE_RUNNING,
                                                    v1::TARGET_STATE_VERIFYING});
  const uint32_t failed =
      Total(progress.totals(),
            {v1::TARGET_STATE_FAILED, v1::TARGET_STATE_ROLLED_BACK, v1::TARGET_STATE_UNKNOWN});
  return absl::StrCat(WaveName(progress.wave()), " (", progress.wave() + 1, " of ",
                      progress.waves(), ")  ", Bar(ended, progress.targets()), "  in flight ",
                      flying, "  failed ", failed, "  budget ", progress.budget_used(), "/",
                      progress.budget(),
                      progress.state() == v1::REMEDIATION_STATE_RUNNING
                          ? ""
                          : absl::StrCat("  ", StateName(progress.state())));
}

void PrintOutcome(const v1::Remediation& remediation, std::ostream& out, bool color) {
  std::vector<std::string> totals;
  for (const auto& [state, count] :
       std::map<std::string, uint32_t>(remediation.totals().begin(), remediation.totals().end())) {
    if (count > 0) totals.push_back(absl::StrCat(count, " ", state));
  }
  const bool good = remediation.state() == v1::REMEDIATION_STATE_SUCCEEDED;
  out << Paint(absl::StrCat("Remediation ", remediation.id(), " ", StateName(remediation.state())),
               good ? Style::kGreen : Style::kRed, color)
      << ": " << absl::StrJoin(totals, ", ")
      << (remediation.reason().empty() ? "" : absl::StrCat("; ", remediation.reason())) << '\n';
  for (const v1::Target& target : remediation.targets()) {
    if (target.state() == v1::TARGET_STATE_SUCCEEDED ||
        target.state() == v1::TARGET_STATE_NO_CHANGE || target.message().empty())
      continue;
    out << "  " << target.display_name() << " " << StateName(target.state()) << ": "
        << target.message() << '\n';
  }
}

absl::StatusOr<v1::Remediation> WatchToTheEnd(const Session& session, const std::string& name,
                                              ProgressLine& line, int patience_seconds) {
  v1::GetRemediationRequest request;
  request.set_name(name);
  absl::Time last_word = absl::Now();
  while (true) {
    grpc::ClientContext context;
    auto stream = session.remediation->WatchRemediation(&context, request);
    v1::RemediationProgress progress;
    while (stream->Read(&progress)) {
      last_word = absl::Now();
      line.Update(ProgressText(progress));
    }
    const grpc::Status status = stream->Finish();
    auto now = Call(session, session.remediation, &v1::RemediationService::Stub::GetRemediation,
                    request, 10);
    if (now.ok() && (IsEnd(now->state()) || now->state() == v1::REMEDIATION_STATE_PAUSED))
      return now;
    const absl::Status error = now.ok() ? absl::OkStatus() : now.status();
    if (!error.ok() && !absl::IsUnavailable(error) && !absl::IsDeadlineExceeded(error))
      return error;
    if (absl::Now() - last_word > absl::Seconds(patience_seconds)) {
      return error.ok()
                 ? session.Explain(
                       status.ok() ? grpc::Status(grpc::StatusCode::DEADLINE_EXCEEDED, "") : status)
                 : error;
    }
    if (!error.ok()) line.Update("the controller does not answer; waiting for it");
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
  }
}

}  // namespace keymedic::cli
