// SPDX-License-Identifier: Apache-2.0
#include <iostream>
#include <nlohmann/json.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "cli/catalogue.h"
#include "cli/commands.h"
#include "cli/explain.h"
#include "cli/finding_view.h"
#include "cli/suggest.h"
#include "cli/terminal.h"
#include "kms/tables.h"

namespace keymedic::cli {
namespace {

int List(const Globals& globals, const std::string& filter, bool all) {
  auto session = OpenSession(globals);
  if (!session.ok()) return Fail(session.status());
  v1::ListFindingsRequest request;
  request.set_filter(filter);
  request.set_include_folded(all);
  const auto findings =
      CallForAll(**session, (*session)->fleet, &v1::FleetService::Stub::ListFindings, request);
  if (!findings.ok()) return Fail(findings.status());
  if (globals.json()) {
    PrintJson(*findings);
  } else {
    PrintFindingTable(findings->findings(), std::cout, globals.color());
  }
  return kOk;
}

void PrintPair(const char* label, absl::string_view text) {
  if (!text.empty()) std::cout << "  " << label << '\n' << Wrap(text, 4, kTextWidth) << '\n';
}

int ExplainFinding(const Globals& globals, const kms::FindingRow& row) {
  if (globals.json()) {
    v1::Finding finding;
    finding.set_code(std::string(row.code));
    finding.set_severity(row.severity);
    finding.set_title(std::string(row.title));
    finding.set_explanation(std::string(row.explanation));
    finding.set_why_untreatable(std::string(row.why_untreatable));
    finding.set_reference(std::string(row.reference));
    for (absl::string_view action : absl::StrSplit(row.treatments, ';', absl::SkipEmpty())) {
      finding.add_treatments()->set_action(std::string(action));
    }
    PrintJson(finding);
    return kOk;
  }
  std::cout << Paint(row.code, StyleOf(row.severity), globals.color()) << "  ("
            << SeverityName(row.severity) << ")  " << row.title << '\n';
  PrintPair("What it means", row.explanation);
  PrintPair("What KeyMedic looks at", row.looks_at);
  for (absl::string_view action : absl::StrSplit(row.treatments, ';', absl::SkipEmpty())) {
    const kms::TreatmentRow* treatment = kms::FindTreatment(action);
    PrintPair("Treatment",
              absl::StrCat(action, treatment == nullptr ? "" : absl::StrCat(": ", treatment->title),
                           treatment != nullptr && treatment->needs_approval
                               ? " (only with explicit approval)"
                               : ""));
  }
  PrintPair("What you can do", row.why_untreatable);
  PrintPair("Source", row.reference);
  return kOk;
}

int ExplainUnknown(const Globals& globals, uint32_t code) {
  const Decoded decoded = DecodeError(code);
  const std::string hex = kms::Hex(code);
  if (globals.json()) {
    const nlohmann::ordered_json answer = {{"code", hex},
                                           {"decimal", code},
                                           {"known", false},
                                           {"kind", decoded.kind},
                                           {"suggestion", decoded.suggestion},
                                           {"findings", FindingsOnError(code)}};
    std::cout << answer.dump(2) << '\n';
  } else {
    std::cout << Paint(hex, Style::kBold, globals.color()) << "  is not in the error table\n";
    PrintPair("What its number tells", decoded.kind);
    PrintPair("What to do", decoded.suggestion);
  }
  return kError;
}

int ExplainError(const Globals& globals, uint32_t code) {
  const kms::ErrorRow* row = kms::FindError(code);
  if (row == nullptr) return ExplainUnknown(globals, code);
  const std::string hex = kms::Hex(code);
  const std::vector<std::string> findings = FindingsOnError(code);
  if (globals.json()) {
    const nlohmann::ordered_json answer = {{"code", hex},
                                           {"decimal", code},
                                           {"known", true},
                                           {"symbol", std::string(row->symbol)},
                                           {"meaning", std::string(row->meaning)},
                                           {"action", std::string(row->action)},
                                           {"applies_to", std::string(row->applies_to)},
                                           {"findings", findings},
                                           {"source", std::string(row->source)}};
    std::cout << answer.dump(2) << '\n';
    return kOk;
  }
  std::cout << Paint(hex, Style::kBold, globals.color()) << "  " << row->symbol << '\n';
  PrintPair("What it means", row->meaning);
  PrintPair("What to do", row->action);
  PrintPair("Findings that look at it", absl::StrJoin(findings, ", "));
  PrintPair("Seen on", row->applies_to);
  PrintPair("Source", row->source);
  return kOk;
}

int Explain(const Globals& globals, const std::string& code) {
  const std::string upper = absl::AsciiStrToUpper(absl::StripAsciiWhitespace(code));
  if (const kms::FindingRow* row = kms::FindFinding(upper)) return ExplainFinding(globals, *row);
  if (const auto error = PastedErrorCode(code)) return ExplainError(globals, *error);
  std::vector<std::string> codes;
  for (const kms::FindingRow& row : kms::FindingRows()) codes.emplace_back(row.code);
  const std::string meant = Suggest(upper, codes);
  return Fail(absl::NotFoundError(
      absl::StrCat("'", code, "' is neither a finding nor an error code",
                   meant.empty() ? "" : absl::StrCat("; did you mean ", meant, "?"))));
}

}  // namespace

void AddFindings(CLI::App& app, Globals& globals, int& exit_code) {
  CLI::App* noun = app.add_subcommand(
      "findings",
      "Examples:\n  keymedic findings list\n  keymedic findings list --select 'site=berlin and "
      "severity=critical'\n  keymedic findings explain CLIENT_KEY_NOT_GVLK\n  keymedic findings "
      "explain 0xC004F074\n\nWhat is wrong, by cause.");
  noun->require_subcommand(1);
  noun->fallthrough();
  CLI::App* list = noun->add_subcommand("list", "the causes, most severe and widest first");
  list->fallthrough();
  auto filter = std::make_shared<std::string>();
  auto all = std::make_shared<bool>(false);
  list->add_option("--select", *filter, "which: a selector, see docs/selectors.md");
  list->add_flag("--all", *all, "also what follows from a cause (in JSON)");
  list->callback([&globals, &exit_code, filter, all] { exit_code = List(globals, *filter, *all); });
  CLI::App* explain =
      noun->add_subcommand("explain", "what a finding or an error code means, and what to do");
  explain->fallthrough();
  auto code = std::make_shared<std::string>();
  auto every = std::make_shared<bool>(false);
  CLI::Option* one =
      explain->add_option("CODE", *code, "CLIENT_KEY_NOT_GVLK, 0xC004F074, -1073418124 ...");
  explain->add_flag("--all", *every, "the whole catalogue as a document (Markdown)")->excludes(one);
  explain->callback([&globals, &exit_code, code, every] {
    if (*every) {
      std::cout << CatalogueDocument();
    } else if (code->empty()) {
      exit_code = Fail(absl::InvalidArgumentError("which code? A finding, an error code, or --all"),
                       kUsage);
    } else {
      exit_code = Explain(globals, *code);
    }
  });
}

}  // namespace keymedic::cli
