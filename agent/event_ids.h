// SPDX-License-Identifier: Apache-2.0
//
// The numbers under which the agent's messages stand in the event log of Windows (event_ids.csv).
// Whoever watches that log has rules on them: a number is never given to another message. Pure.
#ifndef KEYMEDIC_AGENT_EVENT_IDS_H_
#define KEYMEDIC_AGENT_EVENT_IDS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace keymedic::agent {

struct EventKind {
  uint16_t number;
  std::string message;
  bool information;  // also when it is no warning: false for what comes often and means little
};

// The whole table, in its order.
const std::vector<EventKind>& EventKinds();
// Number 1, "KEYMEDIC", for messages without a row.
const EventKind& EventKindOf(absl::string_view message);

}  // namespace keymedic::agent

#endif  // KEYMEDIC_AGENT_EVENT_IDS_H_
