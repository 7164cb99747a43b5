// SPDX-License-Identifier: Apache-2.0
//
// `keymedic` as a person meets it: help, typos, exit codes, captured evidence.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "base/files.h"
#include "tests/system/harness.h"

namespace keymedic::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

class CommandTest : public ::testing::Test {
 protected:
  Output Keymedic(std::vector<std::string> arguments) {
    return workspace_.Keymedic(std::move(arguments));
  }
  std::string Capture(const std::string& name) { return Source("tests/captures/" + name); }
  Workspace workspace_;
};

TEST_F(CommandTest, HelpStartsWithExamples) {
  for (std::vector<std::string> noun : {std::vector<std::string>{},
                                        {"machines"},
                                        {"findings"},
                                        {"estate"},
                                        {"remediations"},
                                        {"host-keys"},
                                        {"tokens"},
                                        {"audit"},
                                        {"profile"},
                                        {"lab"},
                                        {"diagnose"},
                                        {"doctor"}}) {
    noun.push_back("--help");
    const Output help = Keymedic(noun);
    EXPECT_EQ(help.exit_code, 0) << help.err;
    EXPECT_THAT(help.out, StartsWith("Examples:")) << noun[0];
  }
}

TEST_F(CommandTest, TyposGetASuggestionAndUsageIsTwo) {
  const Output noun = Keymedic({"mahcines", "list"});
  EXPECT_EQ(noun.exit_code, 2);
  EXPECT_THAT(noun.err, HasSubstr("did you mean 'machines'"));
  const Output verb = Keymedic({"findings", "lst"});
  EXPECT_EQ(verb.exit_code, 2);
  EXPECT_THAT(verb.err, HasSubstr("did you mean 'list'"));
  EXPECT_EQ(Keymedic({}).exit_code, 2);
  EXPECT_EQ(Keymedic({"diagnose"}).exit_code, 2);
  EXPECT_EQ(Keymedic({"machines", "list", "--output", "xml"}).exit_code, 2);
}

TEST_F(CommandTest, WithoutAControllerTheErrorSaysWhatToDo) {
  const Output list = Keymedic({"machines", "list"});
  EXPECT_EQ(list.exit_code, 1);
  EXPECT_THAT(list.err, HasSubstr("keymedic profile add"));
}

TEST_F(CommandTest, ExplainsFindingsAndErrorsInAnyForm) {
  EXPECT_THAT(Keymedic({"findings", "explain", "client_key_not_gvlk"}).out,
              HasSubstr("CLIENT_KEY_NOT_GVLK"));
  for (const char* code :
       {"0xC004F074", "c004f074", "3221549172", "-1073418124", "(0xc004f074)", "0xC004F074, "}) {
    const Output output = Keymedic({"findings", "explain", code});
    EXPECT_EQ(output.exit_code, 0) << code << output.err;
    EXPECT_THAT(output.out, HasSubstr("0xC004F074")) << code;
    EXPECT_THAT(output.out, HasSubstr("CLIENT_HOST_UNREACHABLE")) << code;
  }
  const Output unknown = Keymedic({"findings", "explain", "0x800706C1", "--output", "json"});
  EXPECT_EQ(unknown.exit_code, 1);
  EXPECT_EQ(unknown.Json()["known"], false) << unknown.out;
  EXPECT_EQ(Keymedic({"findings", "explain"}).exit_code, 2);
  const Output typo = Keymedic({"findings", "explain", "CLIENT_KEY_NOT_GLVK"});
  EXPECT_EQ(typo.exit_code, 1);
  EXPECT_THAT(typo.err, HasSubstr("CLIENT_KEY_NOT_GVLK"));
}

TEST_F(CommandTest, DiagnosesFilesAndStandardInput) {
  const Output found =
      Keymedic({"diagnose", Capture("38_dlv_adba_client_retail_image.txt"), "--output", "json"});
  EXPECT_EQ(found.exit_code, 0) << found.err;
  EXPECT_EQ(found.Json()["verdict"], "PROBLEMS");
  EXPECT_THAT(found.out, HasSubstr("CLIENT_KEY_NOT_GVLK"));
  const Output healthy =
      workspace_.Run({Bin("keymedic"), "diagnose", "-", "--output", "json"},
                     ReadFile(Capture("02_dli_win7ent_client_en_healthy.txt")).value_or(""));
  EXPECT_EQ(healthy.exit_code, 0) << healthy.err;
  EXPECT_EQ(healthy.Json()["verdict"], "HEALTHY") << healthy.out;
}

TEST_F(CommandTest, WhatIsNoEvidenceIsNamedAndTheRestIsDiagnosed) {
  std::string noise;
  for (uint32_t i = 0, x = 1; i < 4096; ++i)
    noise += static_cast<char>((x = x * 1664525 + 1013904223) >> 24);
  ASSERT_TRUE(WriteFileAtomically(workspace_.Path("noise"), noise).ok());
  ASSERT_TRUE(WriteFileAtomically(workspace_.Path("empty"), "").ok());
  for (const std::string& bad :
       {workspace_.Path("noise"), workspace_.Path("empty"), workspace_.Path("missing")}) {
    const Output output = Keymedic(
        {"diagnose", bad, Capture("18_evt_client_8198_0xC0020017.txt"), "--output", "json"});
    EXPECT_EQ(output.exit_code, 1) << bad;
    EXPECT_THAT(output.err, HasSubstr(bad));
    EXPECT_THAT(output.out, HasSubstr("CLIENT_HOST_UNREACHABLE")) << bad;
  }
}

TEST_F(CommandTest, AHundredMegabytesOfNoiseAreRefusedWithoutHarm) {
  ASSERT_TRUE(WriteFileAtomically(workspace_.Path("huge"), std::string(100 << 20, 'x')).ok());
  const Output output = Keymedic({"diagnose", workspace_.Path("huge"), "--output", "json"});
  EXPECT_EQ(output.exit_code, 1);
  EXPECT_THAT(output.err, HasSubstr("huge"));
}

TEST_F(CommandTest, ProfilesAndDoctor) {
  ControllerUnderTest controller(workspace_);
  const std::string data = workspace_.Path("controller/");
  for (const char* name : {"KEYMEDIC_CONTROLLER", "KEYMEDIC_CA", "KEYMEDIC_CERT", "KEYMEDIC_KEY"})
    workspace_.environment.erase(name);
  const Output added =
      Keymedic({"profile", "add", "here", "--controller", controller.address(), "--ca",
                data + "ca.crt", "--cert", data + "admin.crt", "--key", data + "admin.key"});
  EXPECT_EQ(added.exit_code, 0) << added.err;
  const Output doctor = Keymedic({"doctor"});
  EXPECT_EQ(doctor.exit_code, 0) << doctor.out << doctor.err;
  const Output tokens = Keymedic({"tokens", "create", "--uses", "2"});
  EXPECT_THAT(tokens.out, StartsWith("km1."));
  EXPECT_THAT(Keymedic({"tokens", "list"}).out, HasSubstr("2/2"));
}

}  // namespace
}  // namespace keymedic::testing
