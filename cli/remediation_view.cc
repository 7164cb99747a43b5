// SPDX-License-Identifier: Apache-2.0
#include "cli/remediation_view.h"

#include <unistd.h>

#include <algorithm>
#include <iostream>
#include <map>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "base/remediation_states.h"
#include "base/status_macros.h"
#include "cli/finding_view.h"
#include "cli/remediation_progress.h"
#include "cli/remediation_words.h"
#include "cli/terminal.h"

namespace keymedic::cli {
namespace {

constexpr int kNamesShown = 5;

std::string Actions(const v1::Target& target) {
  std::vector<std::string> actions;
  for (const v1::Step& step : target.steps()) actions.push_back(step.action());
  return absl::StrJoin(actions, ", ");
}

std::map<std::string, std::string> NamesById(const v1::Remediation& plan) {
  std::map<std::string, std::string> names;
  for (const v1::Target& target : plan.targets())
    names[target.machine_id()] = target.display_name();
  return names;
}

// Whom this one waits for: "kms-1".
std::string AfterText(const v1::Target& target, const std::map<std::string, std::string>& names) {
  std::vector<std::string> after;
  for (const std::string& id : target.after()) {
    const auto found = names.find(id);
    after.push_back(found == names.end() ? id : found->second);
  }
  return absl::StrJoin(after, ",");
}

void PrintTargets(const v1::Remediation& plan, std::ostream& out, bool color) {
  const std::map<std::string, std::string> names = NamesById(plan);
  TextTable table({"WAVE", "MACHINE", "AFTER", "STATE", "FOR", "WHAT CHANGES", "CANNOT BE UNDONE"});
  for (const v1::Target& target : plan.targets()) {
    table.Add({WaveName(target.wave()), target.display_name(), AfterText(target, names),
               StateName(target.state()), ForText(target),
               target.message().empty() ? ChangesText(target) : target.message(),
               ForGoodText(target)});
  }
  table.Print(out, color);
}

// Two hundred targets in a few lines: those of one wave with the same steps together.
void PrintFolded(const v1::Remediation& plan, std::ostream& out, bool color) {
  struct Fold {
    std::vector<std::string> machines;
    int away = 0;  // they wait for the machine to come back
  };
  std::map<std::pair<uint32_t, std::string>, Fold> folded;
  for (const v1::Target& target : plan.targets()) {
    Fold& fold = folded[{target.wave(), Actions(target)}];
    fold.machines.push_back(target.display_name());
    fold.away += target.state() == v1::TARGET_STATE_QUEUED_OFFLINE;
  }
  TextTable table({"WAVE", "MACHINES", "STEPS", "WHICH"});
  for (const auto& [key, fold] : folded) {
    const std::vector<std::string>& machines = fold.machines;
    const size_t shown = std::min<size_t>(machines.size(), 3);
    table.Add(
        {WaveName(key.first),
         absl::StrCat(machines.size(), fold.away > 0 ? absl::StrCat(", ", fold.away, " away") : ""),
         key.second,
         absl::StrCat(absl::StrJoin(machines.begin(),
                                    machines.begin() + static_cast<std::ptrdiff_t>(shown), ", "),
                      machines.size() > shown ? ", ..." : "")});
  }
  table.Print(out, color);
}

// "cannot be undone: activate on 40 machines"
void PrintForGood(const v1::Remediation& plan, std::ostream& out) {
  std::map<std::string, int> machines;
  for (const v1::Target& target : plan.targets()) {
    for (const v1::Step& step : target.steps()) {
      if (step.inverse().action().empty()) ++machines[step.action()];
    }
  }
  std::vector<std::string> parts;
  for (const auto& [action, count] : machines)
    parts.push_back(absl::StrCat(action, " on ", count, count == 1 ? " machine" : " machines"));
  if (!parts.empty()) out << "cannot be undone: " << absl::StrJoin(parts, ", ") << '\n';
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
    if (!plan.id().empty()) PrintForGood(plan, out);
  }
  for (const v1::Finding& finding : plan.untreatable()) {
    out << Paint("not treated", Style::kYellow, color) << "  " << finding.code() << " "
        << finding.subject() << ": " << finding.why_untreatable() << '\n';
  }
  if (!plan.plan_hash().empty()) out << "plan hash " << plan.plan_hash() << '\n';
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

absl::StatusOr<v1::ListRemediationsResponse> ListRemediations(const Session& session) {
  return CallForAll(session, session.remediation, &v1::RemediationService::Stub::ListRemediations,
                    v1::ListRemediationsRequest());
}

absl::StatusOr<v1::Remediation> WatchToTheEnd(const Session& session, const std::string& name,
                                              int patience_seconds) {
  v1::GetRemediationRequest request;
  request.set_name(name);
  ProgressLine shown(std::cerr, isatty(STDERR_FILENO) != 0);
  const bool color = WantsColor(STDERR_FILENO);
  RemediationProgressView view;
  absl::Time last_word = absl::Now();
  while (true) {
    grpc::ClientContext context;
    auto stream = session.remediation->WatchRemediation(&context, request);
    v1::RemediationProgress progress;
    while (stream->Read(&progress)) {
      last_word = absl::Now();
      view.Add(progress, last_word);
      shown.Update(shown.rewrites() ? view.Block(color) : view.Line());
      // The controller goes on with the stream, as others may wait for the end.
      if (progress.state() == v1::REMEDIATION_STATE_PAUSED) context.TryCancel();
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
    if (!error.ok()) shown.Update("the controller does not answer; waiting for it");
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
  }
}

}  // namespace keymedic::cli
