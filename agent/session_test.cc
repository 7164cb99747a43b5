// SPDX-License-Identifier: Apache-2.0
#include "agent/session.h"

#include <optional>
#include <utility>

#include "agent/fake_authority.h"
#include "agent/fake_plugins.h"

namespace keymedic::agent {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1'700'000'000);

class FakeLink final : public Link {
 public:
  void Send(v1::AgentMessage message) override { sent.push_back(std::move(message)); }
  void Close(const std::string& why) override { closed = why; }
  std::vector<v1::AgentMessage> Take() { return std::exchange(sent, {}); }

  std::vector<v1::AgentMessage> sent;
  std::string closed;
};

class SessionTest : public ::testing::Test {
 protected:
  void SetUp() override {
    plugins_.Set("os", "windows");
    plugins_.Set("licensing", "licensed");
    Boot();
  }

  // As after a crash or a restart: only the file is left.
  void Boot() {
    session_.reset();
    outbox_.reset();
    journal_.reset();
    database_.reset();
    executor_.emplace();
    link_ = {};
    database_.emplace(*Database::Open(path_));
    journal_.emplace(*Journal::Open(*database_));
    outbox_.emplace(*Outbox::Open(*database_, 1 << 20));
    session_ =
        Session::Make({"pc-017", {{"site", "berlin"}}, absl::Minutes(15), absl::Minutes(1)},
                      {clock_, random_, plugins_, *journal_, *outbox_, Strand::Make(*executor_),
                       Strand::Make(*executor_), nullptr, nullptr, nullptr});
    session_->Start();
    executor_->RunReady();
  }

  void Connect() {
    session_->Connected(link_);
    v1::ControllerMessage welcome;
    welcome.mutable_welcome()->mutable_heartbeat_interval()->set_seconds(30);
    auto& stored = *welcome.mutable_welcome()->add_stored();
    stored.set_channel("Application");
    stored.set_record_id(stored_);
    Receive(welcome);
  }
  void Receive(const v1::ControllerMessage& message) {
    session_->Received(message);
    executor_->RunReady();
  }
  void ReceiveCommand(const v1::Command& command) {
    v1::ControllerMessage message;
    *message.mutable_command() = command;
    Receive(message);
  }
  void ReceiveCollect(const std::string& id) {
    v1::ControllerMessage message;
    message.mutable_collect()->set_id(id);
    Receive(message);
  }
  void ReceiveAck(uint64_t sequence) {
    v1::ControllerMessage message;
    message.mutable_ack()->set_sequence(sequence);
    Receive(message);
  }
  static v1::Command Ensure(const std::string& id, const std::string& value,
                            v1::Mode mode = v1::MODE_APPLY) {
    v1::Command command;
    command.set_id(id);
    command.set_plugin("fake");
    command.set_action("ensure_set");
    command.set_mode(mode);
    (*command.mutable_params())["licensing"] = value;
    return command;
  }
  // The one result among what was sent since the last call.
  v1::CommandResult TakeResult() {
    std::vector<v1::CommandResult> results;
    for (const auto& message : link_.Take()) {
      if (message.has_result()) results.push_back(message.result());
    }
    EXPECT_EQ(results.size(), 1u);
    return results.empty() ? v1::CommandResult() : results[0];
  }
  std::vector<v1::AgentMessage> TakeOf(v1::AgentMessage::MessageCase kind) {
    std::vector<v1::AgentMessage> found;
    for (auto& message : link_.Take()) {
      if (message.message_case() == kind) found.push_back(std::move(message));
    }
    return found;
  }

  FakeClock clock_{kNow};
  SeededRandom random_{1};
  FakePlugins plugins_;
  FakeLink link_;
  uint64_t stored_ = 0;  // of the channel "Application", at the controller
  std::optional<ManualExecutor> executor_;
  const std::string path_ = MakeTempDir() + "/journal.db";
  std::optional<Database> database_;
  std::optional<Journal> journal_;
  std::optional<Outbox> outbox_;
  std::shared_ptr<Session> session_;
};

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

TEST_F(SessionTest, ApplySendsChangesThenResult) {
  Connect();
  link_.Take();
  ReceiveCommand(Ensure("c1", "activated"));
  const auto sent = link_.Take();
  ASSERT_EQ(sent.size(), 2u);
  EXPECT_EQ(sent[0].sections().collect_id(), "c1");
  EXPECT_TRUE(sent[0].sections().complete());
  EXPECT_EQ(sent[0].sections().sections(0).payload(), "activated");
  EXPECT_EQ(sent[1].result().command_id(), "c1");
  EXPECT_EQ(sent[1].result().outcome(), v1::OUTCOME_CHANGED);
  EXPECT_FALSE(sent[1].result().repeated());
  EXPECT_EQ(sent[1].result().started_at().seconds(), absl::ToUnixSeconds(kNow));
}

TEST_F(SessionTest, RepeatedCommandIsAnsweredFromTheJournal) {
  Connect();
  ReceiveCommand(Ensure("c1", "activated"));
  EXPECT_EQ(TakeResult().outcome(), v1::OUTCOME_CHANGED);
  plugins_.Set("licensing", "changed by someone else");
  ReceiveCommand(Ensure("c1", "activated"));
  const auto again = TakeResult();
  EXPECT_TRUE(again.repeated());
  EXPECT_EQ(again.outcome(), v1::OUTCOME_CHANGED);
  EXPECT_EQ(plugins_.effects(), 1);

  Boot();  // also across a restart
  Connect();
  link_.Take();
  ReceiveCommand(Ensure("c1", "activated"));
  EXPECT_TRUE(TakeResult().repeated());
  EXPECT_EQ(plugins_.effects(), 1);
}

TEST_F(SessionTest, CheckChangesNothingAndIsNotFollowedByALook) {
  Connect();
  link_.Take();
  const int collects = plugins_.collects();
  ReceiveCommand(Ensure("c1", "activated", v1::MODE_CHECK));
  const auto result = TakeResult();
  EXPECT_EQ(result.outcome(), v1::OUTCOME_WOULD_CHANGE);
  EXPECT_EQ(result.changes(0).after(), "activated");
  EXPECT_EQ(plugins_.effects(), 0);
  EXPECT_EQ(plugins_.collects(), collects);
}

TEST_F(SessionTest, PastItsDeadlineNothingIsDone) {
  Connect();
  link_.Take();
  v1::Command command = Ensure("c1", "activated");
  command.mutable_deadline()->set_seconds(absl::ToUnixSeconds(kNow) - 1);
  ReceiveCommand(command);
  const auto result = TakeResult();
  EXPECT_EQ(result.outcome(), v1::OUTCOME_REFUSED);
  EXPECT_NE(result.message().find("deadline"), std::string::npos);
  EXPECT_EQ(plugins_.effects(), 0);
}

TEST_F(SessionTest, UnknownPluginIsRefused) {
  Connect();
  link_.Take();
  v1::Command command = Ensure("c1", "activated");
  command.set_plugin("no_such");
  ReceiveCommand(command);
  EXPECT_EQ(TakeResult().outcome(), v1::OUTCOME_REFUSED);
}

TEST_F(SessionTest, ResultsWaitForTheirAcknowledgement) {
  Connect();
  ReceiveCommand(Ensure("c1", "activated"));
  session_->Disconnected();
  Connect();
  EXPECT_EQ(TakeOf(v1::AgentMessage::kResult).size(), 2u);  // then, and again
  v1::ControllerMessage ack;
  ack.mutable_result_ack()->set_command_id("c1");
  Receive(ack);
  session_->Disconnected();
  Connect();
  EXPECT_TRUE(TakeOf(v1::AgentMessage::kResult).empty());
}

// The agent dies while the plugin acts: before the effect, and after it.
TEST_F(SessionTest, CutOffAfterTheEffectIsReportedAsDone) {
  const v1::Command command = Ensure("c1", "activated");
  ASSERT_TRUE(journal_->Receive(command, kNow).ok());
  ASSERT_TRUE(journal_->Start("c1").ok());
  plugins_.Set("licensing", "activated");
  Boot();
  Connect();
  const auto result = TakeResult();
  EXPECT_EQ(result.outcome(), v1::OUTCOME_CHANGED);
  EXPECT_NE(result.message().find("completed before the interruption"), std::string::npos);
  EXPECT_EQ(plugins_.effects(), 0);
}

TEST_F(SessionTest, CutOffBeforeTheEffectIsNotTriedAgain) {
  const v1::Command command = Ensure("c1", "activated");
  ASSERT_TRUE(journal_->Receive(command, kNow).ok());
  ASSERT_TRUE(journal_->Start("c1").ok());
  Boot();
  Connect();
  EXPECT_EQ(TakeResult().outcome(), v1::OUTCOME_INTERRUPTED);
  ReceiveCommand(command);
  EXPECT_EQ(TakeResult().outcome(), v1::OUTCOME_INTERRUPTED);
  EXPECT_EQ(plugins_.effects(), 0);
}

TEST_F(SessionTest, ReceivedButNotStartedRunsWhenItComesAgain) {
  const v1::Command command = Ensure("c1", "activated");
  ASSERT_TRUE(journal_->Receive(command, kNow).ok());
  Boot();
  Connect();
  EXPECT_TRUE(TakeOf(v1::AgentMessage::kResult).empty());
  EXPECT_EQ(plugins_.effects(), 0);
  ReceiveCommand(command);
  EXPECT_EQ(TakeResult().outcome(), v1::OUTCOME_CHANGED);
  EXPECT_EQ(plugins_.effects(), 1);
}

TEST_F(SessionTest, CutOffWithASecretIsResolvedWhenTheSecretComesAgain) {
  v1::Command command = Ensure("c1", "activated");
  (*command.mutable_secrets())["key"] = "s3cret";
  ASSERT_TRUE(journal_->Receive(command, kNow).ok());
  ASSERT_TRUE(journal_->Start("c1").ok());
  plugins_.Set("licensing", "activated");
  plugins_.set_before_act([](const v1::Command& act) {
    return act.secrets().empty() ? absl::InvalidArgumentError("no key") : absl::OkStatus();
  });
  Boot();
  Connect();
  EXPECT_TRUE(TakeOf(v1::AgentMessage::kResult).empty());
  ReceiveCommand(command);
  EXPECT_EQ(TakeResult().outcome(), v1::OUTCOME_CHANGED);
  EXPECT_EQ(plugins_.effects(), 0);
}

TEST_F(SessionTest, PluginThatDiesInTheMiddleIsLookedAtAndNotRetried) {
  Connect();
  link_.Take();
  int applies = 0;
  plugins_.set_before_act([&](const v1::Command& act) {
    if (act.mode() == v1::MODE_CHECK) return absl::OkStatus();
    ++applies;
    return absl::UnavailableError("plugin fake died");
  });
  ReceiveCommand(Ensure("c1", "activated"));
  const auto result = TakeResult();
  EXPECT_EQ(result.outcome(), v1::OUTCOME_INTERRUPTED);
  EXPECT_NE(result.message().find("plugin fake died"), std::string::npos);
  EXPECT_EQ(applies, 1);
}

TEST_F(SessionTest, CommandsRunOneAtATimeAndInOrder) {
  Connect();
  link_.Take();
  for (const char* id : {"c1", "c2", "c3"}) {
    v1::ControllerMessage message;
    *message.mutable_command() = Ensure(id, id);
    session_->Received(message);
  }
  executor_->RunReady();
  std::vector<std::string> order;
  for (const auto& message : TakeOf(v1::AgentMessage::kResult)) {
    order.push_back(message.result().command_id());
  }
  EXPECT_EQ(order, (std::vector<std::string>{"c1", "c2", "c3"}));
  EXPECT_EQ(plugins_.effects(), 3);
}

TEST_F(SessionTest, SecretsAndKeysDoNotComeBack) {
  Connect();
  link_.Take();
  v1::Command command = Ensure("c1", "activated");
  (*command.mutable_secrets())["key"] = "s3cret";
  plugins_.set_before_act([](const v1::Command&) {
    return absl::InternalError("s3cret and AAAAA-BBBBB-CCCCC-DDDDD-EEEEE failed");
  });
  ReceiveCommand(command);
  const auto result = TakeResult();
  EXPECT_EQ(result.outcome(), v1::OUTCOME_FAILED);
  EXPECT_EQ(result.message().find("s3cret"), std::string::npos);
  EXPECT_EQ(result.message().find("BBBBB"), std::string::npos);
}

TEST_F(SessionTest, FullDiskRefusesCommandsAndSaysSo) {
  Connect();
  link_.Take();
  ASSERT_TRUE(database_->Execute("PRAGMA max_page_count=1").ok());
  v1::Command command = Ensure("c1", std::string(64 << 10, 'x'));
  ReceiveCommand(command);
  std::vector<v1::AgentNotice> notices;
  std::vector<v1::CommandResult> results;
  for (const auto& message : link_.Take()) {
    if (message.has_notice()) notices.push_back(message.notice());
    if (message.has_result()) results.push_back(message.result());
  }
  ASSERT_EQ(results.size(), 1u);
  EXPECT_EQ(results[0].outcome(), v1::OUTCOME_REFUSED);
  EXPECT_NE(results[0].message().find(path_), std::string::npos);
  EXPECT_EQ(plugins_.effects(), 0);
  ASSERT_EQ(notices.size(), 1u);
  EXPECT_EQ(notices[0].code(), "AGENT_JOURNAL_FULL");

  ASSERT_TRUE(database_->Execute("PRAGMA max_page_count=100000").ok());
  ReceiveCommand(command);  // nothing was recorded, so it may run now
  EXPECT_EQ(plugins_.effects(), 1);
  bool resolved = false;
  for (const auto& message : link_.Take()) resolved |= message.notice().resolved();
  EXPECT_TRUE(resolved);
}

TEST_F(SessionTest, ResultThatCannotBeJournaledIsStillReportedOnce) {
  Connect();
  link_.Take();
  plugins_.set_before_act(
      [&](const v1::Command&) { return database_->Execute("PRAGMA max_page_count=1"); });
  v1::Command command = Ensure("c1", std::string(64 << 10, 'x'));
  ReceiveCommand(command);
  EXPECT_EQ(TakeResult().outcome(), v1::OUTCOME_CHANGED);
  plugins_.set_before_act(nullptr);
  ReceiveCommand(command);
  EXPECT_TRUE(TakeResult().repeated());
  EXPECT_EQ(plugins_.effects(), 1);
  EXPECT_EQ((*journal_->Find("c1"))->state, Journal::State::kStarted);
  // With room again the next round writes it down.
  ASSERT_TRUE(database_->Execute("PRAGMA max_page_count=100000").ok());
  ReceiveCollect("r1");
  EXPECT_EQ((*journal_->Find("c1"))->state, Journal::State::kFinished);
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
