// SPDX-License-Identifier: Apache-2.0
//
// A host key on its way: in the commands that need it, and in nothing that is kept.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controller/remediation/manager_testing.h"

namespace keymedic::controller {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr char kKey[] = "AAAAA-BBBBB-CCCCC-DDDDD-22222";

// "CHECK ensure_host_key with its key", in the order in which they were sent.
std::vector<std::string> Sent(const Controller& controller) {
  std::vector<std::string> lines;
  for (const v1::Command& command : controller.fleet.commands) {
    const auto key = command.secrets().find("key");
    lines.push_back(absl::StrCat(command.mode() == v1::MODE_CHECK ? "CHECK " : "APPLY ",
                                 command.action(),
                                 key == command.secrets().end() ? ""
                                 : key->second == kKey          ? " with its key"
                                                                : " with ?"));
  }
  return lines;
}

void ExpectNothingKept(Controller& controller) {
  for (int table = 0; table <= static_cast<int>(Table::kSecrets); ++table) {
    const auto rows = controller.store.Scan(static_cast<Table>(table), "", "", SIZE_MAX);
    ASSERT_TRUE(rows.ok()) << rows.status();
    for (const Row& row : *rows) {
      EXPECT_THAT(row.key + row.value, Not(HasSubstr("DDDDD"))) << "table " << table;
    }
  }
  for (const std::string& line : controller.audit) EXPECT_THAT(line, Not(HasSubstr("DDDDD")));
}

class ManagerSecretsTest : public ::testing::Test {
 protected:
  ManagerSecretsTest() {
    controller_.fleet.Add("h1", "kms_host", "HOST_KEY_MISMATCH", {"ensure_host_key", "activate"});
    controller_.host_keys["h1"] = kKey;
  }
  v1::Remediation Plan() {
    const absl::StatusOr<v1::Remediation> plan = controller_.Plan("all");
    EXPECT_TRUE(plan.ok() && plan->targets_size() == 1) << plan.status();
    return plan.value_or(v1::Remediation());
  }
  Controller controller_;
};

TEST_F(ManagerSecretsTest, GoIntoTheCommandsThatNeedThemAndStayNowhere) {
  const v1::Remediation plan = Plan();
  EXPECT_THAT(plan.SerializeAsString(), Not(HasSubstr("DDDDD")));
  controller_.Start(plan);
  controller_.RunAll();
  const v1::Remediation end = controller_.Get(plan.name());
  EXPECT_EQ(end.state(), v1::REMEDIATION_STATE_SUCCEEDED) << end.ShortDebugString();
  EXPECT_THAT(end.SerializeAsString(), Not(HasSubstr("DDDDD")));
  EXPECT_THAT(Sent(controller_),
              ElementsAre("CHECK ensure_host_key with its key",
                          "APPLY ensure_host_key with its key", "APPLY activate"));
  ExpectNothingKept(controller_);
}

TEST_F(ManagerSecretsTest, AreSentAgainAfterARestartInTheMiddle) {
  const v1::Remediation plan = Plan();
  controller_.Start(plan);
  controller_.executor.RunReady();  // APPLY has left
  ASSERT_THAT(Sent(controller_).back(), "APPLY ensure_host_key with its key");
  controller_.Restart();  // and is lost
  ExpectNothingKept(controller_);
  controller_.RunAll();
  EXPECT_EQ(controller_.Get(plan.name()).state(), v1::REMEDIATION_STATE_SUCCEEDED);
  EXPECT_EQ(controller_.fleet.effects.at("h1 ensure_host_key"), 1);
  for (const std::string& line : Sent(controller_)) {
    if (line.find("ensure_host_key") == std::string::npos) continue;
    EXPECT_THAT(line, HasSubstr("with its key"));
  }
  ExpectNothingKept(controller_);
}

TEST_F(ManagerSecretsTest, AKeyThatWasRemovedMeanwhileEndsInARefusal) {
  const v1::Remediation plan = Plan();
  controller_.host_keys.clear();
  controller_.Start(plan);
  controller_.RunAll();
  const v1::Remediation end = controller_.Get(plan.name());
  EXPECT_EQ(end.targets(0).state(), v1::TARGET_STATE_FAILED);
  EXPECT_THAT(end.targets(0).message(), HasSubstr("it came without a key"));
  EXPECT_THAT(controller_.fleet.effects, IsEmpty());
}

TEST_F(ManagerSecretsTest, WithoutAKeyTheMachineIsNotEvenAsked) {
  controller_.host_keys.clear();
  const absl::StatusOr<v1::Remediation> plan = controller_.Plan("all");
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->targets_size(), 0);
  EXPECT_THAT(plan->untreatable(0).why_untreatable(),
              HasSubstr("keymedic host-keys set --host name-h1"));
  EXPECT_THAT(Sent(controller_), IsEmpty());
}

}  // namespace
}  // namespace keymedic::controller
