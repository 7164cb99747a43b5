// SPDX-License-Identifier: Apache-2.0
#include "plugins/roles/action.h"

#include <gtest/gtest.h>

namespace keymedic::roles {
namespace {

// A machine with one setting; what the runner does to it is counted.
struct Setting {
  std::string present = "old";
  systems::Hresult refusal = 0;
  absl::Status seam;
  bool takes_effect = true;
  int looks = 0, applied = 0;

  absl::StatusOr<Plan> Look() {
    ++looks;
    if (!seam.ok()) return seam;
    Plan plan;
    if (present != "new") {
      plan.Add("setting", present, "new");
      plan.SetInverse("ensure_setting", {{"value", present}});
    }
    plan.apply = [this]() -> absl::StatusOr<systems::Hresult> {
      ++applied;
      if (refusal == 0 && takes_effect) present = "new";
      return refusal;
    };
    return plan;
  }
  v1::CommandResult Run(v1::Mode mode, const std::string& digest = "") {
    v1::Command command;
    command.set_id("c-1");
    command.set_mode(mode);
    command.set_expected_check_digest(digest);
    return RunLook(command, [this] { return Look(); });
  }
};

TEST(ActionTest, CheckSaysWhatApplyThenDoes) {
  Setting setting;
  const auto check = setting.Run(v1::MODE_CHECK);
  EXPECT_EQ(check.command_id(), "c-1");
  EXPECT_EQ(check.outcome(), v1::OUTCOME_WOULD_CHANGE);
  EXPECT_EQ(setting.applied, 0);
  EXPECT_EQ(check.check_digest().size(), 64u);
  EXPECT_EQ(check.inverse().action(), "ensure_setting");

  const auto apply = setting.Run(v1::MODE_APPLY, check.check_digest());
  EXPECT_EQ(apply.outcome(), v1::OUTCOME_CHANGED) << apply.message();
  EXPECT_EQ(setting.applied, 1);
  EXPECT_EQ(setting.looks, 3) << "and it looked again after";
  ASSERT_EQ(apply.changes_size(), 1);
  EXPECT_EQ(apply.changes(0).before(), "old");
  EXPECT_EQ(apply.changes(0).after(), "new");
  EXPECT_EQ(apply.inverse().params().at("value"), "old");

  EXPECT_EQ(setting.Run(v1::MODE_CHECK).outcome(), v1::OUTCOME_NO_CHANGE);
  EXPECT_EQ(setting.Run(v1::MODE_APPLY).outcome(), v1::OUTCOME_NO_CHANGE);
  EXPECT_EQ(setting.applied, 1);
}

TEST(ActionTest, AMachineThatDriftedIsLeftAlone) {
  Setting setting;
  const std::string digest = setting.Run(v1::MODE_CHECK).check_digest();
  setting.present = "something else";
  const auto apply = setting.Run(v1::MODE_APPLY, digest);
  EXPECT_EQ(apply.outcome(), v1::OUTCOME_REFUSED);
  EXPECT_NE(apply.message().find("drifted"), std::string::npos);
  EXPECT_EQ(setting.applied, 0);
  setting.present = "new";
  EXPECT_EQ(setting.Run(v1::MODE_APPLY, digest).outcome(), v1::OUTCOME_NO_CHANGE)
      << "what is there already needs nothing done";
}

TEST(ActionTest, ARefusalCarriesItsCodeAndNoInverse) {
  Setting setting;
  setting.refusal = 0xC004F069;
  const auto apply = setting.Run(v1::MODE_APPLY);
  EXPECT_EQ(apply.outcome(), v1::OUTCOME_FAILED);
  EXPECT_EQ(apply.error_code(), 0xC004F069u);
  EXPECT_NE(apply.message().find("0xC004F069"), std::string::npos);
  EXPECT_FALSE(apply.has_inverse());
}

TEST(ActionTest, WhatTookNoEffectIsNotCalledDone) {
  Setting setting;
  setting.takes_effect = false;
  const auto apply = setting.Run(v1::MODE_APPLY);
  EXPECT_EQ(apply.outcome(), v1::OUTCOME_FAILED);
  EXPECT_NE(apply.message().find("'old' -> 'new'"), std::string::npos) << apply.message();
}

TEST(ActionTest, NothingIsDoneUnseen) {
  Setting setting;
  setting.seam = absl::UnavailableError("the service does not answer");
  EXPECT_EQ(setting.Run(v1::MODE_APPLY).outcome(), v1::OUTCOME_FAILED);
  setting.seam = absl::InvalidArgumentError("no such port");
  EXPECT_EQ(setting.Run(v1::MODE_APPLY).outcome(), v1::OUTCOME_REFUSED);
  setting.seam = absl::OkStatus();
  EXPECT_EQ(setting.Run(v1::MODE_UNSPECIFIED).outcome(), v1::OUTCOME_REFUSED);
  EXPECT_EQ(setting.applied, 0);
}

TEST(ActionTest, AKeyInAMessageIsCutDown) {
  Setting setting;
  setting.seam = absl::UnavailableError("cannot install ABCDE-FGHJK-MNPQR-TVWXY-2346B");
  const auto apply = setting.Run(v1::MODE_APPLY);
  EXPECT_EQ(apply.message().find("ABCDE"), std::string::npos) << apply.message();
  EXPECT_NE(apply.message().find("2346B"), std::string::npos);
}

TEST(ActionTest, ParametersSayWhatTheyMayBe) {
  v1::Command command;
  command.set_action("ensure_x");
  EXPECT_TRUE(*BoolParam(command, "enabled", true));
  EXPECT_EQ(*NumberParam(command, "port", 1688, 1, 65535), 1688u);
  (*command.mutable_params())["enabled"] = "False";
  EXPECT_FALSE(*BoolParam(command, "enabled", true));
  (*command.mutable_params())["enabled"] = "yes";
  EXPECT_TRUE(absl::IsInvalidArgument(BoolParam(command, "enabled", true).status()));
  for (const char* bad : {"0", "65536", "-1", "port", "1688x", ""}) {
    (*command.mutable_params())["port"] = bad;
    EXPECT_TRUE(absl::IsInvalidArgument(NumberParam(command, "port", 1688, 1, 65535).status()))
        << bad;
  }
}

}  // namespace
}  // namespace keymedic::roles
