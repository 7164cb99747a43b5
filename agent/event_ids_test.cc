// SPDX-License-Identifier: Apache-2.0
#include "agent/event_ids.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "base/files.h"

namespace keymedic::agent {
namespace {

// The ids in the section "Agent" of docs/messages.md.
std::set<std::string> DocumentedIds() {
  const absl::StatusOr<std::string> page = ReadFile(MESSAGES_PAGE);
  EXPECT_TRUE(page.ok()) << page.status();
  std::set<std::string> ids;
  bool in_section = false;
  for (const absl::string_view line : absl::StrSplit(page.value_or(""), '\n')) {
    if (absl::StartsWith(line, "## ")) in_section = line == "## Agent";
    if (!in_section || !absl::StartsWith(line, "| `")) continue;
    const std::vector<std::string> fields = absl::StrSplit(line, '`');
    ids.insert(fields[1]);
  }
  return ids;
}

TEST(EventIds, EveryMessageOfTheAgentHasANumberAndNoneTwice) {
  std::set<std::string> messages;
  std::set<int> numbers;
  for (const EventKind& kind : EventKinds()) {
    EXPECT_TRUE(messages.insert(kind.message).second) << kind.message;
    EXPECT_TRUE(numbers.insert(kind.number).second) << kind.number;
  }
  const std::set<std::string> documented = DocumentedIds();
  EXPECT_GT(documented.size(), 20u);
  for (const std::string& id : documented) {
    EXPECT_TRUE(messages.contains(id)) << id << " needs a row, with a new number, in event_ids.csv";
  }
}

TEST(EventIds, NumbersStay) {
  EXPECT_EQ(EventKindOf("AGENT_STARTED").number, 100);
  EXPECT_EQ(EventKindOf("AGENT_PLUGIN_QUARANTINED").number, 156);
  EXPECT_FALSE(EventKindOf("AGENT_DISCONNECTED").information);
  EXPECT_EQ(EventKindOf("NOT_IN_THE_TABLE").number, 1);
}

}  // namespace
}  // namespace keymedic::agent
