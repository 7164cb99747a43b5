// SPDX-License-Identifier: Apache-2.0
#include "controller/remediation/health.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controller/remediation/simulated_fleet.h"
#include "controller/remediation/states.h"

namespace keymedic::controller {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class HealthTest : public testing::Test {
 protected:
  HealthTest() {
    EXPECT_TRUE(CompletePolicy(*remediation_.mutable_policy()).ok());
    fleet_.Add("m1", "kms_client", "", {});
    v1::Target& target = *remediation_.add_targets();
    target.set_machine_id("m1");
    target.set_display_name("pc-1");
    target.set_state(v1::TARGET_STATE_SUCCEEDED);
    target.add_finding_codes("BROKEN");
    target.add_known_codes("OLD_TROUBLE");
  }
  void Find(const std::string& code, v1::Severity severity = v1::SEVERITY_CRITICAL) {
    v1::Finding& finding = fleet_.at("m1").findings.emplace_back();
    finding.set_code(code);
    finding.set_severity(severity);
  }
  std::vector<std::string> Troubles() { return TroublesOf(remediation_, fleet_); }

  bool dead_ = false;
  SimulatedFleet fleet_{dead_};
  v1::Remediation remediation_;
};

TEST_F(HealthTest, OldAndSmallTroublesAreNone) {
  Find("OLD_TROUBLE");
  Find("NEW_WARNING", v1::SEVERITY_WARNING);
  EXPECT_THAT(Troubles(), IsEmpty());
}

TEST_F(HealthTest, EachConditionIsSaidIfItIsAskedFor) {
  Find("BROKEN");
  EXPECT_THAT(Troubles(), ElementsAre("pc-1 shows again BROKEN"));
  fleet_.at("m1").findings.clear();
  Find("CLIENT_UNLICENSED");
  EXPECT_THAT(Troubles(), ElementsAre("pc-1 has now CLIENT_UNLICENSED"));
  fleet_.at("m1").info.connected = false;
  EXPECT_THAT(Troubles(), ElementsAre("pc-1 has lost its agent"));
  remediation_.mutable_policy()->clear_health();
  remediation_.mutable_policy()->add_health(v1::HEALTH_CONDITION_STAYS_CURED);
  EXPECT_THAT(Troubles(), IsEmpty());
}

TEST_F(HealthTest, OnlyWhatWasTreatedCounts) {
  Find("BROKEN");
  for (const auto state :
       {v1::TARGET_STATE_PENDING, v1::TARGET_STATE_FAILED, v1::TARGET_STATE_NO_CHANGE}) {
    remediation_.mutable_targets(0)->set_state(state);
    EXPECT_THAT(Troubles(), IsEmpty());
  }
}

}  // namespace
}  // namespace keymedic::controller
