// SPDX-License-Identifier: Apache-2.0
#include "cli/catalogue.h"

#include <vector>

#include "absl/algorithm/container.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "cli/terminal.h"
#include "kms/tables.h"

namespace keymedic::cli {
namespace {

constexpr ShownBy kLabFaults[] = {
    {"CLIENT_EDITION_NOT_VOLUME", "client_home_edition"},
    {"CLIENT_KEY_NOT_GVLK", "client_mak,client_retail,client_oem"},
    {"CLIENT_KEY_WRONG_EDITION", "client_wrong_edition_key"},
    {"CLIENT_MAK_UNTIL_COUNT", "client_mak,count_too_low"},
    {"CLIENT_NEVER_ACTIVATED", "client_never_activated"},
    {"CLIENT_RENEWAL_OVERDUE", "client_renewals_stopped"},
    {"CLIENT_HARDWARE_CHANGED", "client_hardware_changed"},
    {"CLIENT_NON_GENUINE", "client_non_genuine"},
    {"CLIENT_DNS_NO_SRV", "client_wrong_suffix,client_wrong_lookup_domain"},
    {"CLIENT_DNS_NO_SERVER", "client_no_name_server"},
    {"CLIENT_HOST_UNREACHABLE", "client_port_blocked"},
    {"CLIENT_HOST_OVERRIDE", "client_pinned_host,client_pinned_dead_host"},
    {"CLIENT_HOST_UNSANCTIONED", "client_pinned_rogue,client_activated_by_rogue"},
    {"CLIENT_CACHING_OFF", "client_caching_off"},
    {"CLIENT_CLOCK_SKEW", "client_clock_off"},
    {"CLIENT_COUNT_TOO_LOW", "count_too_low"},
    {"CLIENT_HOST_KEY_MISMATCH", "host_key_wrong_group"},
    {"CLIENT_DUPLICATE_CMID", "duplicate_cmid,clones_without_rearms"},
    {"CLIENT_ACTIVATION_TYPE_LIMITED", "client_type_limited"},
    {"CLIENT_ACTIVATED_BY_DIRECTORY", "client_in_directory"},
    {"HOST_NOT_LICENSED", "host_not_activated"},
    {"HOST_KEY_MISMATCH", "host_key_wrong_group"},
    {"HOST_EDITION_CANNOT_HOST", "host_edition_cannot_host"},
    {"HOST_SERVICE_OUTDATED", "host_outdated"},
    {"HOST_COUNT_ZERO", "host_standby"},
    {"HOST_COUNT_TOO_LOW", "count_too_low"},
    {"HOST_COUNT_STUCK", "count_stuck"},
    {"HOST_COUNT_SPLIT", "count_split"},
    {"HOST_FIREWALL_CLOSED",
     "host_firewall_closed,host_firewall_rule_missing,host_firewall_wrong_profile"},
    {"HOST_PORT_MISMATCH", "host_port_changed,client_pinned_other_port"},
    {"HOST_UNREACHABLE", "host_network_cut"},
    {"HOST_REQUEST_NOT_SEEN", "host_site_cut_off,host_address_stale"},
    {"HOST_DNS_PUBLISH_FAILED", "host_dns_publish_denied,host_dns_publish_failing"},
    {"HOST_DNS_PUBLISHING_OFF", "host_dns_publishing_off"},
    {"HOST_SRV_MISSING", "srv_missing"},
    {"HOST_EVENT_LOG_FULL", "host_log_full,host_log_small"},
    {"HOST_REQUESTS_FAILING", "host_key_wrong_group"},
    {"HOST_ACTIVATION_LIMIT", "host_activation_limit"},
    {"HOST_SERVICE_STOPPED", "host_service_stopped,host_service_down"},
    {"DNS_SRV_STALE", "srv_stale"},
    {"DNS_SRV_UNSANCTIONED", "srv_rogue"},
    {"ESTATE_EXPIRY_AHEAD", "client_renewals_stopped"},
    {"AGENT_PLUGIN_QUARANTINED", "plugin_crashes"},
    {"AGENT_SILENT", "agent_silent"},
};

struct Part {
  absl::string_view heading, prefix;
};
constexpr Part kParts[] = {
    {"Clients", "CLIENT_"},    {"Hosts", "HOST_"},        {"Records", "DNS_"},
    {"The estate", "ESTATE_"}, {"Evidence", "EVIDENCE_"}, {"Agents", "AGENT_"},
};

constexpr absl::string_view kBegin = R"(# Findings

What KeyMedic finds, from the tables that its rules use (`kms/data/`). Made by `./dev docs`; do not edit.
`keymedic findings explain CODE` says the same on the command line, and `keymedic findings explain
0xC004F074` what an error code means. How findings come about: [life-of-a-finding.md](life-of-a-finding.md).

The codes are stable. `critical` and `warning` are problems; `notice` is worth a word, `info` is none.
)";

constexpr absl::string_view kErrors = R"(
## Error codes

What Windows, `slmgr` and the events report. `0xC004F074` of a command only wraps the code of the newest
event 12288, which is the cause.

| code | symbol | what it means | what to do |
|---|---|---|---|
)";

// Text inside a cell or a line: nothing that Markdown would take for a mark.
std::string Cell(absl::string_view text) {
  return absl::StrReplaceAll(
      text, {{"|", "\\|"}, {"_", "\\_"}, {"*", "\\*"}, {"<", "&lt;"}, {"\n", " "}});
}

std::vector<std::string> Split(absl::string_view list, char separator) {
  std::vector<std::string> parts;
  for (absl::string_view part : absl::StrSplit(list, separator, absl::SkipWhitespace()))
    parts.emplace_back(absl::StripAsciiWhitespace(part));
  return parts;
}

std::string Treatments(const kms::FindingRow& row) {
  std::vector<std::string> out;
  for (const std::string& action : Split(row.treatments, ';')) {
    const kms::TreatmentRow* treatment = kms::FindTreatment(action);
    out.push_back(absl::StrCat("`", action, "`"));
    if (treatment == nullptr) continue;
    absl::StrAppend(&out.back(), " (", Cell(treatment->title),
                    treatment->needs_approval ? "; only with explicit approval)" : ")");
  }
  return absl::StrJoin(out, ", then ");
}

std::string Faults(absl::string_view code) {
  std::vector<std::string> out;
  for (const ShownBy& shown : kLabFaults) {
    if (shown.finding != code) continue;
    for (const std::string& fault : Split(shown.faults, ','))
      out.push_back(absl::StrCat("`", fault, "`"));
  }
  return absl::StrJoin(out, ", ");
}

void Line(std::string& out, absl::string_view label, absl::string_view text) {
  if (!text.empty()) absl::StrAppend(&out, "- ", label, ": ", text, "\n");
}

void AddFinding(const kms::FindingRow& row, std::string& out) {
  absl::StrAppend(&out, "\n### ", Cell(row.code), "\n\n**", Cell(row.title), "** (",
                  SeverityName(row.severity), "). ", Cell(row.explanation), "\n\n");
  Line(out, "Looked at", Cell(row.looks_at));
  Line(out, "Treatment", Treatments(row));
  Line(out, "What a person does", Cell(row.why_untreatable));
  Line(out, "Source", Cell(row.reference));
  Line(out, "Shown by the lab's", Faults(row.code));
}

}  // namespace

std::span<const ShownBy> LabFaults() { return kLabFaults; }

std::string CatalogueDocument() {
  std::string out(kBegin);
  for (const Part& part : kParts) {
    absl::StrAppend(&out, "\n## ", part.heading, "\n");
    for (const kms::FindingRow& row : kms::FindingRows()) {
      if (absl::StartsWith(row.code, part.prefix)) AddFinding(row, out);
    }
  }
  absl::StrAppend(&out, kErrors);
  std::vector<const kms::ErrorRow*> errors;
  for (const kms::ErrorRow& row : kms::ErrorRows()) errors.push_back(&row);
  absl::c_sort(errors, [](const auto* a, const auto* b) { return a->code < b->code; });
  for (const kms::ErrorRow* row : errors) {
    absl::StrAppend(&out, "| `", kms::Hex(row->code), "` | ", Cell(row->symbol), " | ",
                    Cell(row->meaning), " | ", Cell(row->action), " |\n");
  }
  return out;
}

}  // namespace keymedic::cli
