// SPDX-License-Identifier: Apache-2.0
#include "packaging/windows/install_settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace keymedic::installer {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kToken[] = "km1.abc.0123";

std::string Controller(const std::string& given) {
  const auto settings = CheckSettings({given, kToken, "", ""});
  return settings.ok() ? settings->controller : std::string(settings.status().message());
}

TEST(InstallSettings, AControllerHasAPort) {
  EXPECT_EQ(Controller("keymedic.example"), "keymedic.example:7443");
  EXPECT_EQ(Controller(" keymedic.example:443 "), "keymedic.example:443");
  EXPECT_EQ(Controller("127.0.0.1"), "127.0.0.1:7443");
  EXPECT_EQ(Controller("[2001:db8::1]"), "[2001:db8::1]:7443");
  EXPECT_EQ(Controller("[2001:db8::1]:443"), "[2001:db8::1]:443");
}

TEST(InstallSettings, WhatIsNoControllerIsSaidWithItsRemedy) {
  for (const char* wrong :
       {"2001:db8::1", "[2001:db8::1", "[]", "[host]:1", "host:", "host:0", "host:65536", "host:x",
        ":7443", "https://host", "host/path", "host name", "[::1]7443"}) {
    EXPECT_THAT(Controller(wrong), HasSubstr("write HOST or HOST:PORT")) << wrong;
  }
}

TEST(InstallSettings, ControllerAndTokenComeTogether) {
  EXPECT_THAT(std::string(CheckSettings({"host", "", "", ""}).status().message()),
              HasSubstr("KEYMEDIC_CONTROLLER is given without KEYMEDIC_TOKEN"));
  EXPECT_THAT(std::string(CheckSettings({" ", kToken, "", ""}).status().message()),
              HasSubstr("KEYMEDIC_TOKEN is given without KEYMEDIC_CONTROLLER"));
  EXPECT_TRUE(CheckSettings({"", "", "berlin", "pc-017"}).ok());
  EXPECT_TRUE(CheckSettings({}).ok());
}

TEST(InstallSettings, NoErrorRepeatsTheToken) {
  for (const char* wrong :
       {"abc.secret", "km1.secret\nx", "km1.sec\"ret", "km2.secret", "secret"}) {
    const auto settings = CheckSettings({"host", wrong, "", ""});
    ASSERT_FALSE(settings.ok()) << wrong;
    const std::string message(settings.status().message());
    EXPECT_THAT(message, HasSubstr("KEYMEDIC_TOKEN"));
    EXPECT_THAT(message, Not(HasSubstr("sec")));
  }
}

TEST(InstallSettings, TextsHaveALengthAndNoControlCharacters) {
  EXPECT_FALSE(CheckSettings({"", "", std::string(513, 'x'), ""}).ok());
  EXPECT_FALSE(CheckSettings({"", "", "", "a\nb"}).ok());
  EXPECT_FALSE(CheckSettings({std::string(513, 'x'), kToken, "", ""}).ok());
}

TEST(InstallSettings, TravelUnchanged) {
  const InstallSettings settings{"host:1", kToken, "Büro, \"West\"", ""};
  const InstallSettings arrived = Unpack(Pack(settings));
  EXPECT_EQ(arrived.controller, settings.controller);
  EXPECT_EQ(arrived.token, settings.token);
  EXPECT_EQ(arrived.group, settings.group);
  EXPECT_EQ(arrived.name, "");
  EXPECT_EQ(Unpack("").token, "");
}

TEST(InstallSettings, BecomeFilesForTheAgent) {
  const InstallSettings settings{"host:1", kToken, "Büro \"West\" \\ 3", "pc-017"};
  EXPECT_THAT(EnrolmentFile(settings),
              HasSubstr("\ncontroller = \"host:1\"\ntoken = \"km1.abc.0123\"\n"));
  EXPECT_THAT(AgentFile(settings),
              HasSubstr("name = \"pc-017\"\n\n[labels]\ngroup = \"Büro \\\"West\\\" \\\\ 3\"\n"));
  EXPECT_THAT(AgentFile(settings), Not(HasSubstr("km1")));
  EXPECT_EQ(EnrolmentFile({"", "", "berlin", ""}), "");
  EXPECT_EQ(AgentFile({"host:1", kToken, "", ""}), "");
}

TEST(InstallSettings, EachRunKnowsItsOwnFiles) {
  const std::string one = EnrolmentFile({"host:1", kToken, "", "", "run-1"});
  const std::string again = EnrolmentFile({"host:1", kToken, "", "", "run-2"});
  EXPECT_NE(one, again);
  EXPECT_TRUE(DifferOnlyInMark(one, again));
  EXPECT_FALSE(DifferOnlyInMark(one, EnrolmentFile({"host:2", kToken, "", "", "run-1"})));
  EXPECT_FALSE(DifferOnlyInMark("", ""));
  EXPECT_EQ(Unpack(Pack({"host:1", kToken, "", "", "run-1"})).mark, "run-1");
}

}  // namespace
}  // namespace keymedic::installer
