// SPDX-License-Identifier: Apache-2.0
#include "agent/event_ids.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"

namespace keymedic::agent {
namespace {

constexpr char kTable[] =
#include "agent/event_ids.inc"
    ;

std::vector<EventKind> ReadTable() {
  std::vector<EventKind> kinds;
  for (const absl::string_view line : absl::StrSplit(kTable, '\n', absl::SkipEmpty())) {
    const std::vector<std::string> fields = absl::StrSplit(line, ',');
    uint32_t number = 0;
    if (fields.size() != 3 || !absl::SimpleAtoi(fields[0], &number)) continue;  // the headline
    kinds.push_back({static_cast<uint16_t>(number), fields[1], fields[2] == "yes"});
  }
  return kinds;
}

}  // namespace

const std::vector<EventKind>& EventKinds() {
  static const auto& kinds = *new std::vector<EventKind>(ReadTable());
  return kinds;
}

const EventKind& EventKindOf(absl::string_view message) {
  for (const EventKind& kind : EventKinds()) {
    if (kind.message == message) return kind;
  }
  return EventKinds().front();
}

}  // namespace keymedic::agent
