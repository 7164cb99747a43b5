// SPDX-License-Identifier: Apache-2.0
//
// The agent over real gRPC and mutual TLS, against a fake controller in this process.
#include <google/protobuf/util/json_util.h>

#include <filesystem>

#include "agent/agent.h"
#include "agent/connection.h"
#include "agent/fake_controller.h"
#include "agent/fake_plugins.h"
#include "base/files.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace keymedic::agent {
namespace {

// Says when it was asked how long to wait before the next attempt to connect.
class CountingRandom final : public Random {
 public:
  std::string Bytes(size_t n) override {
    absl::MutexLock lock(&mutex_);
    ++asked_;
    return random_.Bytes(n);
  }
  bool AwaitMore(int times) {
    absl::MutexLock lock(&mutex_);
    const int until = asked_ + times;
    const auto enough = [&] {
      mutex_.AssertHeld();
      return asked_ >= until;
    };
    return mutex_.AwaitWithTimeout(absl::Condition(&enough), absl::Seconds(60));
  }

 private:
  absl::Mutex mutex_;
  SeededRandom random_ ABSL_GUARDED_BY(mutex_){7};
  int asked_ ABSL_GUARDED_BY(mutex_) = 0;
};

class AgentGrpcTest : public ::testing::Test {
 protected:
  absl::Status EnrollHere(const std::string& token) {
    return Enroll({controller_.address(), token, dir_, "pc-017", {{"site", "berlin"}}}, clock_,
                  random_);
  }
  // An identity made by hand: valid for a day, from an hour ago unless it is said otherwise.
  std::string StoreIdentity(const FakeAuthority& signer, absl::Duration ago = absl::Hours(1)) {
    const absl::Time from = absl::Now() - ago;
    Credential credential = signer.Machine("m-1", from, from + absl::Hours(24));
    credential.ca_pem = authority_.ca;
    EXPECT_TRUE(StoreEnrolment(dir_, "m-1", controller_.address(), credential).ok());
    return x509::Inspect(credential.certificate_pem)->serial;
  }
  void StartAgent() {
    AgentOptions options;
    options.state_dir = dir_;
    options.machine_name = "pc-017";
    options.reconnect = {.first = absl::Milliseconds(20), .most = absl::Milliseconds(200)};
    options.keep_status = keep_status_;
    auto agent = Agent::Open(options, {clock_, random_, *executor_, plugins_});
    ASSERT_TRUE(agent.ok()) << agent.status();
    agent_ = *std::move(agent);
    agent_->Start();
  }
  bool AwaitStreams(size_t count) {
    return controller_.Await([&] { return controller_.welcomed.size() >= count; });
  }
  std::string StoredSerial() { return x509::Inspect(*ReadFile(dir_ + "/agent.crt"))->serial; }

  FakeClock clock_{absl::Now()};
  CountingRandom random_;
  FakePlugins plugins_;
  const FakeAuthority authority_{absl::Now()};
  FakeController controller_{authority_};
  const std::string dir_ = MakeTempDir();
  std::unique_ptr<Executor> executor_ = MakeThreadPool(2);
  bool keep_status_ = false;
  std::unique_ptr<Agent> agent_;  // ends before all of these
};

TEST_F(AgentGrpcTest, EnrolsConnectsAndObeys) {
  ASSERT_TRUE(EnrollHere(controller_.token().ToString()).ok());
  plugins_.Set("os", "windows");
  v1::ControllerMessage message;
  v1::Command& command = *message.mutable_command();
  command.set_id("c1");
  command.set_plugin("fake");
  command.set_mode(v1::MODE_APPLY);
  (*command.mutable_params())["licensing"] = "activated";
  controller_.SendOnWelcome(message);

  StartAgent();
  ASSERT_TRUE(controller_.Await([&] { return !controller_.results.empty(); }));
  EXPECT_EQ(controller_.results[0].outcome(), v1::OUTCOME_CHANGED);
  EXPECT_EQ(controller_.hellos[0].machine_name(), "pc-017");
  EXPECT_EQ(controller_.hellos[0].hashes(0).name(), "os");
  EXPECT_EQ(controller_.enrolled[0].labels().at("site"), "berlin");
  EXPECT_EQ(agent_->machine_id(), controller_.enrolled[0].machine_id());
  EXPECT_TRUE(agent_->connected());
  agent_->Stop();
  EXPECT_FALSE(agent_->connected());
}

TEST_F(AgentGrpcTest, KeepsWhatTheControllerMakesOfTheMachineUntilItIsEnrolledAnew) {
  ASSERT_TRUE(EnrollHere(controller_.token().ToString()).ok());
  v1::ControllerMessage message;
  v1::MachineStatus& status = *message.mutable_status();
  status.add_roles("kms_client");
  status.set_license_status(v1::LICENSE_STATUS_NOTIFICATION);
  status.add_findings()->set_code("CLIENT_KEY_NOT_GVLK");
  controller_.SendOnWelcome(message);
  v1::ControllerMessage command;  // its result shows that what came before it was taken
  command.mutable_command()->set_id("c1");
  command.mutable_command()->set_plugin("fake");
  command.mutable_command()->set_mode(v1::MODE_CHECK);
  controller_.SendOnWelcome(command);
  keep_status_ = true;
  StartAgent();
  ASSERT_TRUE(controller_.Await([&] { return !controller_.results.empty(); }));
  EXPECT_TRUE(controller_.hellos[0].wants_status());
  agent_->Stop();

  const std::string file = dir_ + "/status.json";
  v1::MachineStatus stored;
  ASSERT_TRUE(google::protobuf::util::JsonStringToMessage(*ReadFile(file), &stored).ok());
  EXPECT_EQ(stored.SerializeAsString(), status.SerializeAsString());
#ifndef _WIN32
  EXPECT_EQ(static_cast<int>(std::filesystem::status(file).permissions()), 0600);
#endif
  ASSERT_TRUE(EnrollHere(controller_.token().ToString()).ok());
  EXPECT_FALSE(std::filesystem::exists(file)) << "another controller may think otherwise";
}

TEST_F(AgentGrpcTest, WhoKeepsNoStatusDoesNotAskForIt) {
  StoreIdentity(authority_);
  StartAgent();
  ASSERT_TRUE(AwaitStreams(1));
  EXPECT_FALSE(controller_.hellos[0].wants_status());
}

TEST_F(AgentGrpcTest, EnrollingAgainKeepsTheMachineId) {
  ASSERT_TRUE(EnrollHere(controller_.token().ToString()).ok());
  const std::string first = StoredSerial();
  ASSERT_TRUE(EnrollHere(controller_.token().ToString()).ok());
  EXPECT_EQ(controller_.enrolled[0].machine_id(), controller_.enrolled[1].machine_id());
  EXPECT_NE(StoredSerial(), first);
}

TEST_F(AgentGrpcTest, SpentTokenSaysWhatToDo) {
  controller_.set_token_spent();
  const absl::Status status = EnrollHere(controller_.token().ToString());
  EXPECT_TRUE(absl::IsUnauthenticated(status)) << status;
  EXPECT_NE(status.message().find("keymedic tokens create"), absl::string_view::npos);
  EXPECT_EQ(status.message().find(controller_.token().secret), absl::string_view::npos);
  EXPECT_FALSE(std::filesystem::exists(dir_ + "/agent.crt"));
}

TEST_F(AgentGrpcTest, TokenOfAnotherControllerIsNotSentToThisOne) {
  JoinToken token = controller_.token();
  token.ca_sha256 = x509::Inspect(FakeAuthority(absl::Now()).ca)->fingerprint_sha256;
  const absl::Status status = EnrollHere(token.ToString());
  EXPECT_TRUE(absl::IsPermissionDenied(status)) << status;
  EXPECT_NE(status.message().find(controller_.address()), absl::string_view::npos);
  EXPECT_TRUE(controller_.enrolled.empty());
}

TEST_F(AgentGrpcTest, NobodyThereSaysWhatToCheck) {
  controller_.Stop();
  const absl::Status status = EnrollHere(controller_.token().ToString());
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_NE(status.message().find("firewall"), absl::string_view::npos);
}

TEST_F(AgentGrpcTest, NotATokenIsRefusedAtOnce) {
  EXPECT_TRUE(absl::IsInvalidArgument(EnrollHere("km1.rubbish")));
}

TEST_F(AgentGrpcTest, CertificateOfAnotherAuthorityIsRefused) {
  StoreIdentity(FakeAuthority(absl::Now()));
  StartAgent();
  ASSERT_TRUE(random_.AwaitMore(3));  // it keeps trying
  EXPECT_FALSE(agent_->connected());
  EXPECT_TRUE(controller_.Await([&] { return controller_.welcomed.empty(); }));
}

TEST_F(AgentGrpcTest, RenewsOverTheLiveConnection) {
  const std::string old_serial = StoreIdentity(authority_);
  StartAgent();
  ASSERT_TRUE(AwaitStreams(1));
  clock_.Advance(absl::Hours(17));  // past two thirds of the old one, not of the new one
  ASSERT_TRUE(controller_.Await(
      [&] { return !controller_.settled.empty() && controller_.settled.back() != old_serial; }));
  EXPECT_EQ(controller_.welcomed[0], old_serial);
  EXPECT_NE(controller_.welcomed[1], old_serial);
  agent_->Stop();
  EXPECT_EQ(StoredSerial(), controller_.welcomed[1]);
  EXPECT_FALSE(std::filesystem::exists(dir_ + "/agent.crt.next"));
}

TEST_F(AgentGrpcTest, NewCertificateThatDoesNotWorkCostsNothing) {
  const std::string old_serial = StoreIdentity(authority_);
  std::string bad_serial;
  controller_.set_refuse([&](const std::string& serial) {
    if (serial == old_serial) return grpc::Status::OK;
    if (bad_serial.empty()) bad_serial = serial;
    return serial == bad_serial ? grpc::Status(grpc::StatusCode::UNAUTHENTICATED, "unknown")
                                : grpc::Status::OK;
  });
  StartAgent();
  ASSERT_TRUE(AwaitStreams(1));
  clock_.Advance(absl::Hours(17));
  // Back with the old one, and then with yet another.
  ASSERT_TRUE(AwaitStreams(3));
  EXPECT_EQ(controller_.welcomed[1], old_serial);
  EXPECT_NE(controller_.welcomed[2], old_serial);
  EXPECT_NE(controller_.welcomed[2], bad_serial);
  EXPECT_NE(bad_serial, "");
}

TEST_F(AgentGrpcTest, ACertificateThatEndedWhileTheMachineWasOffIsRecovered) {
  const std::string old_serial = StoreIdentity(authority_, absl::Hours(72));
  StartAgent();
  ASSERT_TRUE(controller_.Await([&] { return !controller_.settled.empty(); }));
  agent_->Stop();
  ASSERT_EQ(controller_.recovered.size(), 1u);
  EXPECT_EQ(controller_.recovered[0], old_serial);
  EXPECT_NE(StoredSerial(), old_serial);
  EXPECT_EQ(StoredSerial(), controller_.welcomed[0]);
  EXPECT_EQ(agent_->machine_id(), "m-1");
  EXPECT_FALSE(std::filesystem::exists(dir_ + "/agent.crt.next"));
}

TEST_F(AgentGrpcTest, ARecoveryThatIsRefusedCostsNothing) {
  StoreIdentity(authority_, absl::Hours(72));
  const auto files = [&] {
    return *ReadFile(dir_ + "/agent.key") + *ReadFile(dir_ + "/agent.crt") +
           *ReadFile(dir_ + "/ca.crt");
  };
  const std::string before = files();
  controller_.set_refuse_recovery();
  StartAgent();
  ASSERT_TRUE(random_.AwaitMore(3));  // it keeps trying
  agent_->Stop();
  EXPECT_EQ(files(), before);
  EXPECT_FALSE(std::filesystem::exists(dir_ + "/agent.crt.next"));
  EXPECT_TRUE(controller_.welcomed.empty());
}

TEST_F(AgentGrpcTest, WhatARecoveryBroughtIsKeptOnlyOnceItHasWorked) {
  const std::string old_serial = StoreIdentity(authority_, absl::Hours(72));
  controller_.set_refuse(
      [](const std::string&) { return grpc::Status(grpc::StatusCode::UNAUTHENTICATED, "no"); });
  StartAgent();
  ASSERT_TRUE(controller_.Await([&] { return controller_.recovered.size() >= 2; }));
  EXPECT_EQ(controller_.recovered[1], old_serial) << "with the last one that worked";
  EXPECT_EQ(StoredSerial(), old_serial);
  controller_.set_refuse([](const std::string&) { return grpc::Status::OK; });
  ASSERT_TRUE(controller_.Await([&] { return !controller_.settled.empty(); }));
  agent_->Stop();
  EXPECT_EQ(StoredSerial(), controller_.settled.back());
}

TEST_F(AgentGrpcTest, StopsWhileItRecovers) {
  StoreIdentity(authority_, absl::Hours(72));
  controller_.Stop();
  StartAgent();
  agent_->Stop();
  EXPECT_FALSE(agent_->connected());
}

TEST_F(AgentGrpcTest, EnrolledWhileItRunsItConnects) {
  StoreIdentity(FakeAuthority(absl::Now()));
  StartAgent();
  ASSERT_TRUE(random_.AwaitMore(3));
  EXPECT_TRUE(controller_.Await([&] { return controller_.welcomed.empty(); }));
  ASSERT_TRUE(EnrollHere(controller_.token().ToString()).ok());
  const std::string serial = StoredSerial();
  ASSERT_TRUE(AwaitStreams(1));
  EXPECT_EQ(controller_.welcomed[0], serial);
  EXPECT_EQ(controller_.enrolled[0].machine_id(), "m-1");
}

TEST_F(AgentGrpcTest, ARenewalDoesNotTakeThePlaceOfAnEnrolment) {
  const std::string old_serial = StoreIdentity(authority_);
  StartAgent();
  ASSERT_TRUE(AwaitStreams(1));
  ASSERT_TRUE(EnrollHere(controller_.token().ToString()).ok());
  const std::string serial = StoredSerial();
  clock_.Advance(absl::Hours(17));  // the old one is to be renewed
  ASSERT_TRUE(AwaitStreams(2));
  agent_->Stop();
  EXPECT_EQ(controller_.welcomed[0], old_serial);
  EXPECT_EQ(controller_.welcomed[1], serial);
  EXPECT_EQ(StoredSerial(), serial);
}

TEST_F(AgentGrpcTest, ReconnectsAfterTheControllerRestarts) {
  StoreIdentity(authority_);
  StartAgent();
  ASSERT_TRUE(AwaitStreams(1));
  controller_.Stop();
  ASSERT_TRUE(random_.AwaitMore(2));
  EXPECT_FALSE(agent_->connected());
  controller_.Start();
  EXPECT_TRUE(AwaitStreams(2));
}

TEST_F(AgentGrpcTest, StopsWhileItCannotConnect) {
  StoreIdentity(authority_);
  controller_.Stop();
  StartAgent();
  agent_->Stop();
  EXPECT_FALSE(agent_->connected());
}

TEST(RetryDelayTest, ReadsRetryInfoAmongOtherDetails) {
  google::rpc::RetryInfo retry;
  retry.mutable_retry_delay()->set_seconds(2);
  retry.mutable_retry_delay()->set_nanos(500'000'000);
  google::rpc::Status status;
  status.add_details()->PackFrom(google::rpc::ErrorInfo());
  EXPECT_EQ(RetryDelay(status.SerializeAsString()), absl::ZeroDuration());
  status.add_details()->PackFrom(retry);
  EXPECT_EQ(RetryDelay(status.SerializeAsString()), absl::Milliseconds(2500));
  EXPECT_EQ(RetryDelay("\xff rubbish"), absl::ZeroDuration());
  EXPECT_EQ(RetryDelay(""), absl::ZeroDuration());
}

}  // namespace
}  // namespace keymedic::agent
