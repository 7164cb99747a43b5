// SPDX-License-Identifier: Apache-2.0
#include "kms/diagnosis/agents.h"

#include "gtest/gtest.h"
#include "kms/diagnosis/machines_testing.h"
#include "kms/tables.h"

namespace keymedic::kms {
namespace {

using testing::kNow;

struct SilenceCase {
  const char* name;
  absl::Duration since_heard, since_listening;
  uint32_t policy_minutes;
  bool silent;
};

TEST(AgentTest, IsSilentAfterThePolicysTimeAndNotBefore) {
  const SilenceCase cases[] = {
      {"just heard", absl::ZeroDuration(), absl::Hours(100), 15, false},
      {"exactly as long as allowed", absl::Minutes(15), absl::Hours(100), 15, false},
      {"longer", absl::Minutes(15) + absl::Seconds(1), absl::Hours(100), 15, true},
      {"an hour, if the policy says nothing", absl::Minutes(60), absl::Hours(100), 0, false},
      {"more than an hour", absl::Minutes(61), absl::Hours(100), 0, true},
      {"nobody listened long enough", absl::Hours(48), absl::Minutes(14), 15, false},
      {"somebody did by now", absl::Hours(48), absl::Minutes(16), 15, true},
      {"its clock or ours is ahead", -absl::Hours(5), absl::Hours(100), 15, false},
  };
  for (const SilenceCase& c : cases) {
    SCOPED_TRACE(c.name);
    v1::Policy policy;
    policy.set_agent_silent_minutes(c.policy_minutes);
    const auto finding = DiagnoseAgent({.machine_id = "m1",
                                        .name = "pc-017",
                                        .last_heard = kNow - c.since_heard,
                                        .listening_since = kNow - c.since_listening},
                                       policy, kNow);
    ASSERT_EQ(finding.has_value(), c.silent);
    if (!c.silent) continue;
    EXPECT_EQ(finding->code(), "AGENT_SILENT");
    EXPECT_EQ(finding->severity(), v1::SEVERITY_NOTICE);
    EXPECT_EQ(finding->subject(), "pc-017");
    EXPECT_EQ(finding->machine_id(), "m1");
    ASSERT_EQ(finding->evidence_size(), 1);
    EXPECT_EQ(finding->evidence(0).field(), "last_seen");
    EXPECT_EQ(finding->evidence(0).value(),
              absl::FormatTime(absl::RFC3339_sec, kNow - c.since_heard, absl::UTCTimeZone()));
    EXPECT_FALSE(finding->why_untreatable().empty());
  }
}

TEST(AgentTest, WhatAnAgentSaysThatTheCatalogueDoesNotKnowIsAWarning) {
  const AgentContact agent{.machine_id = "m1", .name = "pc-017", .last_heard = kNow};
  const v1::Finding known = AgentFinding(agent, "AGENT_PLUGIN_QUARANTINED", "kms", "crashed 3x");
  EXPECT_EQ(known.severity(), v1::SEVERITY_WARNING);
  EXPECT_EQ(known.explanation(), "crashed 3x");
  EXPECT_EQ(known.title(), FindFinding("AGENT_PLUGIN_QUARANTINED")->title);
  const v1::Finding other = AgentFinding(agent, "AGENT_OF_TOMORROW", "disk", "full");
  EXPECT_EQ(other.severity(), v1::SEVERITY_WARNING);
  EXPECT_EQ(other.title(), "AGENT_OF_TOMORROW");
  EXPECT_FALSE(other.why_untreatable().empty());
}

}  // namespace
}  // namespace keymedic::kms
