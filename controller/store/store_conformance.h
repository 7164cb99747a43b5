// SPDX-License-Identifier: Apache-2.0
//
// What every engine of store.h must keep. An engine's test instantiates it with a way to open:
//   INSTANTIATE_TEST_SUITE_P(SqliteFile, StoreConformance, testing::Values(StoreMaker{...}));
#ifndef KEYMEDIC_CONTROLLER_STORE_STORE_CONFORMANCE_H_
#define KEYMEDIC_CONTROLLER_STORE_STORE_CONFORMANCE_H_

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "controller/store/store.h"

namespace keymedic::controller {

struct StoreMaker {
  // A fresh, empty store.
  std::function<std::unique_ptr<Store>()> open_empty;
};

class StoreConformance : public testing::TestWithParam<StoreMaker> {
 protected:
  StoreConformance() : store_(GetParam().open_empty()) {}

  static Write Put(std::string key, std::string value, Table table = Table::kSections) {
    return {.table = table, .key = std::move(key), .value = std::move(value)};
  }
  std::optional<std::string> Get(const std::string& key, Table table = Table::kSections) {
    auto value = store_->Get(table, key);
    EXPECT_TRUE(value.ok()) << value.status();
    return value.value_or(std::nullopt);
  }
  std::vector<std::string> Keys(const std::string& prefix, const std::string& after, size_t limit) {
    auto rows = store_->Scan(Table::kSections, prefix, after, limit);
    EXPECT_TRUE(rows.ok()) << rows.status();
    std::vector<std::string> keys;
    for (const Row& row : *rows) keys.push_back(row.key);
    return keys;
  }

  std::unique_ptr<Store> store_;
};

TEST_P(StoreConformance, WritesAndDeletesBytesAsTheyAre) {
  const std::string key("m\0licensing\xff", 12), value("\0\x01\xfe", 3);
  ASSERT_TRUE(store_->Commit({Put(key, value)}).ok());
  EXPECT_EQ(Get(key), value);
  EXPECT_EQ(Get(key, Table::kEvents), std::nullopt) << "tables are apart";
  ASSERT_TRUE(store_->Commit({Put(key, "")}).ok());
  EXPECT_EQ(Get(key), "");
  ASSERT_TRUE(store_->Commit({{.table = Table::kSections, .key = key}}).ok());
  EXPECT_EQ(Get(key), std::nullopt);
  EXPECT_TRUE(store_->Commit({}).ok());
}

TEST_P(StoreConformance, ABatchIsWrittenWholeOrNotAtAll) {
  ASSERT_TRUE(store_->Commit({Put("a", "1")}).ok());
  Batch batch = {Put("b", "2"), Put("a", "2")};
  batch[1].expected = std::optional<std::string>("0");
  EXPECT_EQ(store_->Commit(batch).code(), absl::StatusCode::kAborted);
  EXPECT_EQ(Get("a"), "1");
  EXPECT_EQ(Get("b"), std::nullopt);
  batch[1].expected = std::optional<std::string>("1");
  EXPECT_TRUE(store_->Commit(batch).ok());
  EXPECT_EQ(Get("a"), "2");
  EXPECT_EQ(Get("b"), "2");
}

TEST_P(StoreConformance, ExpectsThatThereIsNone) {
  Write create = Put("a", "1");
  create.expected = std::optional<std::string>();
  EXPECT_TRUE(store_->Commit({create}).ok());
  EXPECT_EQ(store_->Commit({create}).code(), absl::StatusCode::kAborted);
}

TEST_P(StoreConformance, ScansInKeyOrderWithinThePrefix) {
  const std::string z("m1\0", 3);
  ASSERT_TRUE(store_
                  ->Commit({Put(z + "b", "2"), Put(z + "a", "1"), Put(z + "c", "3"),
                            Put("m10", "x"), Put("m", "x"), Put("\xff", "x"), Put("\xff\xff", "y")})
                  .ok());
  EXPECT_EQ(Keys(z, "", 10), (std::vector<std::string>{z + "a", z + "b", z + "c"}));
  EXPECT_EQ(Keys(z, "", 2), (std::vector<std::string>{z + "a", z + "b"}));
  EXPECT_EQ(Keys(z, z + "a", 10), (std::vector<std::string>{z + "b", z + "c"}));
  EXPECT_EQ(Keys(z, z + "c", 10), std::vector<std::string>{});
  EXPECT_EQ(Keys(z, "m10", 10), std::vector<std::string>{}) << "after the prefix's end";
  EXPECT_EQ(Keys("\xff", "", 10), (std::vector<std::string>{"\xff", "\xff\xff"}));
  EXPECT_EQ(Keys("", "", 100).size(), 7u);
  EXPECT_EQ(Keys("", "", 0).size(), 0u);
}

TEST_P(StoreConformance, BatchesBecomeDurableInTheOrderGiven) {
  std::mutex mutex;
  std::vector<int> order;
  for (int i = 0; i < 500; ++i) {
    store_->CommitAsync({Put("last", absl::StrCat(i))}, [&, i](absl::Status status) {
      EXPECT_TRUE(status.ok()) << status;
      std::lock_guard lock(mutex);
      order.push_back(i);
    });
  }
  ASSERT_TRUE(store_->Commit({}).ok());  // given last, so done last
  std::lock_guard lock(mutex);
  ASSERT_EQ(order.size(), 500u);
  for (int i = 0; i < 500; ++i) EXPECT_EQ(order[i], i);
  EXPECT_EQ(Get("last"), "499");
}

TEST_P(StoreConformance, ARefusedBatchDoesNotHinderItsNeighbours) {
  std::atomic<int> ok = 0, aborted = 0;
  for (int i = 0; i < 200; ++i) {
    Write write = Put(absl::StrCat("k", i), "v");
    if (i % 2 == 1) write.expected = std::optional<std::string>("something else");
    store_->CommitAsync({write}, [&](absl::Status status) { ++(status.ok() ? ok : aborted); });
  }
  ASSERT_TRUE(store_->Commit({}).ok());
  EXPECT_EQ(ok, 100);
  EXPECT_EQ(aborted, 100);
  EXPECT_EQ(Keys("k", "", 1000).size(), 100u);
}

TEST_P(StoreConformance, ManyThreadsCountTogetherByExpectation) {
  constexpr int kThreads = 8, kEach = 25;
  ASSERT_TRUE(store_->Commit({Put("count", "0")}).ok());
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([this] {
      for (int i = 0; i < kEach; ++i) {
        absl::Status status;
        do {
          auto now = store_->Get(Table::kSections, "count");
          ASSERT_TRUE(now.ok() && now->has_value());
          Write write = Put("count", absl::StrCat(std::stoi(**now) + 1));
          write.expected = *now;
          status = store_->Commit({write});
        } while (absl::IsAborted(status));
        ASSERT_TRUE(status.ok()) << status;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(Get("count"), absl::StrCat(kThreads * kEach));
}

}  // namespace keymedic::controller

#endif  // KEYMEDIC_CONTROLLER_STORE_STORE_CONFORMANCE_H_
