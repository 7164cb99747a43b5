// SPDX-License-Identifier: Apache-2.0
#include "cli/remediation_report.h"

#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/time/time.h"
#include "base/remediation_states.h"
#include "cli/remediation_words.h"
#include "cli/rollout_options.h"

namespace keymedic::cli {
namespace {

// One cell: what would end it or the table is taken out.
std::string Cell(absl::string_view text) {
  return absl::StrReplaceAll(text, {{"|", "\\|"}, {"\r", ""}, {"\n", " "}});
}

void AddRow(std::string& out, const std::vector<std::string>& cells) {
  std::vector<std::string> safe;
  for (const std::string& cell : cells) safe.push_back(Cell(cell));
  absl::StrAppend(&out, "| ", absl::StrJoin(safe, " | "), " |\n");
}

std::string When(const google::protobuf::Timestamp& time, bool known) {
  if (!known) return "-";
  return absl::FormatTime("%Y-%m-%d %H:%M UTC", absl::FromUnixSeconds(time.seconds()),
                          absl::UTCTimeZone());
}

std::string BudgetText(const v1::ErrorBudget& budget) {
  return budget.has_absolute() ? absl::StrCat(budget.absolute(), " machines")
                               : absl::StrCat(budget.percent(), "% of all");
}

std::string RolloutText(const v1::RolloutPolicy& policy) {
  std::string text =
      absl::StrCat("canary ", policy.canary(), ", then ", policy.first_wave(), " growing by ",
                   policy.growth(), "; at most ", policy.concurrency(), " at a time");
  if (policy.host_concurrency() > 0) {
    absl::StrAppend(&text, ", ", policy.host_concurrency(), " per KMS host");
  }
  if (policy.site_concurrency() > 0) {
    absl::StrAppend(&text, ", ", policy.site_concurrency(), " per site");
  }
  if (policy.soak().seconds() > 0) {
    absl::StrAppend(&text, "; soak ", absl::FormatDuration(absl::Seconds(policy.soak().seconds())));
  }
  for (const v1::MaintenanceWindow& window : policy.windows()) {
    absl::StrAppend(&text, "; window ", WindowText(window));
  }
  return text;
}

void AddFacts(const v1::Remediation& r, std::string& out) {
  AddRow(out, {"", ""});
  out += "|---|---|\n";
  AddRow(out, {"selector", absl::StrCat("`", r.selector(), "`")});
  if (!r.treat().empty()) AddRow(out, {"only", absl::StrJoin(r.treat(), ", ")});
  if (!r.approve().empty()) AddRow(out, {"approved actions", absl::StrJoin(r.approve(), ", ")});
  AddRow(out,
         {"planned", absl::StrCat(When(r.planned_at(), r.has_planned_at()), ", ", r.planned_by())});
  if (!r.approved_by().empty()) {
    AddRow(out, {"approved",
                 absl::StrCat(When(r.approved_at(), r.has_approved_at()), ", ", r.approved_by())});
  }
  if (r.has_started_at()) {
    AddRow(out, {"started", absl::StrCat(When(r.started_at(), true), ", ", r.started_by())});
  }
  AddRow(out, {"ended", When(r.ended_at(), r.has_ended_at())});
  if (!r.retry_of().empty()) AddRow(out, {"retry of", r.retry_of()});
  AddRow(out, {"plan hash", absl::StrCat("`", r.plan_hash(), "`")});
  AddRow(out, {"rollout", RolloutText(r.policy())});
  AddRow(out, {"error budget", BudgetText(r.policy().error_budget())});
  if (!r.reason().empty()) AddRow(out, {"reason", r.reason()});
}

void AddTargets(const v1::Remediation& r, std::string& out) {
  std::vector<std::string> totals;
  for (const auto& [state, count] :
       std::map<std::string, uint32_t>(r.totals().begin(), r.totals().end())) {
    totals.push_back(absl::StrCat(count, " ", state));
  }
  absl::StrAppend(&out, "\n## ", r.targets_size(), " machines: ", absl::StrJoin(totals, ", "),
                  "\n\n");
  AddRow(out, {"machine", "wave", "state", "findings", "changes", "cannot be undone", "remark"});
  out += "|---|---|---|---|---|---|---|\n";
  for (const v1::Target& target : r.targets()) {
    AddRow(out, {target.display_name(), WaveName(target.wave()), StateName(target.state()),
                 ForText(target), ChangesText(target), ForGoodText(target), target.message()});
  }
}

}  // namespace

std::string MarkdownReport(const v1::Remediation& r) {
  std::string out = absl::StrCat("# Remediation ", r.id(), ": ", StateName(r.state()), "\n\n");
  AddFacts(r, out);
  AddTargets(r, out);
  if (r.untreatable().empty()) return out;
  out += "\n## Not treated\n\n";
  AddRow(out, {"finding", "on", "why"});
  out += "|---|---|---|\n";
  for (const v1::Finding& finding : r.untreatable()) {
    AddRow(out, {finding.code(), finding.subject(), finding.why_untreatable()});
  }
  return out;
}

}  // namespace keymedic::cli
