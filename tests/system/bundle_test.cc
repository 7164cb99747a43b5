// SPDX-License-Identifier: Apache-2.0
//
// `keymedic bundle create` on lab machines with faults, and `keymedic diagnose` of what it made.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "absl/strings/str_cat.h"
#include "base/files.h"
#include "cli/archive.h"
#include "tests/system/harness.h"

namespace keymedic::testing {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr char kKey[] = "NPPR9-FWDCX-D2C8J-H872K-2YT43";

class BundleTest : public ::testing::Test {
 protected:
  BundleTest() {
    lab_ =
        workspace_.Start({Bin("keymedic"), "lab", "serve", Source("tests/estates/small.textproto"),
                          "--socket", workspace_.Path("lab.sock"), "--only-socket"},
                         "lab.log");
    EXPECT_TRUE(Eventually([&] {
      return workspace_.Log("lab.log").find("ready") != std::string::npos;
    })) << workspace_.Log("lab.log");
  }

  Output Create(const std::string& machine, std::vector<std::string> more = {}) {
    std::vector<std::string> arguments = {
        "bundle",       "create",
        "-o",           Bundle(machine),
        "--plugin-dir", PluginDir(),
        "--name",       machine,
        "--system",     absl::StrCat("lab:unix:", workspace_.Path("lab.sock"), "#", machine)};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return workspace_.Keymedic(arguments);
  }
  std::string Bundle(const std::string& machine) const { return workspace_.Path(machine + ".zip"); }

  Workspace workspace_;
  std::unique_ptr<cli::Child> lab_;
};

TEST_F(BundleTest, BundlesOfClientAndHostNameTheCauses) {
  ASSERT_TRUE(
      WriteFileAtomically(workspace_.Path("agent.log"), absl::StrCat("installing ", kKey, "\n"))
          .ok());
  const Output client = Create("pc-001", {"--log", workspace_.Path("agent.log")});
  ASSERT_EQ(client.exit_code, 0) << client.err;
  EXPECT_THAT(client.out, HasSubstr(Bundle("pc-001")));
  EXPECT_THAT(client.out, HasSubstr("sections/licensing.json"));
  const Output host = Create("kms-1");
  ASSERT_EQ(host.exit_code, 0) << host.err;

  const Output answer =
      workspace_.Keymedic({"diagnose", Bundle("pc-001"), Bundle("kms-1"), "--output", "json"});
  EXPECT_EQ(answer.exit_code, 0) << answer.err;
  const nlohmann::json json = answer.Json();
  std::set<std::string> causes;
  for (const auto& finding : json["findings"]) {
    if (!finding.contains("cause")) {
      causes.insert(absl::StrCat(finding["code"].get<std::string>(), " ",
                                 finding["subject"].get<std::string>()));
    }
  }
  EXPECT_THAT(causes, Contains("CLIENT_KEY_NOT_GVLK pc-001")) << answer.out;
  EXPECT_THAT(causes, Contains("HOST_FIREWALL_CLOSED kms-1")) << answer.out;
  EXPECT_THAT(json["unread"], IsEmpty());
}

TEST_F(BundleTest, NoKeyIsInABundle) {
  ASSERT_TRUE(
      WriteFileAtomically(workspace_.Path("agent.log"), absl::StrCat("installing ", kKey, "\n"))
          .ok());
  ASSERT_EQ(Create("pc-001", {"--log", workspace_.Path("agent.log")}).exit_code, 0);
  const auto zip = ReadFile(Bundle("pc-001"));
  ASSERT_TRUE(zip.ok());
  cli::ArchiveBudget budget;
  std::string all;
  const absl::Status read = cli::ReadArchive(
      *zip, budget, [](absl::string_view) { return true; },
      [&](cli::ArchiveEntry file) { all += file.content; });
  ASSERT_TRUE(read.ok()) << read;
  EXPECT_THAT(all, HasSubstr("installing XXXXX-"));
  EXPECT_THAT(all,
              ::testing::Not(::testing::ContainsRegex("[0-9A-WYZ][0-9A-Z]{4}(-[0-9A-Z]{5}){4}")))
      << "a whole product key";
  EXPECT_THAT(all, Not(HasSubstr("NPPR9")));
}

TEST_F(BundleTest, AFileThatIsThereIsNotOverwritten) {
  ASSERT_TRUE(WriteFileAtomically(Bundle("pc-001"), "precious").ok());
  const Output refused = Create("pc-001");
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_THAT(refused.err, HasSubstr("--force"));
  EXPECT_EQ(ReadFile(Bundle("pc-001")).value_or(""), "precious");
  EXPECT_EQ(Create("pc-001", {"--force"}).exit_code, 0);
  EXPECT_NE(ReadFile(Bundle("pc-001")).value_or(""), "precious");
}

}  // namespace
}  // namespace keymedic::testing
