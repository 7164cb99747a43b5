// SPDX-License-Identifier: Apache-2.0
//
// A machine that was away until its certificate had ended, over real TLS.
#include "base/recovery_proof.h"
#include "controller/server_testing.h"

namespace keymedic::controller {
namespace {

using testing::HasSubstr;

class RecoveryTest : public ServerTest {
 protected:
  RecoveryTest() { EnrolledMachine(); }

  // For the machine's own key, good for a day that ended so long ago.
  KeyAndCertificate Ended(absl::Duration ago, const std::string& machine_id = "m1") {
    KeyAndCertificate old{.key_pem = *x509::GenerateKeyPem()};
    const absl::Duration life = absl::Hours(24);
    old.certificate_pem = *authority_->IssueMachine(*x509::MakeCsrPem(old.key_pem, "pc1"),
                                                    machine_id, clock_.Now() - ago - life, life);
    return old;
  }

  grpc::Status Call(const v1::RecoverCertificateRequest& request) {
    Context context;
    response_.Clear();
    return v1::AgentService::NewStub(Anonymous())
        ->RecoverCertificate(&context, request, &response_);
  }
  // Asks for a nonce; what comes of it is a request with the proof, signed with `key_pem`.
  grpc::Status Begin(const KeyAndCertificate& old, const std::string& key_pem,
                     v1::RecoverCertificateRequest& request) {
    request.Clear();
    request.set_certificate_pem(old.certificate_pem);
    new_key_ = *x509::GenerateKeyPem();
    request.set_csr_pem(*x509::MakeCsrPem(new_key_, "pc1"));
    if (const grpc::Status status = Call(request); !status.ok()) return status;
    EXPECT_EQ(response_.nonce().size(), kRecoveryNonceBytes);
    EXPECT_EQ(response_.certificate_pem(), "") << "nothing without a proof";
    request.set_nonce(response_.nonce());
    request.set_signature(
        *x509::SignBytes(key_pem, RecoveryProof(request.nonce(), request.csr_pem())));
    return grpc::Status::OK;
  }
  grpc::Status Recover(const KeyAndCertificate& old) {
    v1::RecoverCertificateRequest request;
    if (const grpc::Status status = Begin(old, old.key_pem, request); !status.ok()) return status;
    return Call(request);
  }
  // Whether the machine is welcome with what it was given.
  bool Connects() {
    const auto channel = Channel(response_.ca_pem(), {new_key_, response_.certificate_pem()});
    Context context;
    const auto stream = v1::AgentService::NewStub(channel)->Connect(&context);
    v1::AgentMessage hello;
    hello.mutable_hello()->set_machine_name("pc1");
    v1::ControllerMessage answer;
    const bool welcome = stream->Write(hello) && stream->Read(&answer) && answer.has_welcome();
    context.TryCancel();
    return welcome;
  }
  template <typename Request>
  void Act(grpc::Status (v1::AccessService::Stub::*method)(grpc::ClientContext*, const Request&,
                                                           v1::MachineAccess*)) {
    Request request;
    request.set_name("m1");
    v1::MachineAccess access;
    Context context;
    const auto stub = v1::AccessService::NewStub(As(Role::kAdmin));
    EXPECT_TRUE((stub.get()->*method)(&context, request, &access).ok());
  }

  std::string new_key_;
  v1::RecoverCertificateResponse response_;
};

TEST_F(RecoveryTest, AMachineThatWasAwayGetsANewCertificateByItself) {
  const KeyAndCertificate old = Ended(absl::Hours(24));
  ASSERT_TRUE(Recover(old).ok());
  const auto info = x509::Inspect(response_.certificate_pem());
  EXPECT_EQ(info->uri, "spiffe://keymedic/machine/m1");
  EXPECT_GT(info->not_after, clock_.Now() + absl::Hours(23));
  EXPECT_TRUE(x509::KeyMatches(new_key_, response_.certificate_pem()));
  EXPECT_TRUE(Connects());
  EXPECT_TRUE(Recover(old).ok()) << "once more: the answer may have been lost";

  const v1::ListAuditEntriesResponse audit = Audited("machine.recover");
  ASSERT_EQ(audit.entries_size(), 2);
  EXPECT_EQ(audit.entries(0).object(), "machines/m1");
}

TEST_F(RecoveryTest, NotAfterTheGrace) {
  ASSERT_TRUE(Recover(Ended(absl::Hours(24 * 29))).ok());
  const grpc::Status status = Recover(Ended(absl::Hours(24 * 31)));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(status.error_message(), HasSubstr("keymedic-agent enroll"));
}

TEST_F(RecoveryTest, NotForAMachineThatIsBannedOrWasReset) {
  const KeyAndCertificate old = Ended(absl::Hours(24));
  v1::RecoverCertificateRequest begun;
  ASSERT_TRUE(Begin(old, old.key_pem, begun).ok());
  Act(&v1::AccessService::Stub::BanMachine);
  EXPECT_EQ(Call(begun).error_code(), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(Recover(old).error_code(), grpc::StatusCode::PERMISSION_DENIED);
  Act(&v1::AccessService::Stub::UnbanMachine);
  EXPECT_TRUE(Recover(old).ok());
  Act(&v1::AccessService::Stub::ResetMachine);
  EXPECT_EQ(Recover(old).error_code(), grpc::StatusCode::UNAUTHENTICATED);
  Act(&v1::AccessService::Stub::RemoveMachine);
  EXPECT_EQ(Recover(old).error_code(), grpc::StatusCode::UNAUTHENTICATED);
}

TEST_F(RecoveryTest, NotWithAnotherKeyOrAnotherRequest) {
  const KeyAndCertificate old = Ended(absl::Hours(24));
  v1::RecoverCertificateRequest request;
  ASSERT_TRUE(Begin(old, *x509::GenerateKeyPem(), request).ok());
  const grpc::Status foreign = Call(request);
  EXPECT_EQ(foreign.error_code(), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(InfoOf(foreign).reason(), "PROOF_REFUSED");
  ASSERT_TRUE(Begin(old, old.key_pem, request).ok());
  request.set_csr_pem(*x509::MakeCsrPem(*x509::GenerateKeyPem(), "somebody's"));
  EXPECT_EQ(Call(request).error_code(), grpc::StatusCode::PERMISSION_DENIED);
  request.clear_signature();
  EXPECT_FALSE(Call(request).ok());
}

TEST_F(RecoveryTest, NotTwiceWithOneNonceNorWithOneOfOnesOwn) {
  const KeyAndCertificate old = Ended(absl::Hours(24));
  v1::RecoverCertificateRequest request;
  ASSERT_TRUE(Begin(old, old.key_pem, request).ok());
  ASSERT_TRUE(Call(request).ok());
  const grpc::Status replayed = Call(request);
  EXPECT_EQ(replayed.error_code(), grpc::StatusCode::ABORTED);
  EXPECT_EQ(response_.certificate_pem(), "");
  v1::RecoverCertificateRequest later;
  ASSERT_TRUE(Begin(old, old.key_pem, later).ok());
  EXPECT_EQ(Call(request).error_code(), grpc::StatusCode::ABORTED) << "also while another is open";
  request.set_nonce("mine");
  request.set_signature(*x509::SignBytes(old.key_pem, RecoveryProof("mine", request.csr_pem())));
  EXPECT_EQ(Call(request).error_code(), grpc::StatusCode::ABORTED);
}

TEST_F(RecoveryTest, NotForWhoIsNoMachineOfThisEstate) {
  EXPECT_EQ(InfoOf(Recover(Ended(absl::Hours(24), "m9"))).reason(), "MACHINE_UNKNOWN");
  EXPECT_EQ(Recover(*authority_->IssueOperator(Role::kAdmin, "a", clock_.Now(), absl::Hours(1)))
                .error_code(),
            grpc::StatusCode::PERMISSION_DENIED);
  const std::string other = FreshDirectory();
  ASSERT_TRUE(InitializeAuthority(other, {"localhost"}, clock_.Now()).ok());
  KeyAndCertificate foreign{.key_pem = *x509::GenerateKeyPem()};
  foreign.certificate_pem =
      *Authority::Load(other)->IssueMachine(*x509::MakeCsrPem(foreign.key_pem, "pc1"), "m1",
                                            clock_.Now() - absl::Hours(48), absl::Hours(24));
  EXPECT_EQ(Recover(foreign).error_code(), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(Recover(authority_->server()).error_code(), grpc::StatusCode::PERMISSION_DENIED);
  v1::RecoverCertificateRequest rubbish;
  rubbish.set_certificate_pem("no certificate");
  EXPECT_EQ(Call(rubbish).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

}  // namespace
}  // namespace keymedic::controller
