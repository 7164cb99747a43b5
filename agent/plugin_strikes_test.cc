// SPDX-License-Identifier: Apache-2.0
#include "agent/plugin_strikes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace keymedic::agent {
namespace {

using testing::HasSubstr;

class ManualClock final : public Clock {
 public:
  absl::Time Now() const override { return now; }
  absl::Time now = absl::FromUnixSeconds(1'700'000'000);
};

class PluginStrikesTest : public testing::Test {
 protected:
  ManualClock clock_;
  PluginStrikes strikes_{{.strikes = 3, .window = absl::Hours(1), .cool_down = absl::Minutes(30)},
                         clock_};
};

TEST_F(PluginStrikesTest, EnoughStrikesQuarantineAndTellWhy) {
  strikes_.Strike("a", "first");
  strikes_.Strike("a", "second");
  EXPECT_TRUE(strikes_.Check("a").ok());
  EXPECT_TRUE(strikes_.TakeNotices().empty());
  strikes_.Strike("a", "Collect took too long");

  const absl::Status status = strikes_.Check("a");
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("Collect took too long"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("3 strikes within 1h (limit 3)"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("until 2023-11-14T22:43:20+00:00"));
  const std::vector<v1::AgentNotice> notices = strikes_.TakeNotices();
  ASSERT_EQ(notices.size(), 1);
  EXPECT_EQ(notices[0].code(), "AGENT_PLUGIN_QUARANTINED");
  EXPECT_EQ(notices[0].subject(), "a");
  EXPECT_FALSE(notices[0].resolved());
  EXPECT_EQ(notices[0].message(), status.message());
  EXPECT_TRUE(strikes_.TakeNotices().empty());
}

TEST_F(PluginStrikesTest, StrikesAreEachPluginsOwn) {
  for (const char* subject : {"a", "b", "a", "b"}) strikes_.Strike(subject, "x");
  EXPECT_TRUE(strikes_.Check("a").ok());
  strikes_.Strike("a", "x");
  EXPECT_FALSE(strikes_.Check("a").ok());
  EXPECT_TRUE(strikes_.Check("b").ok());
  EXPECT_EQ(strikes_.Quarantined().size(), 1);
}

TEST_F(PluginStrikesTest, OldStrikesAreForgotten) {
  strikes_.Strike("a", "x");
  clock_.now += absl::Minutes(30);
  strikes_.Strike("a", "x");
  clock_.now += absl::Minutes(30);
  strikes_.Strike("a", "x");
  EXPECT_TRUE(strikes_.Check("a").ok());
  clock_.now += absl::Minutes(29);
  strikes_.Strike("a", "x");
  EXPECT_FALSE(strikes_.Check("a").ok());
}

TEST_F(PluginStrikesTest, ReleasedAfterTheCoolDownWithACleanSlate) {
  strikes_.Quarantine("/p/x.so", "it died");
  clock_.now += absl::Minutes(30) - absl::Nanoseconds(1);
  EXPECT_FALSE(strikes_.Check("/p/x.so").ok());
  strikes_.TakeNotices();
  clock_.now += absl::Nanoseconds(1);
  EXPECT_TRUE(strikes_.Quarantined().empty());
  const std::vector<v1::AgentNotice> notices = strikes_.TakeNotices();
  ASSERT_EQ(notices.size(), 1);
  EXPECT_EQ(notices[0].subject(), "/p/x.so");
  EXPECT_TRUE(notices[0].resolved());
  strikes_.Strike("/p/x.so", "x");
  strikes_.Strike("/p/x.so", "x");
  EXPECT_TRUE(strikes_.Check("/p/x.so").ok());
}

}  // namespace
}  // namespace keymedic::agent
