// SPDX-License-Identifier: Apache-2.0
#include "agent/journal.h"

#include <fstream>
#include <iterator>
#include <optional>

#include "absl/strings/str_cat.h"
#include "agent/fake_authority.h"

namespace keymedic::agent {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1'700'000'000);

v1::Command Apply(const std::string& id) {
  v1::Command command;
  command.set_id(id);
  command.set_plugin("kms_host");
  command.set_action("ensure_host_key");
  command.set_mode(v1::MODE_APPLY);
  (*command.mutable_params())["port"] = "1688";
  return command;
}

v1::CommandResult Changed(const std::string& id) {
  v1::CommandResult result;
  result.set_command_id(id);
  result.set_outcome(v1::OUTCOME_CHANGED);
  return result;
}

class JournalTest : public ::testing::Test {
 protected:
  void SetUp() override { Reopen(); }
  // As after a crash: what is not in the file is gone.
  void Reopen() {
    journal_.reset();
    database_.reset();
    database_.emplace(*Database::Open(path_));
    journal_.emplace(*Journal::Open(*database_));
  }
  std::optional<Journal::Entry> Find(const std::string& id) {
    auto entry = journal_->Find(id);
    EXPECT_TRUE(entry.ok()) << entry.status();
    return entry.ok() ? *entry : std::nullopt;
  }

  const std::string path_ = MakeTempDir() + "/journal.db";
  std::optional<Database> database_;
  std::optional<Journal> journal_;
};

TEST_F(JournalTest, EachStepSurvivesACrash) {
  EXPECT_FALSE(Find("c1").has_value());

  ASSERT_TRUE(journal_->Receive(Apply("c1"), kNow).ok());
  Reopen();
  EXPECT_EQ(Find("c1")->state, Journal::State::kReceived);
  EXPECT_TRUE(journal_->Interrupted()->empty());

  ASSERT_TRUE(journal_->Start("c1").ok());
  Reopen();
  EXPECT_EQ(Find("c1")->state, Journal::State::kStarted);
  ASSERT_EQ(journal_->Interrupted()->size(), 1u);
  EXPECT_EQ(journal_->Interrupted()->at(0).command.params().at("port"), "1688");

  ASSERT_TRUE(journal_->Finish(Apply("c1"), Changed("c1"), kNow).ok());
  Reopen();
  EXPECT_EQ(Find("c1")->state, Journal::State::kFinished);
  EXPECT_EQ(Find("c1")->result.outcome(), v1::OUTCOME_CHANGED);
  EXPECT_TRUE(journal_->Interrupted()->empty());
  EXPECT_EQ(journal_->Unacknowledged()->size(), 1u);

  ASSERT_TRUE(journal_->Acknowledge("c1").ok());
  Reopen();
  EXPECT_TRUE(journal_->Unacknowledged()->empty());
  EXPECT_EQ(Find("c1")->state, Journal::State::kFinished);
}

TEST_F(JournalTest, ReceivingAgainTakesNothingBack) {
  ASSERT_TRUE(journal_->Receive(Apply("c1"), kNow).ok());
  ASSERT_TRUE(journal_->Start("c1").ok());
  ASSERT_TRUE(journal_->Receive(Apply("c1"), kNow).ok());
  EXPECT_EQ(Find("c1")->state, Journal::State::kStarted);
}

TEST_F(JournalTest, WhatWasNeverReceivedCannotStart) { EXPECT_FALSE(journal_->Start("c1").ok()); }

TEST_F(JournalTest, SecretsAreNeverWritten) {
  v1::Command command = Apply("c1");
  (*command.mutable_secrets())["key"] = "SECRET-SECRET";
  ASSERT_TRUE(journal_->Receive(command, kNow).ok());
  ASSERT_TRUE(journal_->Start("c1").ok());
  EXPECT_TRUE(journal_->Interrupted()->at(0).had_secrets);
  EXPECT_TRUE(journal_->Interrupted()->at(0).command.secrets().empty());
  ASSERT_TRUE(journal_->Finish(command, Changed("c1"), kNow).ok());
  for (const char* suffix : {"", "-wal"}) {
    std::ifstream file(path_ + suffix, std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(file)), {});
    EXPECT_EQ(bytes.find("SECRET-SECRET"), std::string::npos) << suffix;
  }
}

TEST_F(JournalTest, PrunesOnlyWhatNobodyNeeds) {
  for (const char* id : {"received", "started", "finished", "acknowledged"}) {
    ASSERT_TRUE(journal_->Receive(Apply(id), kNow).ok());
  }
  for (const char* id : {"started", "finished", "acknowledged"}) {
    ASSERT_TRUE(journal_->Start(id).ok());
  }
  for (const char* id : {"finished", "acknowledged"}) {
    ASSERT_TRUE(journal_->Finish(Apply(id), Changed(id), kNow).ok());
  }
  ASSERT_TRUE(journal_->Acknowledge("acknowledged").ok());

  ASSERT_TRUE(journal_->Prune(kNow).ok());
  EXPECT_TRUE(Find("acknowledged").has_value());  // not old enough
  ASSERT_TRUE(journal_->Prune(kNow + absl::Seconds(1)).ok());
  EXPECT_FALSE(Find("received").has_value());
  EXPECT_TRUE(Find("started").has_value());
  EXPECT_TRUE(Find("finished").has_value());
  EXPECT_FALSE(Find("acknowledged").has_value());
}

TEST_F(JournalTest, FullDiskIsSaidAndNamesTheFile) {
  ASSERT_TRUE(journal_->Receive(Apply("before"), kNow).ok());
  ASSERT_TRUE(database_->Execute("PRAGMA max_page_count=1").ok());
  v1::Command big = Apply("big");
  (*big.mutable_params())["padding"] = std::string(64 << 10, 'x');
  const absl::Status status = journal_->Receive(big, kNow);
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_NE(status.message().find("journal.db"), absl::string_view::npos) << status;
  EXPECT_FALSE(Find("big").has_value());
  EXPECT_EQ(Find("before")->state, Journal::State::kReceived);
  // With room again it goes on.
  ASSERT_TRUE(database_->Execute("PRAGMA max_page_count=100000").ok());
  EXPECT_TRUE(journal_->Receive(big, kNow).ok());
}

TEST_F(JournalTest, NotADatabaseIsRefused) {
  const std::string path = MakeTempDir() + "/journal.db";
  std::ofstream(path) << std::string(4096, 'x');
  EXPECT_FALSE(Database::Open(path).ok());
}

}  // namespace
}  // namespace keymedic::agent
