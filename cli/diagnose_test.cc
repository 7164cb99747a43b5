// SPDX-License-Identifier: Apache-2.0
#include "cli/diagnose.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "base/temp_dir_testing.h"
#include "nlohmann/json.hpp"

namespace keymedic::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using Json = nlohmann::ordered_json;

constexpr char kUnlicensed[] =
    "Name: Windows(R), Enterprise edition\n"
    "Description: Windows(R) Operating System, VOLUME_KMSCLIENT channel\n"
    "Partial Product Key: 2YT43\n"
    "License Status: Notification\n"
    "Notification Reason: 0xC004F056.\n";

class FixedClock final : public Clock {
 public:
  absl::Time Now() const override { return absl::FromUnixSeconds(1790000000); }
};

class DiagnoseTest : public testing::Test {
 protected:
  DiagnoseTest() : directory_(MakeTempDir("diagnose")) {}
  std::string Write(const std::string& name, const std::string& content) {
    const std::string path = directory_ + "/" + name;
    std::ofstream(path, std::ios::binary) << content;
    return path;
  }
  int Run(std::vector<std::string> files, bool json = false, const std::string& input = "") {
    std::istringstream in(input);
    out_.str("");
    err_.str("");
    return RunDiagnose({std::move(files), json, false}, in, out_, err_, FixedClock());
  }
  Json RunJson(std::vector<std::string> files, const std::string& input = "") {
    Run(std::move(files), true, input);
    return Json::parse(out_.str(), nullptr, false);
  }

  const std::string directory_;
  std::ostringstream out_, err_;
};

TEST_F(DiagnoseTest, LabelsOfTheMachineExplainItsLanguage) {
  DiagnoseOptions options;
  options.files = {Write("dlv.txt",
                         "Nimo: Windows(R), Enterprise edition\n"
                         "Kuvo: Windows(R) Operating System, VOLUME_KMSCLIENT channel\n"
                         "Tilo: Kunnoton\n")};
  options.labels = {Write("slmgr.ini", "L_MsgLicenseStatusUnlicensed_1=\"Tilo: Kunnoton\"\n")};
  std::istringstream in;
  EXPECT_EQ(RunDiagnose(options, in, out_, err_, FixedClock()), 0);
  EXPECT_NE(out_.str().find("PROBLEMS"), std::string::npos) << out_.str();
  options.labels = {Write("other.ini", "a=b\n")};
  EXPECT_EQ(RunDiagnose(options, in, out_, err_, FixedClock()), 2);
  EXPECT_NE(err_.str().find("other.ini"), std::string::npos);
}

TEST_F(DiagnoseTest, NoFileIsUsage) {
  EXPECT_EQ(Run({}), 2);
  EXPECT_EQ(out_.str(), "");
  EXPECT_THAT(err_.str(), HasSubstr("no file"));
}

TEST_F(DiagnoseTest, JsonHasTheContractsKeysInOrder) {
  const Json answer = RunJson({Write("dlv.txt", kUnlicensed)});
  ASSERT_TRUE(answer.is_object());
  std::vector<std::string> keys;
  for (const auto& [key, value] : answer.items()) keys.push_back(key);
  EXPECT_THAT(keys, testing::ElementsAre("verdict", "findings", "unread"));
  EXPECT_EQ(answer["verdict"], "PROBLEMS");
  ASSERT_FALSE(answer["findings"].empty());
  keys.clear();
  for (const auto& [key, value] : answer["findings"][0].items()) keys.push_back(key);
  EXPECT_THAT(keys, testing::ElementsAre("code", "severity", "subject", "title", "explanation",
                                         "evidence", "treatments"));
  EXPECT_EQ(answer["findings"][0]["severity"], "critical");
  EXPECT_TRUE(answer["findings"][0]["evidence"][0].contains("source"));
  EXPECT_TRUE(answer["unread"].empty());
}

TEST_F(DiagnoseTest, ReadsStandardInput) {
  EXPECT_EQ(Run({"-"}, false, kUnlicensed), 0);
  EXPECT_THAT(out_.str(), HasSubstr("PROBLEMS"));
  EXPECT_THAT(out_.str(), HasSubstr("standard input"));
  EXPECT_THAT(out_.str(), Not(HasSubstr("\033")));
}

TEST_F(DiagnoseTest, WhatIsNoEvidenceIsNamedAndTheRestDiagnosed) {
  const std::string empty = Write("empty.txt", "");
  const std::string missing = directory_ + "/missing.txt";
  EXPECT_EQ(Run({empty, Write("dlv.txt", kUnlicensed), missing}, true), 1);
  EXPECT_THAT(err_.str(), HasSubstr(empty + ": the file is empty"));
  EXPECT_THAT(err_.str(), HasSubstr(missing));
  const Json answer = Json::parse(out_.str(), nullptr, false);
  EXPECT_EQ(answer["verdict"], "PROBLEMS");
  ASSERT_EQ(answer["unread"].size(), 2u);
  EXPECT_EQ(answer["unread"][0]["file"], empty);
  EXPECT_EQ(answer["unread"][0]["line"], 0);
}

TEST_F(DiagnoseTest, BytesThatAreNoUtf8StayPrintable) {
#ifdef _WIN32
  const std::string name = "any.txt";  // names are text there
#else
  const std::string name =
      "b\xE4"
      "d.txt";
#endif
  const Json answer = RunJson({Write(name, std::string(kUnlicensed) + "\xE4\xFF\n")});
  EXPECT_EQ(answer["verdict"], "PROBLEMS");
}

TEST_F(DiagnoseTest, KeysAreNeverShownWhole) {
  const std::string with_key =
      std::string(
          "Error: 0xC004F050 The key NPPR9-FWDCX-D2C8J-H872K-2YT43 is invalid\n"
          "Current count: NPPR9-FWDCX-D2C8J-H872K-2YT43\n") +
      kUnlicensed;
  for (bool json : {false, true}) {
    Run({Write("NPPR9-FWDCX-D2C8J-H872K-2YT43.txt", with_key)}, json);
    EXPECT_THAT(out_.str() + err_.str(), Not(HasSubstr("NPPR9-FWDCX")));
  }
}

TEST_F(DiagnoseTest, AnUnreadableLineIsShownAndIsNoFailure) {
  EXPECT_EQ(
      Run({Write("dlv.txt", std::string(kUnlicensed) + "Remaining Windows rearm count: many\n")}),
      0);
  EXPECT_THAT(out_.str(), HasSubstr("dlv.txt:6: "));
  EXPECT_EQ(err_.str(), "");
}

}  // namespace
}  // namespace keymedic::cli
