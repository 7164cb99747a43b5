// SPDX-License-Identifier: Apache-2.0
//
// Machines that an admin keeps out, over real mutual TLS.
#include "controller/server_testing.h"
#include "keymedic/v1/fleet_service.grpc.pb.h"

namespace keymedic::controller {
namespace {

using testing::HasSubstr;

// Ban and reset are not the same: see docs/enrolment.md.
class MachineAccessTest : public ServerTest {
 protected:
  template <typename Request>
  grpc::Status Act(grpc::Status (v1::AccessService::Stub::*method)(grpc::ClientContext*,
                                                                   const Request&,
                                                                   v1::MachineAccess*),
                   Role role = Role::kAdmin) {
    Request request;
    request.set_name("pc1");
    request.set_reason("lost on a train");
    Context context;
    const auto stub = v1::AccessService::NewStub(As(role));
    return (stub.get()->*method)(&context, request, &access_);
  }
  grpc::Status Ban() { return Act(&v1::AccessService::Stub::BanMachine); }
  grpc::Status Unban() { return Act(&v1::AccessService::Stub::UnbanMachine); }
  grpc::Status Reset() { return Act(&v1::AccessService::Stub::ResetMachine); }
  grpc::Status Remove() { return Act(&v1::AccessService::Stub::RemoveMachine); }

  using Stream = grpc::ClientReaderWriter<v1::AgentMessage, v1::ControllerMessage>;
  // With the machine's present certificate, until it is welcome.
  std::unique_ptr<Stream> Connect(grpc::ClientContext& context) {
    channel_ = Channel(authority_->ca_pem(), machine_);
    auto stream = v1::AgentService::NewStub(channel_)->Connect(&context);
    v1::AgentMessage hello;
    hello.mutable_hello()->set_machine_name("pc1");
    stream->Write(hello);
    v1::ControllerMessage answer;
    welcome_ = stream->Read(&answer) && answer.has_welcome();
    return stream;
  }
  grpc::StatusCode CodeOfConnecting() {
    Context context;
    const auto stream = Connect(context);
    if (welcome_) context.TryCancel();
    return welcome_ ? grpc::StatusCode::OK : stream->Finish().error_code();
  }
  static grpc::StatusCode EndOf(Stream& stream) {
    v1::ControllerMessage message;
    while (stream.Read(&message)) {
    }
    return stream.Finish().error_code();
  }
  grpc::Status EnrollAgain() {
    KeyAndCertificate own{.key_pem = *x509::GenerateKeyPem()};
    v1::EnrollResponse response;
    const grpc::Status status =
        TryEnroll(CreateToken(1), *x509::MakeCsrPem(own.key_pem, "pc1"), &response);
    own.certificate_pem = response.certificate_pem();
    if (status.ok()) {
      machine_ = own;
      EXPECT_EQ(response.machine_id(), "m1");
    }
    return status;
  }
  void AwaitDisconnected() {
    const auto stub = v1::FleetService::NewStub(As(Role::kViewer));
    Context context;
    const auto watch = stub->WatchSummary(&context, {});
    v1::Summary summary;
    while (watch->Read(&summary) && summary.connected() > 0) {
    }
    EXPECT_EQ(summary.connected(), 0u);
    context.TryCancel();
  }
  std::vector<std::string> AuditedActs() {
    const v1::ListAuditEntriesResponse response = Audited("machine.");
    std::vector<std::string> acts;
    for (const v1::AuditEntry& entry : response.entries()) {
      if (entry.act() == "machine.enroll") continue;
      EXPECT_EQ(entry.object(), "machines/m1");
      EXPECT_EQ(entry.actor(), "spiffe://keymedic/operator/admin/somebody");
      EXPECT_THAT(entry.detail(), HasSubstr("lost on a train"));
      acts.insert(acts.begin(), entry.act());
    }
    return acts;
  }

  v1::MachineAccess access_;
  std::shared_ptr<grpc::Channel> channel_;
  bool welcome_ = false;
};

TEST_F(MachineAccessTest, ABanKeepsAMachineOutUntilItIsLifted) {
  EnrolledMachine();
  Context context;
  const auto stream = Connect(context);
  ASSERT_TRUE(welcome_);
  ASSERT_TRUE(Ban().ok());
  EXPECT_TRUE(access_.banned());
  EXPECT_EQ(EndOf(*stream), grpc::StatusCode::PERMISSION_DENIED);
  for (int restart = 0; restart < 2; ++restart) {
    EXPECT_EQ(CodeOfConnecting(), grpc::StatusCode::PERMISSION_DENIED);
    EXPECT_EQ(InfoOf(EnrollAgain()).reason(), "MACHINE_BANNED");
    v1::GetMachineRequest request;
    request.set_name("pc1");
    v1::Machine machine;
    Context get;
    ASSERT_TRUE(
        v1::FleetService::NewStub(As(Role::kViewer))->GetMachine(&get, request, &machine).ok());
    EXPECT_EQ(machine.ban_reason(), "lost on a train");
    Restart();
  }
  ASSERT_TRUE(Unban().ok());
  EXPECT_FALSE(access_.banned());
  EXPECT_EQ(CodeOfConnecting(), grpc::StatusCode::OK) << "its certificate is still good";
  EXPECT_TRUE(EnrollAgain().ok());
  EXPECT_EQ(CodeOfConnecting(), grpc::StatusCode::OK);
  EXPECT_EQ(Unban().error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(AuditedActs(), testing::ElementsAre("machine.ban", "machine.unban"));
}

TEST_F(MachineAccessTest, ResetIsNotBan) {
  EnrolledMachine();
  Context context;
  const auto stream = Connect(context);
  ASSERT_TRUE(welcome_);
  ASSERT_TRUE(Reset().ok());
  EXPECT_FALSE(access_.banned());
  EXPECT_EQ(EndOf(*stream), grpc::StatusCode::UNAUTHENTICATED);
  for (int restart = 0; restart < 2; ++restart) {
    EXPECT_EQ(CodeOfConnecting(), grpc::StatusCode::UNAUTHENTICATED);
    v1::RenewCertificateRequest request;
    request.set_csr_pem(*x509::MakeCsrPem(*x509::GenerateKeyPem(), "pc1"));
    v1::RenewCertificateResponse response;
    Context renew;
    EXPECT_EQ(v1::AgentService::NewStub(channel_)
                  ->RenewCertificate(&renew, request, &response)
                  .error_code(),
              grpc::StatusCode::UNAUTHENTICATED);
    Restart();
  }
  const KeyAndCertificate old = machine_;
  ASSERT_TRUE(EnrollAgain().ok()) << "at once: in the very second of the reset";
  EXPECT_EQ(CodeOfConnecting(), grpc::StatusCode::OK);
  machine_ = old;
  EXPECT_EQ(CodeOfConnecting(), grpc::StatusCode::UNAUTHENTICATED) << "still void";
  EXPECT_THAT(AuditedActs(), testing::ElementsAre("machine.reset"));
}

TEST_F(MachineAccessTest, AMachineIsRemovedOnceItIsGone) {
  EnrolledMachine();
  Context context;
  const auto stream = Connect(context);
  ASSERT_TRUE(welcome_);
  EXPECT_EQ(Remove().error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  v1::AgentMessage beat;
  beat.mutable_heartbeat();
  v1::ControllerMessage answer;
  ASSERT_TRUE(stream->Write(beat) && stream->Read(&answer)) << "a refusal changes nothing";
  context.TryCancel();
  EndOf(*stream);
  AwaitDisconnected();
  ASSERT_TRUE(Remove().ok());
  EXPECT_EQ(access_.display_name(), "pc1");
  for (int restart = 0; restart < 2; ++restart) {
    EXPECT_EQ(CodeOfConnecting(), grpc::StatusCode::UNAUTHENTICATED);
    EXPECT_EQ(server_->fleet().Summary().machines(), 0u);
    Restart();
  }
  EXPECT_EQ(Remove().error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(Ban().error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_THAT(AuditedActs(), testing::ElementsAre("machine.remove"));
  ASSERT_TRUE(EnrollAgain().ok());
  EXPECT_EQ(CodeOfConnecting(), grpc::StatusCode::OK);
}

TEST_F(MachineAccessTest, IsForAdminsOnly) {
  EnrolledMachine();
  const auto denied = grpc::StatusCode::PERMISSION_DENIED;
  using Stub = v1::AccessService::Stub;
  for (const Role role : {Role::kViewer, Role::kOperator, Role::kApprover}) {
    EXPECT_EQ(Act(&Stub::BanMachine, role).error_code(), denied);
    EXPECT_EQ(Act(&Stub::UnbanMachine, role).error_code(), denied);
    EXPECT_EQ(Act(&Stub::ResetMachine, role).error_code(), denied);
    EXPECT_EQ(Act(&Stub::RemoveMachine, role).error_code(), denied);
  }
  EXPECT_EQ(CodeOfConnecting(), grpc::StatusCode::OK);
  EXPECT_THAT(AuditedActs(), testing::IsEmpty());
}

}  // namespace
}  // namespace keymedic::controller
