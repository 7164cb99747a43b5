// SPDX-License-Identifier: Apache-2.0
#include "agent/reconnect.h"

#include <algorithm>
#include <array>
#include <vector>

#include "base/random.h"
#include "gtest/gtest.h"

namespace keymedic::agent {
namespace {

constexpr int kAgents = 1000;

// Of an estate whose agents all failed so often.
std::vector<absl::Duration> Delays(const ReconnectPolicy& policy, int failures,
                                   absl::Duration retry_after = absl::ZeroDuration()) {
  std::vector<absl::Duration> delays;
  for (uint64_t seed = 1; seed <= kAgents; ++seed) {
    delays.push_back(ReconnectDelay(policy, failures, retry_after, SeededRandom(seed).Uniform()));
  }
  return delays;
}

// How many fall into each tenth of `span` after `from`; none may be elsewhere.
std::array<int, 10> Tenths(const std::vector<absl::Duration>& delays, absl::Duration from,
                           absl::Duration span) {
  std::array<int, 10> tenths = {};
  for (const absl::Duration delay : delays) {
    EXPECT_GE(delay, from);
    EXPECT_LT(delay, from + span);
    ++tenths[std::clamp<int64_t>((delay - from) / (span / 10), 0, 9)];
  }
  return tenths;
}

void ExpectEven(const std::array<int, 10>& tenths) {
  for (const int tenth : tenths) {
    EXPECT_GT(tenth, kAgents / 20);
    EXPECT_LT(tenth, kAgents / 5);
  }
}

TEST(ReconnectDelayTest, AnEstateThatLostItsControllerComesBackSpread) {
  ExpectEven(Tenths(Delays({}, 0), absl::ZeroDuration(), absl::Seconds(10)));
}

TEST(ReconnectDelayTest, EachFailureDoublesTheCeilingUpToTheCap) {
  const ReconnectPolicy policy{.first = absl::Seconds(10), .most = absl::Minutes(2)};
  ExpectEven(Tenths(Delays(policy, 1), absl::ZeroDuration(), absl::Seconds(20)));
  ExpectEven(Tenths(Delays(policy, 3), absl::ZeroDuration(), absl::Seconds(80)));
  for (const int failures : {4, 20, 1000, 2'000'000'000}) {
    ExpectEven(Tenths(Delays(policy, failures), absl::ZeroDuration(), absl::Minutes(2)));
  }
  ExpectEven(Tenths(Delays({.first = absl::Minutes(5), .most = absl::Minutes(2)}, 0),
                    absl::ZeroDuration(), absl::Minutes(2)));
}

TEST(ReconnectDelayTest, WhatTheControllerAsksForComesOnTop) {
  ExpectEven(Tenths(Delays({}, 0, absl::Seconds(60)), absl::Seconds(60), absl::Seconds(10)));
  EXPECT_EQ(ReconnectDelay({}, 0, -absl::Seconds(60), 0.0), absl::ZeroDuration());
}

}  // namespace
}  // namespace keymedic::agent
