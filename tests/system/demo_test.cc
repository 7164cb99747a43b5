// SPDX-License-Identifier: Apache-2.0
//
// The demonstration, whole: 200 machines, from finding to verification; and once more with its
// controller killed in the middle, which must end in the same table.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/files.h"
#include "kms/tables.h"
#include "tests/system/harness.h"

namespace keymedic::testing {
namespace {

std::vector<std::string> DemoCommand(const Workspace& workspace) {
  return {
      Bin("keymedic"),      "lab", "up", Source("lab/estates/contoso.textproto"), "--json", "--dir",
      workspace.Path("lab")};
}

// The closing table of contoso's estate, which must be the same however the run went: 22 causes on
// 68 machines, and in the end only the one that no treatment can fix.
void ExpectTheJobDone(const nlohmann::json& figures) {
  ASSERT_TRUE(figures.is_object());
  EXPECT_EQ(figures["machines"], 200);
  EXPECT_EQ(figures["problems_before"], 22);
  EXPECT_EQ(figures["machines_affected_before"], 68);
  // Some clients may renew by themselves before their turn comes.
  EXPECT_GE(figures["treated"], 40);
  EXPECT_EQ(figures["failed"], 0);
  EXPECT_EQ(figures["problems_left"], 1);
  ASSERT_EQ(figures["left"].size(), 1u) << figures;
  const auto& left = figures["left"][0];
  EXPECT_EQ(left["code"], "HOST_DNS_PUBLISH_FAILED");
  EXPECT_NE(left["why"], "");
  const kms::FindingRow* row = kms::FindFinding(left["code"].get<std::string>());
  ASSERT_NE(row, nullptr);
  EXPECT_TRUE(row->treatments.empty()) << "what has a treatment must not be left";
}

TEST(Demo, FindsTreatsAndVerifies) {
  Workspace workspace;
  const Output demo = workspace.Run(DemoCommand(workspace));
  ASSERT_EQ(demo.exit_code, 0) << demo.out << demo.err << workspace.Log("lab/controller.log");
  ExpectTheJobDone(demo.LastLine());
}

TEST(Demo, AControllerKilledInTheMiddleEndsInTheSameTable) {
  Workspace workspace;
  auto demo = workspace.Start(DemoCommand(workspace), "demo.log");
  // The progress lines of the rollout say that it is under way.
  ASSERT_TRUE(
      Eventually([&] { return workspace.Log("demo.log").find("wave 1") != std::string::npos; },
                 absl::Minutes(2)))
      << workspace.Log("demo.log");
  int pid = 0;
  ASSERT_TRUE(absl::SimpleAtoi(ReadFile(workspace.Path("lab/controller.pid")).value_or(""), &pid));
  ASSERT_EQ(kill(pid, SIGKILL), 0);
  std::string ended;
  ASSERT_TRUE(Eventually([&] { return !(ended = demo->Ended()).empty(); }, absl::Minutes(4)))
      << workspace.Log("demo.log");
  Output output;
  output.out = workspace.Log("demo.log");
  EXPECT_THAT(output.out, ::testing::HasSubstr("starting it again"));
  EXPECT_THAT(ended, ::testing::HasSubstr("exit code 0")) << output.out;
  ExpectTheJobDone(output.LastLine());
}

}  // namespace
}  // namespace keymedic::testing
