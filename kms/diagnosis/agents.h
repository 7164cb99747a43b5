// SPDX-License-Identifier: Apache-2.0
//
// What is found of an agent itself, whatever its machine shows. Pure, as all of the diagnosis: when
// an agent was last heard is known to whoever holds its stream, and given in.
#ifndef KEYMEDIC_KMS_DIAGNOSIS_AGENTS_H_
#define KEYMEDIC_KMS_DIAGNOSIS_AGENTS_H_

#include <optional>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "keymedic/v1/finding.pb.h"
#include "keymedic/v1/policy_service.pb.h"

namespace keymedic::kms {

struct AgentContact {
  absl::string_view machine_id, name;
  absl::Time last_heard;
  // Nobody could be heard before: a listener that was away does not call everyone silent.
  absl::Time listening_since = absl::InfinitePast();
};

// AGENT_SILENT: no word for longer than the policy allows.
std::optional<v1::Finding> DiagnoseAgent(const AgentContact& agent, const v1::Policy& policy,
                                         absl::Time now);

// What an agent says of itself: `message` about its `subject` (a plugin), as a finding of the
// catalogue, or as a warning of that code if the catalogue is older than the agent.
v1::Finding AgentFinding(const AgentContact& agent, absl::string_view code,
                         absl::string_view subject, absl::string_view message);

}  // namespace keymedic::kms

#endif  // KEYMEDIC_KMS_DIAGNOSIS_AGENTS_H_
