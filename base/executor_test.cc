// SPDX-License-Identifier: Apache-2.0
#include "base/executor.h"

#include <gtest/gtest.h>

#include <atomic>
#include <vector>

#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/notification.h"

namespace keymedic {
namespace {

TEST(ThreadPool, RunsEverythingOnce) {
  auto pool = MakeThreadPool(3);
  absl::BlockingCounter left(1000);
  std::atomic<int> ran = 0;
  for (int i = 0; i < 1000; ++i) {
    pool->Post([&] {
      ++ran;
      left.DecrementCount();
    });
  }
  left.Wait();
  EXPECT_EQ(ran, 1000);
}

TEST(ThreadPool, TimersRunInOrderOfTheirInstants) {
  auto pool = MakeThreadPool(1);
  std::vector<int> order;
  absl::Notification done;
  pool->PostAfter(absl::Milliseconds(20), [&] {
    order.push_back(2);
    done.Notify();
  });
  pool->PostAfter(absl::Milliseconds(5), [&] { order.push_back(1); });
  done.WaitForNotification();
  EXPECT_EQ(order, (std::vector<int>{1, 2}));
}

TEST(ThreadPool, DestructionDropsWhatHasNotBegun) {
  auto pool = MakeThreadPool(1);
  std::atomic<bool> ran = false;
  pool->PostAfter(absl::Hours(1), [&] { ran = true; });
  pool.reset();
  EXPECT_FALSE(ran);
}

TEST(Strand, OneAtATimeAndInOrder) {
  auto pool = MakeThreadPool(4);
  auto strand = Strand::Make(*pool);
  std::vector<int> order;  // no lock: that is what the strand promises
  absl::Notification done;
  for (int i = 0; i < 500; ++i) strand->Post([&order, i] { order.push_back(i); });
  strand->Post([&] { done.Notify(); });
  done.WaitForNotification();
  ASSERT_EQ(order.size(), 500u);
  for (int i = 0; i < 500; ++i) EXPECT_EQ(order[i], i);
}

TEST(ManualExecutor, TimeIsTheTestsOwn) {
  ManualExecutor executor;
  std::vector<int> order;
  executor.PostAfter(absl::Seconds(10), [&] { order.push_back(10); });
  executor.PostAfter(absl::Seconds(5), [&] {
    order.push_back(5);
    executor.PostAfter(absl::Seconds(1), [&] { order.push_back(6); });
  });
  executor.Post([&] { order.push_back(0); });
  EXPECT_EQ(executor.RunReady(), 1);
  executor.Advance(absl::Seconds(7));
  EXPECT_EQ(order, (std::vector<int>{0, 5, 6}));
  executor.Advance(absl::Seconds(3));
  EXPECT_EQ(order.back(), 10);
  EXPECT_EQ(executor.elapsed(), absl::Seconds(10));
}

}  // namespace
}  // namespace keymedic
