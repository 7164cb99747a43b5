// SPDX-License-Identifier: Apache-2.0
#include "cli/diagnose.h"

#include <algorithm>
#include <map>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "base/files.h"
#include "cli/inputs.h"
#include "cli/terminal.h"
#include "kms/readers/captures.h"
#include "nlohmann/json.hpp"

namespace keymedic::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kMaxLabels = 4u << 20;
constexpr size_t kMaxEvidence = 8;  // lines for one cause

std::string VerdictName(v1::Verdict verdict) {
  return std::string(absl::StripPrefix(v1::Verdict_Name(verdict), "VERDICT_"));
}

Json ToJson(const v1::Finding& finding) {
  Json evidence = Json::array();
  for (const v1::Evidence& seen : finding.evidence()) {
    evidence.push_back(
        Json{{"source", seen.source()}, {"field", seen.field()}, {"value", seen.value()}});
  }
  Json treatments = Json::array();
  for (const v1::Treatment& treatment : finding.treatments()) {
    Json json{{"action", treatment.action()}, {"title", treatment.title()}};
    const std::map<std::string, std::string> params(treatment.params().begin(),
                                                    treatment.params().end());
    if (!params.empty()) json["params"] = params;
    if (!treatment.machine_id().empty()) json["machine"] = treatment.machine_id();
    if (treatment.needs_approval()) json["needs_approval"] = true;
    treatments.push_back(std::move(json));
  }
  Json json{{"code", finding.code()},
            {"severity", SeverityName(finding.severity())},
            {"subject", finding.subject()},
            {"title", finding.title()},
            {"explanation", finding.explanation()},
            {"evidence", std::move(evidence)},
            {"treatments", std::move(treatments)}};
  if (!finding.cause_code().empty()) {
    json["cause"] = Json{{"code", finding.cause_code()}, {"subject", finding.cause_subject()}};
  }
  return json;
}

void PrintJson(const v1::DiagnoseCapturesResponse& response, std::ostream& out) {
  Json findings = Json::array();
  for (const v1::Finding& finding : response.findings()) findings.push_back(ToJson(finding));
  Json unread = Json::array();
  for (const v1::Unread& one : response.unread()) {
    unread.push_back(Json{{"file", one.file()}, {"line", one.line()}, {"reason", one.reason()}});
  }
  const Json answer{{"verdict", VerdictName(response.verdict())},
                    {"findings", std::move(findings)},
                    {"unread", std::move(unread)}};
  // Captures and file names may hold bytes that are no UTF-8.
  out << answer.dump(2, ' ', false, Json::error_handler_t::replace) << '\n';
}

void PrintVerdict(const v1::DiagnoseCapturesResponse& response, std::ostream& out, bool color) {
  switch (response.verdict()) {
    case v1::VERDICT_PROBLEMS: {
      const auto causes =
          std::count_if(response.findings().begin(), response.findings().end(), [](const auto& f) {
            return f.cause_code().empty() && f.severity() > v1::SEVERITY_NOTICE;
          });
      out << Paint("PROBLEMS", Style::kRed, color) << "  "
          << (causes == 1 ? "one cause" : absl::StrCat(causes, " causes"));
      break;
    }
    case v1::VERDICT_HEALTHY:
      out << Paint("HEALTHY", Style::kGreen, color) << "  nothing in this evidence is a problem";
      break;
    default:
      out << Paint("INCONCLUSIVE", Style::kYellow, color)
          << "  this evidence does not tell: add `slmgr /dlv` of the client and of its KMS host, "
             "and events 12288, 12289 and 12290";
  }
  out << '\n';
}

// "  Seen   event 12288  error = 0xC004F06C", the label on the first line only.
void PrintField(absl::string_view label, absl::string_view text, std::ostream& out, bool color) {
  constexpr size_t kIndent = 11;
  std::string wrapped = Wrap(text, kIndent, kTextWidth);
  const std::string head = absl::StrCat("  ", label);
  if (!label.empty() && wrapped.size() >= kIndent) {
    wrapped.erase(0, kIndent);
    out << Paint(head, Style::kDim, color) << std::string(kIndent - head.size(), ' ');
  }
  out << wrapped << '\n';
}

std::string FollowersOf(const v1::Finding& cause, const v1::DiagnoseCapturesResponse& response) {
  std::map<std::string, int> counts;
  for (const v1::Finding& finding : response.findings()) {
    if (finding.cause_code() == cause.code() && finding.cause_subject() == cause.subject()) {
      ++counts[finding.code()];
    }
  }
  return absl::StrJoin(counts, ", ", [](std::string* text, const auto& entry) {
    absl::StrAppend(text, entry.first);
    if (entry.second > 1) absl::StrAppend(text, " (", entry.second, ")");
  });
}

void PrintCause(const v1::Finding& cause, const v1::DiagnoseCapturesResponse& response,
                std::ostream& out, bool color) {
  const std::string severity = absl::AsciiStrToUpper(SeverityName(cause.severity()));
  out << '\n'
      << Paint(severity, StyleOf(cause.severity()), color) << "  "
      << Paint(cause.code(), Style::kBold, color) << "  " << cause.subject() << '\n';
  out << Paint(Wrap(cause.title(), 2, kTextWidth), Style::kBold, color) << '\n';
  if (!cause.explanation().empty()) out << Wrap(cause.explanation(), 2, kTextWidth) << '\n';
  size_t shown = 0;
  for (const v1::Evidence& seen : cause.evidence()) {
    if (shown == kMaxEvidence) break;
    PrintField(shown == 0 ? "Seen" : "",
               absl::StrCat(seen.source(), ": ", seen.field(), seen.field().empty() ? "" : " = ",
                            seen.value()),
               out, color);
    ++shown;
  }
  if (cause.evidence_size() > static_cast<int>(shown)) {
    PrintField("", absl::StrCat("and ", cause.evidence_size() - shown, " more"), out, color);
  }
  int step = 0;
  for (const v1::Treatment& treatment : cause.treatments()) {
    std::string where;
    if (!treatment.machine_id().empty() && treatment.machine_id() != cause.machine_id()) {
      where = absl::StrCat(" on ", treatment.machine_id());
    }
    PrintField(step == 0 ? "Do" : "",
               absl::StrCat(step + 1, ". ", treatment.title(), where, " (", treatment.action(), ")",
                            treatment.needs_approval() ? ", only with approval" : ""),
               out, color);
    ++step;
  }
  if (step == 0 && !cause.why_untreatable().empty()) {
    PrintField("Do", cause.why_untreatable(), out, color);
  }
  if (cause.affected_machines_size() > 1) {
    PrintField("Affects",
               absl::StrCat(cause.affected_machines_size(),
                            " machines: ", absl::StrJoin(cause.affected_machines(), ", ")),
               out, color);
  }
  if (const std::string followers = FollowersOf(cause, response); !followers.empty()) {
    PrintField("Causes", followers, out, color);
  }
}

void PrintTable(const v1::DiagnoseCapturesResponse& response, std::ostream& out, bool color) {
  PrintVerdict(response, out, color);
  for (const v1::Finding& finding : response.findings()) {
    if (finding.cause_code().empty()) PrintCause(finding, response, out, color);
  }
  if (response.unread().empty()) return;
  out << '\n' << Paint("Not read", Style::kBold, color) << '\n';
  for (const v1::Unread& unread : response.unread()) {
    const std::string place =
        unread.line() == 0 ? unread.file() : absl::StrCat(unread.file(), ":", unread.line());
    out << Wrap(absl::StrCat(place, ": ", unread.reason()), 2, kTextWidth) << '\n';
  }
}

}  // namespace

int RunDiagnose(const DiagnoseOptions& options, std::istream& in, std::ostream& out,
                std::ostream& err, const Clock& clock) {
  if (options.files.empty()) {
    err << "keymedic diagnose: no file was given; name captures, or - for standard input\n";
    return 2;
  }
  kms::CaptureSet captures;
  for (const std::string& file : options.labels) {
    const absl::StatusOr<std::string> content = ReadFile(file, kMaxLabels);
    if (content.ok() && captures.AddLabels(*content)) continue;
    err << "keymedic diagnose: --labels " << file << ": "
        << (content.ok() ? "no messages of slmgr are in it; give slmgr.ini of the machine, from "
                           "%SystemRoot%\\System32\\slmgr\\<language>"
                         : std::string(content.status().message()))
        << '\n';
    return 2;
  }
  ReadInputs(options.files, in, ArchiveBudget(), captures);
  const v1::DiagnoseCapturesResponse response = captures.Diagnose(v1::Policy(), clock.Now());

  int exit_code = 0;
  for (const v1::Unread& unread : response.unread()) {
    if (!unread.whole_file()) continue;
    err << "keymedic diagnose: " << unread.file() << ": " << unread.reason() << '\n';
    exit_code = 1;
  }
  if (options.json) {
    PrintJson(response, out);
  } else {
    PrintTable(response, out, options.color);
  }
  return exit_code;
}

}  // namespace keymedic::cli
