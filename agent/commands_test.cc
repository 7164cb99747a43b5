// SPDX-License-Identifier: Apache-2.0
//
// Commands as the controller meets them: through a session.
#include "agent/session_testing.h"

namespace keymedic::agent {
namespace {

using CommandsTest = SessionTest;

TEST_F(CommandsTest, ApplySendsChangesThenResult) {
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

TEST_F(CommandsTest, RepeatedCommandIsAnsweredFromTheJournal) {
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

TEST_F(CommandsTest, CheckChangesNothingAndIsNotFollowedByALook) {
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

TEST_F(CommandsTest, AChangeIsGivenMoreTimeThanALook) {
  Connect();
  ReceiveCommand(Ensure("c1", "activated", v1::MODE_CHECK));
  TakeResult();
  const absl::Duration look = plugins_.act_timeout();
  ReceiveCommand(Ensure("c2", "activated"));
  TakeResult();
  EXPECT_GT(look, absl::ZeroDuration());
  EXPECT_EQ(plugins_.act_timeout(), 4 * look);
}

TEST_F(CommandsTest, PastItsDeadlineNothingIsDone) {
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

// A machine whose clock is hours off must still take the command that mends it.
TEST_F(CommandsTest, DeadlinesAreByTheControllersClock) {
  Connect();
  link_.Take();
  v1::ControllerMessage heartbeat;
  heartbeat.mutable_heartbeat()->mutable_sent_at()->set_seconds(
      absl::ToUnixSeconds(kNow - absl::Hours(7)));
  Receive(heartbeat);
  v1::Command command = Ensure("c1", "activated");
  command.mutable_deadline()->set_seconds(absl::ToUnixSeconds(kNow - absl::Hours(6)));
  ReceiveCommand(command);
  EXPECT_EQ(TakeResult().outcome(), v1::OUTCOME_CHANGED);
  command = Ensure("c2", "activated");
  command.mutable_deadline()->set_seconds(absl::ToUnixSeconds(kNow - absl::Hours(8)));
  ReceiveCommand(command);
  EXPECT_EQ(TakeResult().outcome(), v1::OUTCOME_REFUSED);
}

TEST_F(CommandsTest, UnknownPluginIsRefused) {
  Connect();
  link_.Take();
  v1::Command command = Ensure("c1", "activated");
  command.set_plugin("no_such");
  ReceiveCommand(command);
  EXPECT_EQ(TakeResult().outcome(), v1::OUTCOME_REFUSED);
}

TEST_F(CommandsTest, ResultsWaitForTheirAcknowledgement) {
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
TEST_F(CommandsTest, CutOffAfterTheEffectIsReportedAsDone) {
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

TEST_F(CommandsTest, CutOffBeforeTheEffectIsNotTriedAgain) {
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

TEST_F(CommandsTest, ReceivedButNotStartedRunsWhenItComesAgain) {
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

TEST_F(CommandsTest, CutOffWithASecretIsResolvedWhenTheSecretComesAgain) {
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

TEST_F(CommandsTest, PluginThatDiesInTheMiddleIsLookedAtAndNotRetried) {
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

TEST_F(CommandsTest, CommandsRunOneAtATimeAndInOrder) {
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

TEST_F(CommandsTest, SecretsAndKeysDoNotComeBack) {
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

TEST_F(CommandsTest, FullDiskRefusesCommandsAndSaysSo) {
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
  EXPECT_NE(results[0].message().find("journal.db"), std::string::npos);
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

TEST_F(CommandsTest, ResultThatCannotBeJournaledIsStillReportedOnce) {
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

}  // namespace
}  // namespace keymedic::agent
