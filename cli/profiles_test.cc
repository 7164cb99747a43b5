// SPDX-License-Identifier: Apache-2.0
#include "cli/profiles.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "base/files.h"
#include "base/temp_dir_testing.h"

namespace keymedic::cli {
namespace {

class ProfilesTest : public ::testing::Test {
 protected:
  ProfilesTest() : dir_(MakeTempDir("profiles_test")) {
    for (const char* name : {"KEYMEDIC_CONTROLLER", "KEYMEDIC_CA", "KEYMEDIC_CERT", "KEYMEDIC_KEY",
                             "KEYMEDIC_PROFILE"})
      Set(name, "");
    Set("XDG_CONFIG_HOME", dir_);
  }
  ~ProfilesTest() override {
    Set("KEYMEDIC_CONTROLLER", "");
    std::filesystem::remove_all(dir_);
  }
  // Empty counts as not set.
  static void Set(const char* name, const std::string& value) {
#ifdef _WIN32
    _putenv_s(name, value.c_str());
#else
    setenv(name, value.c_str(), 1);
#endif
  }
  static Profile Berlin() {
    return {"berlin.example:7443", "/ca \"quoted\".pem", "/c.pem", "/k.pem"};
  }
  const std::string dir_;
};

TEST_F(ProfilesTest, TheFirstBecomesTheDefaultAndSurvives) {
  auto profiles = Profiles::Load(ProfilesPath());
  ASSERT_TRUE(profiles.ok()) << profiles.status();
  ASSERT_TRUE(profiles->Add("berlin", Berlin()).ok());
  ASSERT_TRUE(profiles->Add("lab", {"localhost:1", "a", "b", "c"}).ok());
  ASSERT_TRUE(profiles->Save().ok());
  auto found = FindProfile("");
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(found->controller, "berlin.example:7443");
  EXPECT_EQ(found->ca, "/ca \"quoted\".pem");
  EXPECT_EQ(FindProfile("lab")->controller, "localhost:1");
}

TEST_F(ProfilesTest, ErrorsSayWhatToDo) {
  EXPECT_NE(FindProfile("").status().message().find("keymedic profile add"),
            absl::string_view::npos);
  auto profiles = Profiles::Load(ProfilesPath());
  ASSERT_TRUE(profiles->Add("berlin", Berlin()).ok());
  ASSERT_TRUE(profiles->Save().ok());
  EXPECT_NE(FindProfile("berln").status().message().find("did you mean 'berlin'"),
            absl::string_view::npos);
  Set("KEYMEDIC_CONTROLLER", "x:1");
  EXPECT_EQ(FindProfile("").status().code(), absl::StatusCode::kInvalidArgument)
      << "half an environment is an error";
}

TEST_F(ProfilesTest, ADamagedFileIsNamedWithItsLine) {
  ASSERT_TRUE(MakeDirectories(dir_ + "/keymedic").ok());
  ASSERT_TRUE(WriteFileAtomically(ProfilesPath(), "default = \"x\"\n[profiles\n").ok());
  const absl::Status status = FindProfile("").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(status.message().find("line 2"), absl::string_view::npos) << status;
}

}  // namespace
}  // namespace keymedic::cli
