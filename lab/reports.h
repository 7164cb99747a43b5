// SPDX-License-Identifier: Apache-2.0
//
// What the agents of an estate report at one instant, without agents: each machine's lab systems,
// the role plugins' own collecting behind the agent's facade, sections as they travel, and what the
// agent says of its plugins. For scoring: no network, no store, no time of its own.
//
// Threads: one.
// Errors: what a plugin could not collect, by machine.
#ifndef KEYMEDIC_LAB_REPORTS_H_
#define KEYMEDIC_LAB_REPORTS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "keymedic/v1/agent_service.pb.h"
#include "keymedic/v1/section.pb.h"
#include "lab/world.h"

namespace keymedic::lab {

struct Report {
  std::string machine;
  std::vector<keymedic::v1::Section> sections;
  std::vector<keymedic::v1::AgentNotice> notices;
  absl::Time last_heard;  // of its agent; now, unless it has gone silent
};

// In the order of the world's machines. `clock` is the world's, and stands still meanwhile.
absl::StatusOr<std::vector<Report>> CollectReports(World& world, const Clock& clock);

}  // namespace keymedic::lab

#endif  // KEYMEDIC_LAB_REPORTS_H_
