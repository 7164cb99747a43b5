// SPDX-License-Identifier: Apache-2.0
//
// What the whole controller answers to whom.
#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <atomic>

#include "absl/strings/str_cat.h"
#include "base/files.h"
#include "base/join_token.h"
#include "base/x509.h"
#include "controller/audit.h"
#include "controller/fleet/fleet_testing.h"
#include "controller/server_testing.h"
#include "controller/trust/authority.h"
#include "controller/trust/authorization.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "keymedic/v1/access_service.grpc.pb.h"
#include "keymedic/v1/agent_service.grpc.pb.h"
#include "keymedic/v1/fleet_service.grpc.pb.h"
#include "keymedic/v1/policy_service.grpc.pb.h"
#include "keymedic/v1/remediation_service.grpc.pb.h"

namespace keymedic::controller {
namespace {

using testing::HasSubstr;

std::vector<std::string> CausesSeenThrough(const std::shared_ptr<grpc::Channel>& channel) {
  v1::ListFindingsResponse response;
  Context context;
  const grpc::Status status =
      v1::FleetService::NewStub(channel)->ListFindings(&context, {}, &response);
  EXPECT_TRUE(status.ok()) << status.error_message();
  std::vector<std::string> codes;
  for (const auto& finding : response.findings()) codes.push_back(finding.code());
  return codes;
}

TEST_F(ServerTest, RefusesACertificateOfAnotherAuthorityInTheHandshake) {
  const std::string other = FreshDirectory();
  ASSERT_TRUE(InitializeAuthority(other, {"localhost"}, clock_.Now()).ok());
  const KeyAndCertificate foreign =
      *Authority::Load(other)->IssueOperator(Role::kAdmin, "admin", clock_.Now(), absl::Hours(1));
  Context context;
  v1::Summary summary;
  const grpc::Status status = v1::FleetService::NewStub(Channel(authority_->ca_pem(), foreign))
                                  ->GetSummary(&context, {}, &summary);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  Context enroll;
  v1::EnrollResponse enrolled;
  EXPECT_EQ(v1::AgentService::NewStub(Channel(authority_->ca_pem(), foreign))
                ->Enroll(&enroll, {}, &enrolled)
                .error_code(),
            grpc::StatusCode::UNAVAILABLE);
}

TEST_F(ServerTest, WithoutACertificateOnlyEnrollmentIsAnswered) {
  Context context;
  v1::Summary summary;
  const grpc::Status status =
      v1::FleetService::NewStub(Anonymous())->GetSummary(&context, {}, &summary);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_THAT(status.error_message(), HasSubstr("keymedic-agent enroll"));
  Context stream_context;
  auto stream = v1::AgentService::NewStub(Anonymous())->Connect(&stream_context);
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::UNAUTHENTICATED);
  v1::EnrollResponse response;
  const grpc::Status malformed = TryEnroll("no token", "no csr", &response);
  EXPECT_EQ(malformed.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(InfoOf(malformed).reason(), "TOKEN_MALFORMED");
  EXPECT_EQ(InfoOf(malformed).domain(), "keymedic");
}

TEST_F(ServerTest, ABadCsrDoesNotSpendTheToken) {
  const std::string token = CreateToken(1);
  v1::EnrollResponse response;
  EXPECT_EQ(InfoOf(TryEnroll(token, "no csr", &response)).reason(), "CSR_REFUSED");
  const std::string csr = *x509::MakeCsrPem(*x509::GenerateKeyPem(), "pc1");
  EXPECT_TRUE(TryEnroll(token, csr, &response).ok());
  const grpc::Status spent = TryEnroll(token, csr, &response);
  EXPECT_EQ(spent.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(InfoOf(spent).reason(), "TOKEN_REFUSED");
}

TEST_F(ServerTest, AViewerReadsAndChangesNothing) {
  const auto channel = As(Role::kViewer);
  Context read;
  v1::Policy policy;
  ASSERT_TRUE(v1::PolicyService::NewStub(channel)->GetPolicy(&read, {}, &policy).ok());
  Context write;
  v1::UpdatePolicyRequest update;
  *update.mutable_policy() = policy;
  const grpc::Status denied =
      v1::PolicyService::NewStub(channel)->UpdatePolicy(&write, update, &policy);
  EXPECT_EQ(denied.error_code(), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_THAT(denied.error_message(), HasSubstr("viewer"));
  Context plan;
  v1::Remediation remediation;
  EXPECT_EQ(v1::RemediationService::NewStub(channel)
                ->PlanRemediation(&plan, {}, &remediation)
                .error_code(),
            grpc::StatusCode::PERMISSION_DENIED);
  Context token;
  v1::CreateTokenResponse created;
  EXPECT_EQ(v1::AccessService::NewStub(channel)->CreateToken(&token, {}, &created).error_code(),
            grpc::StatusCode::PERMISSION_DENIED);
}

TEST_F(ServerTest, APolicyIsChangedOnlyByWhoHasSeenIt) {
  const auto stub = v1::PolicyService::NewStub(As(Role::kAdmin));
  v1::Policy policy;
  Context read;
  ASSERT_TRUE(stub->GetPolicy(&read, {}, &policy).ok());
  EXPECT_EQ(policy.agent_silent_minutes(), 60u);
  v1::UpdatePolicyRequest update;
  *update.mutable_policy() = policy;
  update.mutable_policy()->add_automatic("NO_SUCH_FINDING");
  Context unknown, window;
  EXPECT_EQ(stub->UpdatePolicy(&unknown, update, &policy).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
  update.mutable_policy()->clear_automatic();
  update.mutable_policy()->mutable_rollout()->add_windows()->set_begin_minute(1440);
  EXPECT_EQ(stub->UpdatePolicy(&window, update, &policy).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
  update.mutable_policy()->clear_rollout();
  update.mutable_policy()->add_kms_hosts("kms1.contoso.example");
  v1::Policy updated;
  Context first, second;
  ASSERT_TRUE(stub->UpdatePolicy(&first, update, &updated).ok());
  EXPECT_NE(updated.etag(), policy.etag());
  EXPECT_EQ(stub->UpdatePolicy(&second, update, &updated).error_code(), grpc::StatusCode::ABORTED);
  Restart();
  Context again;
  ASSERT_TRUE(v1::PolicyService::NewStub(As(Role::kViewer))->GetPolicy(&again, {}, &policy).ok());
  EXPECT_EQ(policy.etag(), updated.etag());
}

TEST_F(ServerTest, EnrollsConnectsDiagnosesAndKeepsEverythingAcrossARestart) {
  const auto channel = EnrolledMachine();
  {
    Context context;
    auto stream = v1::AgentService::NewStub(channel)->Connect(&context);
    v1::AgentMessage message;
    message.mutable_hello()->set_machine_name("pc1");
    ASSERT_TRUE(stream->Write(message));
    v1::ControllerMessage answer;
    ASSERT_TRUE(stream->Read(&answer));
    ASSERT_TRUE(answer.has_welcome());
    v1::SectionUpdate& update = *message.mutable_sections();
    update.set_sequence(5);
    *update.add_sections() = EnterpriseOs();
    *update.add_sections() = RetailLicensing();
    ASSERT_TRUE(stream->Write(message));
    ASSERT_TRUE(stream->Read(&answer));
    EXPECT_EQ(answer.ack().sequence(), 5u);
    EXPECT_THAT(CausesSeenThrough(As(Role::kViewer)), testing::Contains("CLIENT_KEY_NOT_GVLK"));
    server_->Shutdown();
    while (stream->Read(&answer)) {
    }
    EXPECT_FALSE(stream->Finish().ok());
  }
  Restart();
  EXPECT_THAT(CausesSeenThrough(As(Role::kViewer)), testing::Contains("CLIENT_KEY_NOT_GVLK"));
  const auto fleet = v1::FleetService::NewStub(As(Role::kViewer));
  {
    Context context;
    v1::GetMachineRequest request;
    request.set_name("PC1");
    v1::Machine machine;
    ASSERT_TRUE(fleet->GetMachine(&context, request, &machine).ok());
    EXPECT_EQ(machine.name(), "machines/m1");
    EXPECT_EQ(machine.sections_size(), 2);
    EXPECT_EQ(machine.license_status(), v1::LICENSE_STATUS_NOTIFICATION);
    EXPECT_FALSE(machine.connected());
  }
  {
    Context context;
    v1::ListMachinesRequest request;
    request.set_filter("finding=CLIENT_KEY_NOT_GVLK");
    v1::ListMachinesResponse response;
    ASSERT_TRUE(fleet->ListMachines(&context, request, &response).ok());
    EXPECT_EQ(response.total_size(), 1);
    request.set_filter("finding=CLIENT_CLOCK_SKEW");
    Context other;
    ASSERT_TRUE(fleet->ListMachines(&other, request, &response).ok());
    EXPECT_EQ(response.total_size(), 0);
    request.set_filter("finding=");
    Context bad;
    EXPECT_EQ(fleet->ListMachines(&bad, request, &response).error_code(),
              grpc::StatusCode::INVALID_ARGUMENT);
  }
  {
    Context context;
    v1::ListFindingsRequest request;
    request.set_filter("finding=CLIENT_CLOCK_SKEW");
    v1::ListFindingsResponse response;
    ASSERT_TRUE(fleet->ListFindings(&context, request, &response).ok());
    EXPECT_EQ(response.findings_size(), 0);
  }
  Context context;
  const v1::ListAuditEntriesResponse audit = Audited("machine.enroll");
  ASSERT_EQ(audit.entries_size(), 1);
  EXPECT_EQ(audit.entries(0).object(), "machines/m1");
}

TEST_F(ServerTest, RenewsACertificateForTheSameMachineOnly) {
  const auto channel = EnrolledMachine();
  v1::RenewCertificateRequest request;
  request.set_csr_pem(*x509::MakeCsrPem(*x509::GenerateKeyPem(), "somebody-else"));
  v1::RenewCertificateResponse response;
  Context context;
  ASSERT_TRUE(
      v1::AgentService::NewStub(channel)->RenewCertificate(&context, request, &response).ok());
  EXPECT_EQ(x509::Inspect(response.certificate_pem())->uri, "spiffe://keymedic/machine/m1");
}

TEST_F(ServerTest, TheSummaryIsWatchedAsItChanges) {
  const auto channel = EnrolledMachine();
  Context context;
  const auto stub = v1::FleetService::NewStub(As(Role::kViewer));
  const auto watch = stub->WatchSummary(&context, {});
  v1::Summary summary;
  ASSERT_TRUE(watch->Read(&summary));
  EXPECT_EQ(summary.machines(), 1u);
  EXPECT_EQ(summary.connected(), 0u);
  Context stream_context;
  auto stream = v1::AgentService::NewStub(channel)->Connect(&stream_context);
  v1::AgentMessage message;
  message.mutable_hello()->set_machine_name("pc1");
  ASSERT_TRUE(stream->Write(message));
  while (summary.connected() == 0) ASSERT_TRUE(watch->Read(&summary));
  stream_context.TryCancel();
  while (summary.connected() == 1) ASSERT_TRUE(watch->Read(&summary));
  context.TryCancel();
}

TEST_F(ServerTest, ASecondStreamOfAMachineEndsTheFirst) {
  const auto channel = EnrolledMachine();
  const auto stub = v1::AgentService::NewStub(channel);
  v1::AgentMessage hello;
  hello.mutable_hello()->set_machine_name("pc1");
  v1::ControllerMessage answer;
  Context one, two;
  auto first = stub->Connect(&one);
  ASSERT_TRUE(first->Write(hello));
  ASSERT_TRUE(first->Read(&answer));
  auto second = stub->Connect(&two);
  ASSERT_TRUE(second->Write(hello));
  ASSERT_TRUE(second->Read(&answer));
  EXPECT_FALSE(first->Read(&answer));
  EXPECT_EQ(first->Finish().error_code(), grpc::StatusCode::ABORTED);
  v1::AgentMessage beat;
  beat.mutable_heartbeat();
  ASSERT_TRUE(second->Write(beat));
  ASSERT_TRUE(second->Read(&answer));
  EXPECT_TRUE(answer.has_heartbeat());
  two.TryCancel();
}

TEST_F(ServerTest, AgentsFindTheAuthorityThatTheirTokenPins) {
  const auto token = JoinToken::Parse(CreateToken(1));
  ASSERT_TRUE(token.ok());
  const auto ca = x509::FetchPinnedCaPem(absl::StrCat("localhost:", server_->port()),
                                         token->ca_sha256, absl::Seconds(30));
  ASSERT_TRUE(ca.ok()) << ca.status();
  EXPECT_EQ(x509::Inspect(*ca)->fingerprint_sha256, authority_->ca_sha256());
}

// The two services that come with gRPC, without stubs of their own.
TEST_F(ServerTest, HealthIsForAnyCertificateOfTheEstate) {
  const auto check = [](const std::shared_ptr<grpc::Channel>& channel) {
    grpc::GenericStub stub(channel);
    Context context;
    grpc::CompletionQueue queue;
    grpc::Slice empty("");
    const grpc::ByteBuffer request(&empty, 1);
    auto call = stub.PrepareUnaryCall(&context, "/grpc.health.v1.Health/Check", request, &queue);
    call->StartCall();
    grpc::ByteBuffer response;
    grpc::Status status;
    call->Finish(&response, &status, nullptr);
    void* tag;
    bool ok;
    queue.Next(&tag, &ok);
    return status;
  };
  EXPECT_TRUE(check(As(Role::kViewer)).ok());
  EXPECT_EQ(check(Anonymous()).error_code(), grpc::StatusCode::UNAUTHENTICATED);
}

TEST_F(ServerTest, ReflectionTellsViewersWhichServicesThereAre) {
  grpc::GenericStub stub(As(Role::kViewer));
  Context context;
  grpc::CompletionQueue queue;
  void* tag;
  bool ok = false;
  const auto next = [&] { return queue.Next(&tag, &ok) && ok; };
  const auto call = stub.PrepareCall(
      &context, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", &queue);
  call->StartCall(nullptr);
  ASSERT_TRUE(next());
  const std::string list_services = {0x3a, 0x00};  // field 7, an empty string
  const grpc::Slice slice(list_services);
  call->Write(grpc::ByteBuffer(&slice, 1), nullptr);
  ASSERT_TRUE(next());
  grpc::ByteBuffer answer;
  call->Read(&answer, nullptr);
  ASSERT_TRUE(next());
  grpc::Slice bytes;
  ASSERT_TRUE(answer.DumpToSingleSlice(&bytes).ok());
  const std::string text(reinterpret_cast<const char*>(bytes.begin()), bytes.size());
  for (const char* service : {"AgentService", "FleetService", "RemediationService", "PolicyService",
                              "AccessService", "AuditService", "HostKeyService"}) {
    EXPECT_THAT(text, HasSubstr(absl::StrCat("keymedic.v1.", service)));
  }
  context.TryCancel();
}

TEST_F(ServerTest, SaysWhenItIsNotInitializedOrThePortIsTaken) {
  EXPECT_EQ(Server::Start({.data_dir = directory_ + "/none"}, {clock_, random_, *executor_})
                .status()
                .code(),
            absl::StatusCode::kNotFound);
  const std::string other = FreshDirectory();
  ASSERT_TRUE(InitializeAuthority(other, {"localhost"}, clock_.Now()).ok());
  const auto taken =
      Server::Start({.data_dir = other, .listen = absl::StrCat("127.0.0.1:", server_->port())},
                    {clock_, random_, *executor_});
  EXPECT_EQ(taken.status().code(), absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace keymedic::controller
