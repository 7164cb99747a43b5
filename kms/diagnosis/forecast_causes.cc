// SPDX-License-Identifier: Apache-2.0
#include "kms/diagnosis/forecast_causes.h"

#include <cstdlib>

#include "absl/algorithm/container.h"

namespace keymedic::kms {
namespace {

// What keeps a machine from being activated again, the most telling first.
constexpr absl::string_view kStoppers[] = {
    "CLIENT_EDITION_NOT_VOLUME", "CLIENT_KEY_NOT_GVLK",
    "CLIENT_KEY_WRONG_EDITION",  "CLIENT_NON_GENUINE",
    "CLIENT_CLOCK_SKEW",         "CLIENT_DNS_NO_SERVER",
    "CLIENT_DNS_NO_SRV",         "CLIENT_HOST_KEY_MISMATCH",
    "CLIENT_HOST_UNREACHABLE",   "CLIENT_HOST_OVERRIDE",
    "CLIENT_COUNT_TOO_LOW",      "CLIENT_HARDWARE_CHANGED",
    "CLIENT_HOST_UNSANCTIONED",  "CLIENT_NEVER_ACTIVATED",
    "CLIENT_GRACE_EXPIRING",     "CLIENT_ACTIVATION_TYPE_LIMITED",
    "CLIENT_NOT_LICENSED",
};
// Say only that it is late, or that it may have renewed unseen.
constexpr absl::string_view kLastWords[] = {"AGENT_SILENT", "CLIENT_RENEWAL_OVERDUE"};

// Hosts that count too few say so in one of these ways.
constexpr absl::string_view kShortCounts[] = {"HOST_COUNT_STUCK", "HOST_COUNT_TOO_LOW",
                                              "HOST_COUNT_ZERO"};

// A setting that is worth a word stops nobody.
bool Stops(const v1::Finding& finding) {
  return finding.severity() >= v1::SEVERITY_WARNING ||
         finding.code() == "CLIENT_ACTIVATION_TYPE_LIMITED" || finding.code() == "AGENT_SILENT";
}

}  // namespace

ForecastCauses::ForecastCauses(absl::Span<const v1::Finding> folded) {
  for (const v1::Finding& finding : folded) {
    if (!finding.machine_id().empty()) by_machine_[finding.machine_id()].push_back(&finding);
    if (finding.cause_code().empty())
      causes_.try_emplace({finding.code(), finding.subject()}, &finding);
  }
}

const v1::Finding* ForecastCauses::Root(const v1::Finding* finding) const {
  if (finding == nullptr || finding->cause_code().empty()) return finding;
  const auto it = causes_.find({finding->cause_code(), finding->cause_subject()});
  return it == causes_.end() ? finding : it->second;
}

const v1::Finding* ForecastCauses::Of(const MachineState& machine,
                                      const MachineOutlook& outlook) const {
  const auto own = by_machine_.find(machine.id);
  auto look = [&](absl::Span<const absl::string_view> codes) -> const v1::Finding* {
    if (own == by_machine_.end()) return nullptr;
    for (absl::string_view code : codes) {
      for (const v1::Finding* finding : own->second) {
        if (finding->code() == code && Stops(*finding)) return Root(finding);
      }
    }
    return nullptr;
  };
  if (const v1::Finding* found = look(kStoppers)) return found;
  if (outlook.host != nullptr && !outlook.host_code.empty()) {
    if (const v1::Finding* found = OfHost(*outlook.host, outlook.host_code)) return found;
  }
  return look(kLastWords);
}

const v1::Finding* ForecastCauses::OfHost(const MachineState& host, absl::string_view code) const {
  const auto own = by_machine_.find(host.id);
  if (own == by_machine_.end()) return nullptr;
  auto find = [&](absl::string_view wanted) -> const v1::Finding* {
    const auto it = absl::c_find_if(
        own->second, [&](const v1::Finding* finding) { return finding->code() == wanted; });
    return it == own->second.end() ? nullptr : Root(*it);
  };
  if (const v1::Finding* found = find(code)) return found;
  if (!absl::c_linear_search(kShortCounts, code)) return nullptr;
  for (absl::string_view other : kShortCounts) {
    if (const v1::Finding* found = find(other)) return found;
  }
  return nullptr;
}

}  // namespace keymedic::kms
