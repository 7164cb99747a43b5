// SPDX-License-Identifier: Apache-2.0
#include "base/file_limit.h"

#include <sys/resource.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace keymedic {
namespace {

rlimit Limit() {
  rlimit limit = {};
  EXPECT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
  return limit;
}

class FileLimitTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const rlimit low = {64, before_.rlim_max};
    ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &low), 0);
  }
  void TearDown() override { setrlimit(RLIMIT_NOFILE, &before_); }
  const rlimit before_ = Limit();
};

TEST_F(FileLimitTest, RaisesWhatIsTooLowAndNothingElse) {
  ASSERT_TRUE(RaiseFileLimit(32).ok());
  EXPECT_EQ(Limit().rlim_cur, 64u);
  ASSERT_TRUE(RaiseFileLimit(before_.rlim_max).ok());
  EXPECT_EQ(Limit().rlim_cur, before_.rlim_max);
}

TEST_F(FileLimitTest, SaysWhatIsMissingAndTakesWhatThereIs) {
  const absl::Status status = RaiseFileLimit(uint64_t{1} << 60);  // no kernel gives so many
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_THAT(std::string(status.message()), ::testing::HasSubstr("ulimit"));
  EXPECT_EQ(Limit().rlim_cur, before_.rlim_max);
}

}  // namespace
}  // namespace keymedic
