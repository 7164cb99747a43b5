// SPDX-License-Identifier: Apache-2.0
#include "controller/audit.h"

#include <gmock/gmock.h>

#include <thread>

#include "absl/strings/str_format.h"

namespace keymedic::controller {
namespace {

class AuditTest : public testing::Test {
 protected:
  AuditTest() : store_(*OpenSqliteStore(":memory:")) { Reopen(); }
  void Reopen() {
    auto log = AuditLog::Open(*store_, clock_);
    ASSERT_TRUE(log.ok()) << log.status();
    log_ = *std::move(log);
  }
  SystemClock clock_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<AuditLog> log_;
};

TEST_F(AuditTest, GoesOnWhereItStoppedAndVerifies) {
  for (int i = 1; i <= 7; ++i) {
    ASSERT_TRUE(log_->Append("me", "token.create", absl::StrCat("tokens/", i), "").ok());
    Reopen();
  }
  EXPECT_TRUE(log_->Verify().ok());
  v1::ListAuditEntriesRequest request;
  request.set_page_size(3);
  std::vector<uint64_t> seen;
  do {
    auto page = log_->List(request);
    ASSERT_TRUE(page.ok()) << page.status();
    EXPECT_LE(page->entries_size(), 3);
    for (const auto& entry : page->entries()) seen.push_back(entry.sequence());
    request.set_page_token(page->next_page_token());
  } while (!request.page_token().empty());
  EXPECT_THAT(seen, testing::ElementsAre(7, 6, 5, 4, 3, 2, 1));
}

TEST_F(AuditTest, LinesThatComeTogetherFollowOneAnother) {
  ASSERT_TRUE(log_->Append("me", "act", "object", "").ok());
  ASSERT_TRUE(log_->Append({{"me", "act", "a", ""}, {"me", "act", "b", ""}}).ok());
  Reopen();
  ASSERT_TRUE(log_->Append("me", "act", "c", "").ok());
  EXPECT_TRUE(log_->Verify().ok());
  const auto page = log_->List({});
  ASSERT_TRUE(page.ok()) << page.status();
  ASSERT_EQ(page->entries_size(), 4);
  EXPECT_EQ(page->entries(1).object(), "b");
  EXPECT_EQ(page->entries(2).object(), "a");
}

TEST_F(AuditTest, FiltersByActOrObject) {
  ASSERT_TRUE(log_->Append("me", "token.create", "tokens/1", "").ok());
  ASSERT_TRUE(log_->Append("me", "machine.enroll", "machines/m", "").ok());
  v1::ListAuditEntriesRequest request;
  request.set_filter("machine");
  auto page = log_->List(request);
  ASSERT_TRUE(page.ok());
  ASSERT_EQ(page->entries_size(), 1);
  EXPECT_EQ(page->entries(0).act(), "machine.enroll");
}

TEST_F(AuditTest, NamesTheFirstLineThatWasChangedOrRemoved) {
  for (int i = 1; i <= 4; ++i) ASSERT_TRUE(log_->Append("me", "act", "object", "").ok());
  const std::string key = absl::StrFormat("%020u", 3);
  const std::string original = **store_->Get(Table::kAudit, key);
  v1::AuditEntry entry;
  ASSERT_TRUE(entry.ParseFromString(original));
  entry.set_actor("somebody else");
  ASSERT_TRUE(
      store_->Commit({{.table = Table::kAudit, .key = key, .value = entry.SerializeAsString()}})
          .ok());
  EXPECT_EQ(log_->Verify().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(log_->Verify().message()), testing::HasSubstr(key));
  ASSERT_TRUE(store_->Commit({{.table = Table::kAudit, .key = key}}).ok());
  EXPECT_EQ(log_->Verify().code(), absl::StatusCode::kDataLoss);
  ASSERT_TRUE(store_->Commit({{.table = Table::kAudit, .key = key, .value = original}}).ok());
  EXPECT_TRUE(log_->Verify().ok());
}

TEST_F(AuditTest, ManyThreadsMakeOneChainAndNoKeyGetsIn) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([this] {
      for (int i = 0; i < 20; ++i) {
        EXPECT_TRUE(log_->Append("me", "act", "object", "ABCDE-FGHJK-LMNPQ-RSTVW-XY234").ok());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(log_->Verify().ok());
  auto page = log_->List({});
  ASSERT_TRUE(page.ok());
  ASSERT_EQ(page->entries_size(), 80);
  EXPECT_THAT(page->entries(0).detail(), testing::Not(testing::HasSubstr("ABCDE")));
}

}  // namespace
}  // namespace keymedic::controller
