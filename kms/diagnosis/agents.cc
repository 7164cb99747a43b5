// SPDX-License-Identifier: Apache-2.0
#include "kms/diagnosis/agents.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "kms/diagnosis/builder.h"

namespace keymedic::kms {
namespace {

constexpr uint32_t kDefaultSilentMinutes = 60;

}  // namespace

std::optional<v1::Finding> DiagnoseAgent(const AgentContact& agent, const v1::Policy& policy,
                                         absl::Time now) {
  const uint32_t minutes =
      policy.agent_silent_minutes() == 0 ? kDefaultSilentMinutes : policy.agent_silent_minutes();
  if (now - std::max(agent.last_heard, agent.listening_since) <= absl::Minutes(minutes))
    return std::nullopt;
  const std::string seen =
      absl::FormatTime(absl::RFC3339_sec, agent.last_heard, absl::UTCTimeZone());
  v1::Finding finding = AgentFinding(agent, "AGENT_SILENT", "last_seen", seen);
  finding.set_explanation(absl::StrCat("No word from this agent since ", seen, "."));
  return finding;
}

v1::Finding AgentFinding(const AgentContact& agent, absl::string_view code,
                         absl::string_view subject, absl::string_view message) {
  FindingBuilder builder(code, std::string(agent.name));
  const FindingRow* row = FindFinding(code);
  if (row == nullptr) builder.Severity(v1::SEVERITY_WARNING);
  v1::Finding finding = builder.Saw("agent", subject, std::string(message)).Build();
  finding.set_machine_id(std::string(agent.machine_id));
  finding.set_explanation(std::string(message));
  if (row == nullptr) {
    finding.set_title(std::string(code));
  } else {
    finding.set_why_untreatable(std::string(row->why_untreatable));
  }
  return finding;
}

}  // namespace keymedic::kms
