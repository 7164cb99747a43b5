// SPDX-License-Identifier: Apache-2.0
#include "agent/outbox.h"

#include <optional>

#include "agent/fake_authority.h"

namespace keymedic::agent {
namespace {

using Events = google::protobuf::RepeatedPtrField<v1::EventRecord>;
using Bookmarks = google::protobuf::RepeatedPtrField<v1::EventBookmark>;

class OutboxTest : public ::testing::Test {
 protected:
  void SetUp() override { Reopen(); }
  void Reopen(uint64_t max_bytes = 1 << 20) {
    outbox_.reset();
    database_.reset();
    database_.emplace(*Database::Open(path_));
    outbox_.emplace(*Outbox::Open(*database_, max_bytes));
  }
  // Records first..last of one channel, and its bookmark at the last.
  absl::Status Add(uint64_t first, uint64_t last, size_t size = 10) {
    Events events;
    for (uint64_t id = first; id <= last; ++id) {
      v1::EventRecord& event = *events.Add();
      event.set_channel("Application");
      event.set_record_id(id);
      event.add_data(std::string(size, 'x'));
    }
    return outbox_->Add(events, At(last));
  }
  static Bookmarks At(uint64_t record_id) {
    Bookmarks bookmarks;
    bookmarks.Add()->set_channel("Application");
    bookmarks.Mutable(0)->set_record_id(record_id);
    return bookmarks;
  }
  std::vector<uint64_t> Held() {
    std::vector<uint64_t> ids;
    const auto batch = outbox_->EventsAfter(0, 1000, 1 << 20);
    for (const auto& event : batch->records) {
      ids.push_back(event.record_id());
    }
    return ids;
  }
  uint64_t Bookmark() { return outbox_->Bookmarks()->at(0).record_id(); }

  const std::string path_ = MakeTempDir() + "/journal.db";
  std::optional<Database> database_;
  std::optional<Outbox> outbox_;
};

TEST_F(OutboxTest, KeepsEventsAndBookmarkUntilAcknowledged) {
  ASSERT_TRUE(Add(1, 3).ok());
  Reopen();
  EXPECT_EQ(Held(), (std::vector<uint64_t>{1, 2, 3}));
  EXPECT_EQ(Bookmark(), 3u);
  const auto two = *outbox_->EventsAfter(0, 2, 1 << 20);
  ASSERT_EQ(two.records.size(), 2u);
  ASSERT_TRUE(outbox_->AcknowledgeEvents(two.last_id).ok());
  Reopen();
  EXPECT_EQ(Held(), (std::vector<uint64_t>{3}));
  EXPECT_EQ(Bookmark(), 3u);
}

TEST_F(OutboxTest, BatchesAreBoundedInBytes) {
  ASSERT_TRUE(Add(1, 10, 1000).ok());
  EXPECT_EQ(outbox_->EventsAfter(0, 1000, 2500)->records.size(), 3u);
  EXPECT_EQ(outbox_->EventsAfter(0, 1000, 1)->records.size(), 1u);
}

TEST_F(OutboxTest, DropsTheOldestAndCountsThem) {
  Reopen(5000);
  ASSERT_TRUE(Add(1, 10, 1000).ok());
  EXPECT_EQ(Held(), (std::vector<uint64_t>{7, 8, 9, 10}));
  EXPECT_EQ(*outbox_->Dropped(), 6u);
  EXPECT_LE(*outbox_->bytes(), 5000u);
  Reopen(5000);
  EXPECT_EQ(*outbox_->Dropped(), 6u);
  ASSERT_TRUE(outbox_->ReportedDropped(6).ok());
  EXPECT_EQ(*outbox_->Dropped(), 0u);
  // The count of bytes follows what is held.
  ASSERT_TRUE(outbox_->AcknowledgeEvents(outbox_->EventsAfter(0, 100, 1 << 20)->last_id).ok());
  EXPECT_EQ(*outbox_->bytes(), 0u);
}

TEST_F(OutboxTest, FullDiskMovesNoBookmark) {
  ASSERT_TRUE(Add(1, 1).ok());
  ASSERT_TRUE(database_->Execute("PRAGMA max_page_count=1").ok());
  const absl::Status status = Add(2, 200, 1000);
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_NE(status.message().find("journal.db"), absl::string_view::npos);
  EXPECT_EQ(Held(), (std::vector<uint64_t>{1}));
  EXPECT_EQ(Bookmark(), 1u);
  ASSERT_TRUE(database_->Execute("PRAGMA max_page_count=100000").ok());
  EXPECT_TRUE(Add(2, 200, 1000).ok());
  EXPECT_EQ(Held().size(), 200u);
}

TEST_F(OutboxTest, WhatTheControllerHoldsIsNotSentAgain) {
  ASSERT_TRUE(Add(1, 5).ok());
  ASSERT_TRUE(outbox_->Reconcile(At(3)).ok());
  EXPECT_EQ(Held(), (std::vector<uint64_t>{4, 5}));
  EXPECT_EQ(Bookmark(), 5u);
}

TEST_F(OutboxTest, WhatTheControllerLostIsReadAgain) {
  ASSERT_TRUE(Add(1, 5).ok());
  ASSERT_TRUE(outbox_->AcknowledgeEvents(outbox_->EventsAfter(0, 100, 1 << 20)->last_id).ok());
  ASSERT_TRUE(outbox_->Reconcile(At(2)).ok());
  EXPECT_EQ(Bookmark(), 2u);
  ASSERT_TRUE(outbox_->Reconcile({}).ok());
  EXPECT_EQ(Bookmark(), 0u);
}

TEST_F(OutboxTest, WhatIsStillHereIsNotReadAgain) {
  ASSERT_TRUE(Add(1, 5).ok());
  ASSERT_TRUE(outbox_->Reconcile({}).ok());
  EXPECT_EQ(Bookmark(), 5u);
  EXPECT_EQ(Held().size(), 5u);
}

}  // namespace
}  // namespace keymedic::agent
