// SPDX-License-Identifier: Apache-2.0
#include "agent/session_testing.h"

namespace keymedic::agent {
namespace {

TEST_F(SessionTest, HelloComesFirstWithHashesAndNothingElse) {
  Connect();
  const auto sent = link_.Take();
  ASSERT_EQ(sent.size(), 1u);
  const v1::Hello& hello = sent[0].hello();
  EXPECT_EQ(hello.machine_name(), "pc-017");
  EXPECT_EQ(hello.labels().at("site"), "berlin");
  ASSERT_EQ(hello.hashes_size(), 2);
  EXPECT_EQ(hello.hashes(0).name(), "licensing");
  EXPECT_EQ(hello.hashes(0).sha256(), Sha256("licensed"));
}

TEST_F(SessionTest, SendsWhatIsWantedAndNamesWhatIsGone) {
  Connect();
  link_.Take();
  v1::ControllerMessage wanted;
  wanted.mutable_wanted()->add_names("os");
  wanted.mutable_wanted()->add_names("firewall");
  Receive(wanted);
  const auto updates = TakeOf(v1::AgentMessage::kSections);
  ASSERT_EQ(updates.size(), 1u);
  ASSERT_EQ(updates[0].sections().sections_size(), 1);
  EXPECT_EQ(updates[0].sections().sections(0).payload(), "windows");
  EXPECT_EQ(updates[0].sections().removed(0), "firewall");
  EXPECT_FALSE(updates[0].sections().complete());
}

TEST_F(SessionTest, CollectAnswersEvenWhenNothingChanged) {
  Connect();
  link_.Take();
  ReceiveCollect("r1");
  const auto updates = TakeOf(v1::AgentMessage::kSections);
  ASSERT_EQ(updates.size(), 1u);
  EXPECT_EQ(updates[0].sections().collect_id(), "r1");
  EXPECT_TRUE(updates[0].sections().complete());
  EXPECT_EQ(updates[0].sections().sections_size(), 0);
}

TEST_F(SessionTest, OnlyChangesTravel) {
  Connect();
  link_.Take();
  plugins_.Set("licensing", "notification");
  plugins_.Remove("os");
  executor_->Advance(absl::Minutes(17));
  std::vector<v1::SectionUpdate> updates;
  for (const auto& message : TakeOf(v1::AgentMessage::kSections)) {
    updates.push_back(message.sections());
  }
  ASSERT_EQ(updates.size(), 1u);
  ASSERT_EQ(updates[0].sections_size(), 1);
  EXPECT_EQ(updates[0].sections(0).payload(), "notification");
  ASSERT_EQ(updates[0].removed_size(), 1);
  EXPECT_EQ(updates[0].removed(0), "os");
}

TEST_F(SessionTest, FailingPluginTakesNothingAway) {
  Connect();
  link_.Take();
  plugins_.set_collect_status(absl::DeadlineExceededError("hangs"));
  ReceiveCollect("r1");
  const auto updates = TakeOf(v1::AgentMessage::kSections);
  ASSERT_EQ(updates.size(), 1u);
  EXPECT_EQ(updates[0].sections().removed_size(), 0);
  EXPECT_TRUE(updates[0].sections().complete());
}

TEST_F(SessionTest, BigSectionsAreCutIntoSeveralMessages) {
  Connect();
  link_.Take();
  for (const char* name : {"a", "b", "c"}) plugins_.Set(name, std::string(700 << 10, name[0]));
  ReceiveCollect("r1");
  const auto updates = TakeOf(v1::AgentMessage::kSections);
  ASSERT_EQ(updates.size(), 3u);
  EXPECT_FALSE(updates[0].sections().complete());
  EXPECT_TRUE(updates[2].sections().complete());
  EXPECT_EQ(updates[0].sections().collect_id(), "r1");
}

TEST_F(SessionTest, EventsStayUntilAcknowledged) {
  plugins_.AddEvent(7);
  plugins_.AddEvent(8);
  Boot();
  Connect();
  auto batches = TakeOf(v1::AgentMessage::kEvents);
  ASSERT_EQ(batches.size(), 1u);
  ASSERT_EQ(batches[0].events().events_size(), 2);

  session_->Disconnected();  // not acknowledged: they come again
  Connect();
  batches = TakeOf(v1::AgentMessage::kEvents);
  ASSERT_EQ(batches.size(), 1u);
  ReceiveAck(batches[0].events().sequence());
  stored_ = 8;
  session_->Disconnected();
  Connect();
  EXPECT_TRUE(TakeOf(v1::AgentMessage::kEvents).empty());

  ReceiveCollect("r1");  // and the log is read on, not again
  EXPECT_EQ(plugins_.last_bookmark(), 8u);
  EXPECT_TRUE(TakeOf(v1::AgentMessage::kEvents).empty());
}

TEST_F(SessionTest, AnEarlierAckReleasesNothingLater) {
  plugins_.AddEvent(1);
  Boot();
  Connect();
  const auto first = TakeOf(v1::AgentMessage::kEvents);
  plugins_.AddEvent(2);
  ReceiveCollect("r1");
  ReceiveAck(first[0].events().sequence());
  EXPECT_EQ(outbox_->EventsAfter(0, 10, 1000)->records.size(), 1u);
  EXPECT_EQ(outbox_->EventsAfter(0, 10, 1000)->records[0].record_id(), 2u);
}

TEST_F(SessionTest, LongBacklogGoesOutAsItIsAcknowledged) {
  for (uint64_t id = 1; id <= 6000; ++id) plugins_.AddEvent(id);
  Boot();
  Connect();
  uint64_t events = 0, acknowledged = 0;
  while (true) {
    const auto batches = TakeOf(v1::AgentMessage::kEvents);
    if (batches.empty()) break;
    EXPECT_LE(batches.size(), 8u);
    for (const auto& batch : batches) {
      events += static_cast<uint64_t>(batch.events().events_size());
      acknowledged = batch.events().sequence();
    }
    ReceiveAck(acknowledged);
  }
  EXPECT_EQ(events, 6000u);
}

TEST_F(SessionTest, PluginNoticesAreSentAndKeptUntilAcknowledged) {
  plugins_.AddNotice("AGENT_PLUGIN_QUARANTINED");
  Boot();
  Connect();
  const auto notices = TakeOf(v1::AgentMessage::kNotice);
  ASSERT_EQ(notices.size(), 1u);
  EXPECT_EQ(notices[0].notice().code(), "AGENT_PLUGIN_QUARANTINED");
  ReceiveAck(notices[0].notice().sequence());
  session_->Disconnected();
  Connect();
  EXPECT_TRUE(TakeOf(v1::AgentMessage::kNotice).empty());
}

TEST_F(SessionTest, HelloTellsWhatIsWrongNowAndANewProcessStartsAfresh) {
  plugins_.AddNotice("AGENT_PLUGIN_QUARANTINED");
  Boot();
  Connect();
  auto sent = link_.Take();
  ASSERT_TRUE(sent[0].hello().tells_notices());
  ASSERT_EQ(sent[0].hello().notices_size(), 1);
  EXPECT_EQ(sent[0].hello().notices(0).code(), "AGENT_PLUGIN_QUARANTINED");
  session_->Disconnected();
  Connect();
  EXPECT_EQ(TakeOf(v1::AgentMessage::kNotice).size(), 1u) << "it was not acknowledged";

  Boot();     // the new process has not seen it, so it does not say it, although it is still not
  Connect();  // acknowledged
  sent = link_.Take();
  EXPECT_TRUE(sent[0].hello().tells_notices());
  EXPECT_EQ(sent[0].hello().notices_size(), 0);
  for (const v1::AgentMessage& message : sent) EXPECT_FALSE(message.has_notice());
}

TEST_F(SessionTest, WhatIsOverIsSaidUntilItIsAcknowledged) {
  plugins_.AddNotice("AGENT_PLUGIN_QUARANTINED");
  Boot();
  Connect();
  const uint64_t open = TakeOf(v1::AgentMessage::kNotice)[0].notice().sequence();
  plugins_.AddNotice("AGENT_PLUGIN_QUARANTINED", /*resolved=*/true);
  ReceiveCollect("r1");
  auto notices = TakeOf(v1::AgentMessage::kNotice);
  ASSERT_EQ(notices.size(), 1u);
  EXPECT_TRUE(notices[0].notice().resolved());
  ReceiveAck(open);  // of what was said before
  session_->Disconnected();
  Connect();
  const auto sent = link_.Take();
  EXPECT_EQ(sent[0].hello().notices_size(), 0);
  ASSERT_TRUE(sent[1].has_notice());
  EXPECT_TRUE(sent[1].notice().resolved());
  ReceiveAck(sent[1].notice().sequence());
  session_->Disconnected();
  Connect();
  EXPECT_TRUE(TakeOf(v1::AgentMessage::kNotice).empty());
}

TEST_F(SessionTest, UnknownMessageIsIgnored) {
  Connect();
  link_.Take();
  Receive(v1::ControllerMessage());
  EXPECT_TRUE(link_.Take().empty());
  ReceiveCollect("r1");
  EXPECT_EQ(link_.Take().size(), 1u);
}

TEST_F(SessionTest, HeartbeatsGoOnAndSilenceEndsTheConnection) {
  Connect();
  link_.Take();
  executor_->Advance(absl::Seconds(91));
  EXPECT_EQ(TakeOf(v1::AgentMessage::kHeartbeat).size(), 3u);
  EXPECT_EQ(link_.closed, "");
  v1::ControllerMessage heartbeat;
  heartbeat.mutable_heartbeat();
  Receive(heartbeat);
  executor_->Advance(absl::Seconds(90));
  EXPECT_EQ(link_.closed, "");
  executor_->Advance(absl::Seconds(30));
  EXPECT_NE(link_.closed, "");
}

}  // namespace
}  // namespace keymedic::agent
