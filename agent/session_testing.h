// SPDX-License-Identifier: Apache-2.0
//
// For tests: a session with a fake plugin, a fake link and a clock of its own; nothing runs but
// what the test lets run.
#ifndef KEYMEDIC_AGENT_SESSION_TESTING_H_
#define KEYMEDIC_AGENT_SESSION_TESTING_H_

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/fake_authority.h"
#include "agent/fake_plugins.h"
#include "agent/session.h"

namespace keymedic::agent {

inline const absl::Time kNow = absl::FromUnixSeconds(1'700'000'000);

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

}  // namespace keymedic::agent

#endif  // KEYMEDIC_AGENT_SESSION_TESTING_H_
