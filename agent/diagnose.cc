// SPDX-License-Identifier: Apache-2.0
#include "agent/diagnose.h"

#include <algorithm>
#include <set>
#include <string_view>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "agent/sections.h"
#include "base/times.h"

namespace keymedic::agent {
namespace {

std::string SeverityName(v1::Severity severity) {
  return absl::AsciiStrToLower(
      absl::string_view(v1::Severity_Name(severity)).substr(sizeof("SEVERITY_") - 1));
}

std::string Quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    switch (c) {
      case '"':
      case '\\':
        out += {'\\', c};
        break;
      case '\n':
        out += "\\n";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          absl::StrAppendFormat(&out, "\\u%04x", c);
        } else {
          out += c;
        }
    }
  }
  return out + '"';
}

// Members of an object, in order.
std::string Object(std::initializer_list<std::pair<const char*, std::string>> members) {
  std::string out;
  for (const auto& [name, value] : members) {
    absl::StrAppend(&out, out.empty() ? "{" : ",", "\"", name, "\":", value);
  }
  return out + "}";
}

template <typename Range, typename Function>
std::string Array(const Range& range, const Function& element) {
  std::string out;
  for (const auto& item : range) absl::StrAppend(&out, out.empty() ? "[" : ",", element(item));
  return out.empty() ? "[]" : out + "]";
}

std::string EvidenceAsJson(const v1::Evidence& evidence) {
  return Object({{"source", Quoted(evidence.source())},
                 {"field", Quoted(evidence.field())},
                 {"value", Quoted(evidence.value())}});
}

std::string TreatmentAsJson(const v1::Treatment& treatment) {
  std::string params;
  for (const auto& [name, value] :
       std::map<std::string, std::string>(treatment.params().begin(), treatment.params().end())) {
    absl::StrAppend(&params, params.empty() ? "{" : ",", Quoted(name), ":", Quoted(value));
  }
  return Object({{"action", Quoted(treatment.action())},
                 {"params", params.empty() ? "{}" : params + "}"},
                 {"title", Quoted(treatment.title())},
                 {"needs_approval", treatment.needs_approval() ? "true" : "false"}});
}

std::string FindingAsJson(const v1::Finding& finding) {
  return Object({{"code", Quoted(finding.code())},
                 {"severity", Quoted(SeverityName(finding.severity()))},
                 {"subject", Quoted(finding.subject())},
                 {"title", Quoted(finding.title())},
                 {"explanation", Quoted(finding.explanation())},
                 {"evidence", Array(finding.evidence(), EvidenceAsJson)},
                 {"treatments", Array(finding.treatments(), TreatmentAsJson)}});
}

}  // namespace

absl::StatusOr<LocalDiagnosis> DiagnoseLocally(PluginRunner& plugins, absl::Duration timeout) {
  LocalDiagnosis diagnosis;
  auto list = plugins.List();
  if (!list.ok()) return list.status();
  diagnosis.plugins = *list;
  for (const auto& loaded : list->plugins()) {
    if (!loaded.has_description()) {
      diagnosis.notes.push_back(loaded.error());
    }
  }
  Round round = Look(plugins, {}, timeout);
  v1::DiagnoseRequest& request = diagnosis.seen;
  *request.mutable_events() = round.events;
  std::vector<std::string> answered;
  for (Round::Plugin& plugin : round.plugins) {
    if (plugin.answered) {
      answered.push_back(plugin.name);
      request.mutable_sections()->MergeFrom(plugin.sections);
    } else {
      diagnosis.notes.push_back(absl::StrCat("plugin ", plugin.name, " gave no answer"));
    }
  }
  if (answered.empty()) {
    return absl::UnavailableError(
        absl::StrCat("no plugin could look at this machine",
                     diagnosis.notes.empty() ? "; name their directory: --plugin-dir" : ": ",
                     diagnosis.notes.empty() ? "" : diagnosis.notes.front()));
  }
  std::set<std::pair<std::string, std::string>> known;  // two plugins may see the same
  for (const std::string& plugin : answered) {
    auto response = plugins.Diagnose(plugin, request, timeout);
    if (absl::IsUnimplemented(response.status())) continue;
    if (!response.ok()) {
      diagnosis.notes.push_back(absl::StrCat("plugin ", plugin, ": ", response.status().message()));
      continue;
    }
    for (auto& finding : *response->mutable_findings()) {
      if (known.emplace(finding.code(), finding.subject()).second) {
        diagnosis.findings.push_back(std::move(finding));
      }
    }
  }
  std::stable_sort(diagnosis.findings.begin(), diagnosis.findings.end(),
                   [](const auto& a, const auto& b) { return a.severity() > b.severity(); });
  return diagnosis;
}

v1::SupportBundle MakeBundle(const std::string& machine, LocalDiagnosis diagnosis, absl::Time now) {
  v1::SupportBundle bundle;
  bundle.set_machine(machine);
  bundle.set_agent_version(KEYMEDIC_VERSION);
  *bundle.mutable_collected_at() = ToTimestamp(now);
  *bundle.mutable_plugins() = std::move(*diagnosis.plugins.mutable_plugins());
  *bundle.mutable_sections() = std::move(*diagnosis.seen.mutable_sections());
  *bundle.mutable_events() = std::move(*diagnosis.seen.mutable_events());
  for (v1::Finding& finding : diagnosis.findings) *bundle.add_findings() = std::move(finding);
  for (std::string& note : diagnosis.notes) bundle.add_notes(std::move(note));
  return bundle;
}

std::string FindingsAsText(const std::string& machine, const std::vector<v1::Finding>& findings) {
  if (findings.empty()) return absl::StrCat(machine, ": no findings\n");
  std::string out;
  for (const v1::Finding& finding : findings) {
    absl::StrAppend(&out, SeverityName(finding.severity()), "  ", finding.code(), "  ",
                    finding.subject(), "\n  ", finding.title(), "\n");
    if (!finding.explanation().empty()) absl::StrAppend(&out, "  ", finding.explanation(), "\n");
    for (const auto& evidence : finding.evidence()) {
      absl::StrAppend(&out, "  seen: ", evidence.source(), " ", evidence.field(), " = ",
                      evidence.value(), "\n");
    }
    for (const auto& treatment : finding.treatments()) {
      absl::StrAppend(&out, "  treat: ", treatment.title(), " (", treatment.action(), ")",
                      treatment.needs_approval() ? ", needs approval" : "", "\n");
    }
    if (!finding.why_untreatable().empty()) {
      absl::StrAppend(&out, "  no treatment: ", finding.why_untreatable(), "\n");
    }
  }
  return out;
}

std::string FindingsAsJson(const std::string& machine, const std::vector<v1::Finding>& findings) {
  return Object({{"machine", Quoted(machine)}, {"findings", Array(findings, FindingAsJson)}}) +
         "\n";
}

}  // namespace keymedic::agent
