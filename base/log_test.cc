// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <vector>

#include "base/files.h"
#include "base/temp_dir_testing.h"

namespace keymedic::log {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

// One test, as what is added stays for the life of the process.
TEST(Log, SinksAndFileHearWhatIsWrittenWithoutKeys) {
  const std::string dir = MakeTempDir("log_test");
  static std::vector<std::string> heard;
  AddSink([](Level, absl::string_view id, const std::string& message) {
    heard.push_back(std::string(id) + " " + message);
  });
  ASSERT_TRUE(AddFile(dir + "/agent.log", 500, 2).ok());
  Info("A_QUIET_ONE", "not heard: the level is warning");
  Warning("A_KEY", "key {} \"quoted\"", "ABCDE-FGHIJ-KLMNP-QRSTV-WXYZ2");
  EXPECT_THAT(heard, ElementsAre(AllOf(HasSubstr("A_KEY key"), HasSubstr("WXYZ2 \"quoted\""),
                                       Not(HasSubstr("ABCDE")))));
  EXPECT_THAT(*ReadFile(dir + "/agent.log"),
              AllOf(HasSubstr(R"("level":"warning","msg_id":"A_KEY","msg":"key XXXXX-)"),
                    HasSubstr(R"(WXYZ2 \"quoted\""})"), Not(HasSubstr("A_QUIET_ONE"))));

  for (int i = 0; i < 20; ++i) Warning("A_LINE", "{}", std::string(100, 'x'));
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(dir)) {
    ++files;
    EXPECT_LE(entry.file_size(), 500u) << entry.path();
  }
  EXPECT_EQ(files, 2);
  EXPECT_TRUE(absl::IsUnavailable(AddFile(dir + "/agent.log/under", 500, 2)));
}

}  // namespace
}  // namespace keymedic::log
