// SPDX-License-Identifier: Apache-2.0
#include "plugins/roles/event_history.h"

#include <gtest/gtest.h>

#include "plugins/systems/fake_systems.h"

namespace keymedic::roles {
namespace {

class EventHistoryTest : public testing::Test {
 protected:
  void Log(int count) {
    for (int i = 0; i < count; ++i) {
      machine_.Log("Application", 12288, {"0x00000000, 0x00000000"}, 1700000000 + i);
    }
  }
  v1::CollectRequest Behind(uint64_t record_id) {
    v1::CollectRequest request;
    auto& bookmark = *request.add_bookmarks();
    bookmark.set_channel("Application");
    bookmark.set_record_id(record_id);
    return request;
  }
  v1::CollectResponse HandedOut(const v1::CollectRequest& request) {
    v1::CollectResponse response;
    EXPECT_TRUE(HandOut(*systems_.events, "Application", request, response).ok());
    return response;
  }

  systems::FakeMachine machine_;
  systems::Systems systems_ = systems::MakeFakeSystems(machine_);
  std::vector<uint64_t> folded_;
  int forgotten_ = 0;
  EventHistory history_{*systems_.events,
                        {"Application", "No Such Channel"},
                        [this](const std::vector<v1::EventRecord>& events) {
                          for (const auto& e : events) folded_.push_back(e.record_id());
                        },
                        [this] {
                          folded_.clear();
                          ++forgotten_;
                        }};
};

TEST_F(EventHistoryTest, FoldsEachRecordOnceAndInOrder) {
  Log(1200);
  ASSERT_TRUE(history_.Update().ok());
  ASSERT_TRUE(history_.Update().ok());
  ASSERT_EQ(folded_.size(), 1200u);
  EXPECT_EQ(folded_.front(), 1u);
  Log(1);
  ASSERT_TRUE(history_.Update().ok());
  EXPECT_EQ(folded_.back(), 1201u);
}

TEST_F(EventHistoryTest, AfterARestartThePastIsFoldedButNotHandedOut) {
  Log(6000);
  const auto request = Behind(5998);
  ASSERT_TRUE(history_.Update(request).ok());
  EXPECT_EQ(folded_.front(), 999u) << "bounded: 5000 before the bookmark";
  EXPECT_EQ(folded_.back(), 6000u);
  const auto response = HandedOut(request);
  ASSERT_EQ(response.events_size(), 2);
  EXPECT_EQ(response.events(0).record_id(), 5999u);
  ASSERT_EQ(response.bookmarks_size(), 1);
  EXPECT_EQ(response.bookmarks(0).record_id(), 6000u);
}

TEST_F(EventHistoryTest, HandsOutInPortionsUntilNothingIsLeft) {
  Log(5000);
  uint64_t at = 0;
  int total = 0, rounds = 0;
  while (true) {
    const auto response = HandedOut(Behind(at));
    if (response.bookmarks().empty()) break;
    total += response.events_size();
    at = response.bookmarks(0).record_id();
    ASSERT_LT(++rounds, 10);
  }
  EXPECT_EQ(total, 5000);
  EXPECT_GT(rounds, 1);
}

TEST_F(EventHistoryTest, OtherProgramsEventsMoveTheBookmarkOnly) {
  Log(1);
  machine_.logs["Application"].back().set_provider("SomeOtherProgram");
  const auto response = HandedOut({});
  EXPECT_EQ(response.events_size(), 0);
  ASSERT_EQ(response.bookmarks_size(), 1);
  EXPECT_EQ(response.bookmarks(0).record_id(), 1u);
}

TEST_F(EventHistoryTest, AClearedLogBeginsANewHistory) {
  Log(10);
  ASSERT_TRUE(history_.Update().ok());
  machine_.logs["Application"].clear();
  Log(3);
  ASSERT_TRUE(history_.Update().ok());
  EXPECT_EQ(forgotten_, 1);
  EXPECT_EQ(folded_, (std::vector<uint64_t>{1, 2, 3}));
  EXPECT_EQ(HandedOut(Behind(10)).events_size(), 3);
}

TEST_F(EventHistoryTest, ALogThatDoesNotAnswerSaysSoAndIsReadLater) {
  Log(2);
  machine_.broken["events"] = absl::UnavailableError("the event log service is stopped");
  EXPECT_TRUE(absl::IsUnavailable(history_.Update()));
  machine_.broken.clear();
  ASSERT_TRUE(history_.Update().ok());
  EXPECT_EQ(folded_.size(), 2u);
}

}  // namespace
}  // namespace keymedic::roles
