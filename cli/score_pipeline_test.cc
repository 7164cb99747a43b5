// SPDX-License-Identifier: Apache-2.0
#include "cli/score_pipeline.h"

#include <gmock/gmock.h>

#include "absl/strings/str_cat.h"
#include "base/files.h"
#include "lab/estate.h"
#include "lab/world_testing.h"

namespace keymedic::cli {
namespace {

std::vector<std::string> Look(const std::string& text) {
  const lab::StoppedClock clock;
  const auto estate = lab::ParseEstate(text, "test.textproto");
  EXPECT_TRUE(estate.ok()) << estate.status();
  auto world = lab::World::Make(*estate, clock);
  EXPECT_TRUE(world.ok()) << world.status();
  const auto findings = DiagnoseWorld(**world, clock);
  EXPECT_TRUE(findings.ok()) << findings.status();
  std::vector<std::string> out;
  for (const v1::Finding& finding : *findings)
    out.push_back(absl::StrCat(finding.code(), " ", finding.subject(), " <- ", finding.cause_code(),
                               " ", finding.cause_subject()));
  return out;
}

TEST(ScorePipelineTest, AHealthyEstateShowsNothing) {
  EXPECT_THAT(Look(lab::SmallEstate(30)), testing::IsEmpty());
}

TEST(ScorePipelineTest, TheAgentsOwnPathFromTheMachineToItsCause) {
  const auto found = Look(
      lab::SmallEstate(30,
                       "faults { fault: 'host_firewall_closed' target: 'kms-1' since_days: 20 }"
                       "faults { fault: 'client_mak' machines: 'pc-001' since_days: 20 }"));
  EXPECT_THAT(found, testing::Contains("HOST_FIREWALL_CLOSED kms-1 <-  "));
  EXPECT_THAT(found, testing::Contains("CLIENT_KEY_NOT_GVLK pc-001 <-  "));
  EXPECT_THAT(found,
              testing::Contains("CLIENT_HOST_UNREACHABLE pc-002 <- HOST_FIREWALL_CLOSED kms-1"));
}

TEST(ScorePipelineTest, TheSameEstateTwiceIsFoundTheSame) {
  const std::string text =
      lab::SmallEstate(30, "faults { fault: 'duplicate_cmid' machines: 'pc-00*' since_days: 20 }");
  EXPECT_EQ(Look(text), Look(text));
}

}  // namespace
}  // namespace keymedic::cli
