// SPDX-License-Identifier: Apache-2.0
//
// For tests: a whole controller over real mutual TLS, on a port of its own, and who calls it.
#ifndef KEYMEDIC_CONTROLLER_SERVER_TESTING_H_
#define KEYMEDIC_CONTROLLER_SERVER_TESTING_H_

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/random.h"
#include "base/x509.h"
#include "controller/server.h"
#include "controller/trust/authority.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "keymedic/v1/access_service.grpc.pb.h"
#include "keymedic/v1/agent_service.grpc.pb.h"
#include "keymedic/v1/audit_service.grpc.pb.h"

namespace keymedic::controller {

// A client whose calls end, also when the test fails.
class Context : public grpc::ClientContext {
 public:
  Context() { set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60)); }
};

inline google::rpc::ErrorInfo InfoOf(const grpc::Status& status) {
  google::rpc::Status details;
  google::rpc::ErrorInfo info;
  if (details.ParseFromString(status.error_details()) && details.details_size() > 0) {
    details.details(0).UnpackTo(&info);
  }
  return info;
}

class ServerTest : public testing::Test {
 protected:
  ServerTest() : executor_(MakeThreadPool(2)), directory_(FreshDirectory()) {
    const absl::Status initialized =
        InitializeAuthority(directory_, {"localhost", "127.0.0.1"}, clock_.Now());
    EXPECT_TRUE(initialized.ok()) << initialized;
    authority_ = std::make_unique<Authority>(*Authority::Load(directory_));
    Restart();
  }

  static std::string FreshDirectory() {
    std::string directory = testing::TempDir() + "server_XXXXXX";
    EXPECT_NE(mkdtemp(directory.data()), nullptr);
    return directory + "/data";
  }

  void Restart() {
    server_.reset();
    ServerOptions options{.data_dir = directory_, .listen = "127.0.0.1:0"};
    options.shutdown_grace = absl::Milliseconds(50);
    auto server = Server::Start(options, {clock_, random_, *executor_});
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }

  std::shared_ptr<grpc::Channel> Channel(const std::string& ca, const KeyAndCertificate& own) {
    grpc::SslCredentialsOptions options;
    options.pem_root_certs = ca;
    options.pem_private_key = own.key_pem;
    options.pem_cert_chain = own.certificate_pem;
    grpc::ChannelArguments arguments;
    arguments.SetInt("grpc.use_local_subchannel_pool", 1);
    return grpc::CreateCustomChannel(absl::StrCat("localhost:", server_->port()),
                                     grpc::SslCredentials(options), arguments);
  }
  std::shared_ptr<grpc::Channel> As(Role role) {
    return Channel(authority_->ca_pem(),
                   *authority_->IssueOperator(role, "somebody", clock_.Now(), absl::Hours(1)));
  }
  std::shared_ptr<grpc::Channel> Anonymous() { return Channel(authority_->ca_pem(), {}); }

  std::string CreateToken(uint32_t uses) {
    v1::CreateTokenRequest request;
    request.set_uses(uses);
    v1::CreateTokenResponse response;
    Context context;
    const grpc::Status status =
        v1::AccessService::NewStub(As(Role::kAdmin))->CreateToken(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response.secret();
  }

  grpc::Status TryEnroll(const std::string& token, const std::string& csr,
                         v1::EnrollResponse* response) {
    v1::EnrollRequest request;
    request.set_token(token);
    request.set_csr_pem(csr);
    request.set_machine_name("pc1");
    request.set_machine_id("m1");
    Context context;
    return v1::AgentService::NewStub(Anonymous())->Enroll(&context, request, response);
  }

  std::shared_ptr<grpc::Channel> EnrolledMachine() {
    KeyAndCertificate own{.key_pem = *x509::GenerateKeyPem()};
    v1::EnrollResponse response;
    const grpc::Status status =
        TryEnroll(CreateToken(1), *x509::MakeCsrPem(own.key_pem, "pc1"), &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    EXPECT_EQ(response.machine_id(), "m1");
    own.certificate_pem = response.certificate_pem();
    machine_ = own;
    return Channel(response.ca_pem(), own);
  }

  // Newest first.
  v1::ListAuditEntriesResponse Audited(const std::string& filter) {
    v1::ListAuditEntriesRequest request;
    request.set_filter(filter);
    v1::ListAuditEntriesResponse response;
    Context context;
    EXPECT_TRUE(v1::AuditService::NewStub(As(Role::kViewer))
                    ->ListAuditEntries(&context, request, &response)
                    .ok());
    return response;
  }

  SystemClock clock_;
  SystemRandom random_;
  std::unique_ptr<Executor> executor_;
  const std::string directory_;
  std::unique_ptr<Authority> authority_;
  KeyAndCertificate machine_;
  std::unique_ptr<Server> server_;
};

}  // namespace keymedic::controller

#endif  // KEYMEDIC_CONTROLLER_SERVER_TESTING_H_
