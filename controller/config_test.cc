// SPDX-License-Identifier: Apache-2.0
#include "controller/config.h"

#include <gmock/gmock.h>

#include <cstdlib>

#include "base/files.h"

namespace keymedic::controller {
namespace {

class ConfigTest : public testing::Test {
 protected:
  ConfigTest() : directory_(testing::TempDir() + "config_XXXXXX") {
    EXPECT_NE(mkdtemp(directory_.data()), nullptr);
  }
  absl::StatusOr<ServerOptions> Load(const std::string& text) {
    EXPECT_TRUE(WriteFileAtomically(directory_ + "/controller.toml", text).ok());
    return LoadConfig({.data_dir = directory_});
  }
  std::string directory_;
};

TEST_F(ConfigTest, DefaultsWithoutAFileAndWithTheOneThatInitWrites) {
  EXPECT_EQ(LoadConfig({.data_dir = directory_})->listen, "0.0.0.0:7443");
  EXPECT_EQ(Load(DefaultConfig())->certificate_lifetime, absl::Hours(24));
  EXPECT_EQ(Load(DefaultConfig())->recovery_grace, absl::Hours(720));
}

TEST_F(ConfigTest, ReadsWhatIsSet) {
  const auto options = Load(
      "listen = \"[::]:9\"\ncertificate_lifetime = \"12h\"\nrecovery_grace = \"48h\"\n"
      "heartbeat_interval = \"5s\"\ncollect_interval = \"1m\"\n");
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_EQ(options->listen, "[::]:9");
  EXPECT_EQ(options->certificate_lifetime, absl::Hours(12));
  EXPECT_EQ(options->recovery_grace, absl::Hours(48));
  EXPECT_EQ(options->fleet.heartbeat_interval, absl::Seconds(5));
  EXPECT_EQ(options->fleet.collect_interval, absl::Minutes(1));
}

TEST_F(ConfigTest, ThePackagedFileSaysWhereTheEstateIsAndTheCommandLineGoesBeforeIt) {
  EXPECT_EQ(ConfigPlace().file(), "/etc/keymedic/controller.toml");
  const std::string file = directory_ + "/elsewhere.toml";
  EXPECT_EQ(LoadConfig({.config_file = file}).status().code(), absl::StatusCode::kNotFound);
  ASSERT_TRUE(WriteFileAtomically(file, "data_dir = \"/srv/estate\"\n").ok());
  EXPECT_EQ(LoadConfig({.config_file = file})->data_dir, "/srv/estate");
  EXPECT_EQ(LoadConfig({.config_file = file, .data_dir = "/other"})->data_dir, "/other");
  EXPECT_EQ(Load("")->data_dir, directory_);
}

TEST_F(ConfigTest, NamesFileLineOrKeyOfAMistake) {
  for (const auto& [text, said] : std::vector<std::pair<std::string, std::string>>{
           {"listen =", ":1:"},
           {"listne = \"x:1\"", "listne"},
           {"listen = 7443", "HOST:PORT"},
           {"data_dir = \"estate\"", "begins with /"},
           {"certificate_lifetime = \"soon\"", "soon"},
           {"certificate_lifetime = \"1s\"", "1m"},
           {std::string("\0\xff\x01", 3), "controller.toml"}}) {
    const auto options = Load(text);
    EXPECT_EQ(options.status().code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_THAT(std::string(options.status().message()), testing::HasSubstr(said));
  }
}

}  // namespace
}  // namespace keymedic::controller
