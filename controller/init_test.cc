// SPDX-License-Identifier: Apache-2.0
#include "controller/init.h"

#include <gmock/gmock.h>

#include <filesystem>

#include "base/files.h"
#include "base/temp_dir_testing.h"
#include "controller/trust/authority.h"

namespace keymedic::controller {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class InitTest : public testing::Test {
 protected:
  ~InitTest() override { std::filesystem::remove_all(directory_); }

  absl::Status Init(bool if_needed, std::vector<std::string> names = {"kc.example"}) {
    testing::internal::CaptureStdout();
    const absl::Status status = InitializeEstate(place_, std::move(names), if_needed);
    said_ = testing::internal::GetCapturedStdout();
    return status;
  }

  const std::string directory_ = MakeTempDir("init_test");
  ConfigPlace place_{.data_dir = directory_ + "/estate"};
  std::string said_;
};

TEST_F(InitTest, IfNeededMakesItOnceAndSaysWhatIsNextInOneLine) {
  ASSERT_EQ(Init(/*if_needed=*/true), absl::OkStatus());
  EXPECT_THAT(said_, AllOf(HasSubstr("--controller kc.example:7443"), HasSubstr("tokens create")));
  EXPECT_EQ(said_.find('\n'), said_.size() - 1);
  const std::string ca = Authority::Load(place_.data_dir)->ca_pem();
  ASSERT_EQ(Init(/*if_needed=*/true), absl::OkStatus());
  EXPECT_EQ(said_, "");
  EXPECT_EQ(Authority::Load(place_.data_dir)->ca_pem(), ca);
  EXPECT_TRUE(absl::IsAlreadyExists(Init(/*if_needed=*/false)));
}

TEST_F(InitTest, AnEstateThatIsNotWholeIsNeverTakenForOne) {
  ASSERT_EQ(Init(/*if_needed=*/true), absl::OkStatus());
  std::filesystem::remove(place_.data_dir + "/ca.crt");
  const absl::Status status = Init(/*if_needed=*/true);
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(std::string(status.message()), HasSubstr("ca.crt"));
  EXPECT_TRUE(ReadFile(place_.data_dir + "/ca.key").ok());
}

TEST_F(InitTest, NamesTheMachineByItselfAndLeavesSettingsThatAreThere) {
  std::filesystem::create_directories(place_.data_dir);
  ASSERT_TRUE(WriteFileAtomically(place_.file(), "listen = \"[::]:8443\"\n").ok());
  ASSERT_EQ(Init(/*if_needed=*/false, {}), absl::OkStatus());
  EXPECT_THAT(said_, AllOf(HasSubstr(":8443 "), HasSubstr("run --data-dir ")));
  EXPECT_EQ(*ReadFile(place_.file()), "listen = \"[::]:8443\"\n");
}

TEST_F(InitTest, ThePackagedSettingsSayWhere) {
  const std::string file = directory_ + "/controller.toml";
  ASSERT_TRUE(WriteFileAtomically(file, "data_dir = \"" + directory_ + "/there\"\n").ok());
  place_ = {.config_file = file};
  ASSERT_EQ(Init(/*if_needed=*/true), absl::OkStatus());
  EXPECT_TRUE(Authority::Load(directory_ + "/there").ok());
  EXPECT_FALSE(std::filesystem::exists(directory_ + "/there/controller.toml"));
}

}  // namespace
}  // namespace keymedic::controller
