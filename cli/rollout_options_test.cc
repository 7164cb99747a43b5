// SPDX-License-Identifier: Apache-2.0
#include "cli/rollout_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace keymedic::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(ParseWindowTest, ReadsDaysAndTimes) {
  const auto nightly = ParseWindow("22:00-04:00");
  ASSERT_TRUE(nightly.ok()) << nightly.status();
  EXPECT_TRUE(nightly->days().empty());
  EXPECT_EQ(nightly->begin_minute(), 1320u);
  EXPECT_EQ(nightly->end_minute(), 240u);
  EXPECT_THAT(ParseWindow("fri,SAT 1:30-24:00")->days(), ElementsAre(5, 6));
  EXPECT_EQ(ParseWindow("fri,SAT 1:30-24:00")->end_minute(), 1440u);
  EXPECT_THAT(ParseWindow("sat-mon 0:00-1:00")->days(), ElementsAre(6, 7, 1));
  EXPECT_EQ(WindowText(*ParseWindow("fri,sat 22:00-04:00")), "Fri, Sat 22:00-04:00");
  EXPECT_EQ(WindowText(*ParseWindow("0:00-24:00")), "00:00-24:00");
}

TEST(ParseWindowTest, WhatIsNoneIsSaidWithAnExample) {
  for (const char* wrong : {"", "22:00", "22-04", "24:00-04:00", "22:60-23:00", "25:00-26:00",
                            "fry 22:00-23:00", "fri- 22:00-23:00", "a b 22:00-23:00", "-"}) {
    EXPECT_THAT(std::string(ParseWindow(wrong).status().message()), HasSubstr("fri,sat")) << wrong;
  }
}

TEST(RolloutOptionsTest, WhatIsNotGivenIsLeftOpen) {
  EXPECT_EQ(RolloutOptions().ToPolicy()->SerializeAsString(), "");
}

TEST(RolloutOptionsTest, BecomeAPolicy) {
  RolloutOptions options;
  options.budget = "2.5%";
  options.soak = "90m";
  options.missed = "skip";
  options.offline = "queue";
  options.queue_until = "2026-12-01";
  options.windows = {"fri 22:00-04:00", "sun 1:00-2:00"};
  const auto policy = options.ToPolicy();
  ASSERT_TRUE(policy.ok()) << policy.status();
  EXPECT_EQ(policy->error_budget().percent(), 2.5);
  EXPECT_EQ(policy->soak().seconds(), 5400);
  EXPECT_EQ(policy->missed_window(), v1::MISSED_WINDOW_SKIP);
  EXPECT_EQ(policy->offline(), v1::OFFLINE_RULE_QUEUE);
  EXPECT_EQ(policy->queue_until().seconds(), 1796083200);
  EXPECT_EQ(policy->windows_size(), 2);
}

TEST(RolloutOptionsTest, ErrorsNameTheOption) {
  for (const auto& [option, set] :
       std::vector<std::pair<std::string, std::function<void(RolloutOptions&)>>>{
           {"--budget", [](RolloutOptions& o) { o.budget = "some"; }},
           {"--budget", [](RolloutOptions& o) { o.budget = "101%"; }},
           {"--soak", [](RolloutOptions& o) { o.soak = "-1m"; }},
           {"--missed-window", [](RolloutOptions& o) { o.missed = "never"; }},
           {"--offline", [](RolloutOptions& o) { o.offline = "run"; }},
           {"--queue-until", [](RolloutOptions& o) { o.queue_until = "tomorrow"; }},
           {"--window", [](RolloutOptions& o) { o.windows = {"x"}; }}}) {
    RolloutOptions options;
    set(options);
    EXPECT_THAT(std::string(options.ToPolicy().status().message()), HasSubstr(option));
  }
}

}  // namespace
}  // namespace keymedic::cli
