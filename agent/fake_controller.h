// SPDX-License-Identifier: Apache-2.0
//
// For tests: an AgentService over real gRPC with mutual TLS, on a port that the system chooses. It
// knows one token, signs what it is asked to, welcomes every stream and answers heartbeats; what it
// saw can be waited for.
// Threads: any. Await waits at most a generous while; false is a failure.
#ifndef KEYMEDIC_AGENT_FAKE_CONTROLLER_H_
#define KEYMEDIC_AGENT_FAKE_CONTROLLER_H_

#include <grpcpp/grpcpp.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "agent/fake_authority.h"
#include "base/join_token.h"
#include "base/recovery_proof.h"
#include "keymedic/v1/agent_service.grpc.pb.h"

namespace keymedic::agent {

class FakeController final : public v1::AgentService::Service {
 public:
  using Stream = grpc::ServerReaderWriter<v1::ControllerMessage, v1::AgentMessage>;

  explicit FakeController(const FakeAuthority& authority) : authority_(authority) { Start(); }
  ~FakeController() override { Stop(); }

  void Start() {
    const absl::Time now = absl::Now();
    const std::string key = *x509::GenerateKeyPem();
    const std::string certificate = *x509::SignKeyPem(key,
                                                      {"controller",
                                                       "spiffe://keymedic/controller",
                                                       {"localhost", "127.0.0.1"},
                                                       now - absl::Hours(1),
                                                       now + absl::Hours(1),
                                                       true},
                                                      authority_.ca, authority_.key);
    grpc::SslServerCredentialsOptions tls(GRPC_SSL_REQUEST_CLIENT_CERTIFICATE_AND_VERIFY);
    tls.pem_root_certs = authority_.ca;
    tls.pem_key_cert_pairs.push_back({key, certificate + authority_.ca});
    grpc::ServerBuilder builder;
    builder.AddListeningPort(absl::StrCat("127.0.0.1:", port_), grpc::SslServerCredentials(tls),
                             &port_);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
  }
  void Stop() {
    if (server_ != nullptr) server_->Shutdown(absl::ToChronoTime(absl::Now()));
    server_.reset();
  }
  std::string address() const { return absl::StrCat("127.0.0.1:", port_); }
  JoinToken token() const {
    return {"t1", std::string(32, 'a'), x509::Inspect(authority_.ca)->fingerprint_sha256};
  }

  // Bends what it does.
  void set_refuse(std::function<grpc::Status(const std::string& serial)> refuse) {
    absl::MutexLock lock(&mutex_);
    refuse_ = std::move(refuse);
  }
  void set_refuse_recovery() {
    absl::MutexLock lock(&mutex_);
    refuse_recovery_ = true;
  }
  void set_token_spent() {
    absl::MutexLock lock(&mutex_);
    token_spent_ = true;
  }
  void SendOnWelcome(v1::ControllerMessage message) {
    absl::MutexLock lock(&mutex_);
    on_welcome_.push_back(std::move(message));
  }

  bool Await(const std::function<bool()>& condition) {
    const auto locked = [&] {
      mutex_.AssertHeld();
      return condition();
    };
    absl::MutexLock lock(&mutex_);
    return mutex_.AwaitWithTimeout(absl::Condition(&locked), absl::Seconds(60));
  }
  // What was seen; inside Await, or after it.
  std::vector<std::string> welcomed;  // serials of the certificates of the streams, in order
  std::vector<std::string> settled;   // of those whose agent has taken note of the Welcome
  std::vector<v1::EnrollRequest> enrolled;
  std::vector<std::string> recovered;  // serials of the certificates that were over
  std::vector<v1::CommandResult> results;
  std::vector<v1::Hello> hellos;

  grpc::Status Enroll(grpc::ServerContext*, const v1::EnrollRequest* request,
                      v1::EnrollResponse* response) override {
    absl::MutexLock lock(&mutex_);
    if (token_spent_ || request->token() != token().ToString()) {
      return {grpc::StatusCode::UNAUTHENTICATED, "token t1 is spent"};
    }
    enrolled.push_back(*request);
    response->set_machine_id(request->machine_id());
    response->set_certificate_pem(Sign(request->csr_pem(), request->machine_id()));
    response->set_ca_pem(authority_.ca);
    return grpc::Status::OK;
  }

  grpc::Status RenewCertificate(grpc::ServerContext* context,
                                const v1::RenewCertificateRequest* request,
                                v1::RenewCertificateResponse* response) override {
    if (!context->auth_context()->IsPeerAuthenticated()) {
      return {grpc::StatusCode::UNAUTHENTICATED, "no certificate"};
    }
    response->set_certificate_pem(Sign(request->csr_pem(), "m-1"));
    return grpc::Status::OK;
  }

  grpc::Status RecoverCertificate(grpc::ServerContext*,
                                  const v1::RecoverCertificateRequest* request,
                                  v1::RecoverCertificateResponse* response) override {
    absl::MutexLock lock(&mutex_);
    if (request->nonce().empty()) {
      response->set_nonce(std::string(kRecoveryNonceBytes, 'n'));
      return grpc::Status::OK;
    }
    if (refuse_recovery_ || !x509::IsSignedBy(request->certificate_pem(),
                                              RecoveryProof(request->nonce(), request->csr_pem()),
                                              request->signature())) {
      return {grpc::StatusCode::PERMISSION_DENIED, "machine m-1 is banned"};
    }
    recovered.push_back(x509::Inspect(request->certificate_pem())->serial);
    response->set_certificate_pem(Sign(request->csr_pem(), "m-1"));
    response->set_ca_pem(authority_.ca);
    return grpc::Status::OK;
  }

  grpc::Status Connect(grpc::ServerContext* context, Stream* stream) override {
    const auto auth = context->auth_context();
    if (!auth->IsPeerAuthenticated()) {
      return {grpc::StatusCode::UNAUTHENTICATED, "no certificate"};
    }
    const grpc::string_ref pem = auth->FindPropertyValues("x509_pem_cert").at(0);
    const std::string serial = x509::Inspect(std::string(pem.data(), pem.size()))->serial;
    if (grpc::Status status = Refusal(serial); !status.ok()) return status;
    v1::AgentMessage message;
    while (stream->Read(&message)) {
      if (message.has_hello()) Welcome(*stream, serial, message.hello());
      if (message.has_heartbeat()) {
        {
          absl::MutexLock lock(&mutex_);
          if (settled.empty() || settled.back() != serial) settled.push_back(serial);
        }
        v1::ControllerMessage answer;
        answer.mutable_heartbeat();
        stream->Write(answer);
      }
      if (message.has_result()) {
        absl::MutexLock lock(&mutex_);
        results.push_back(message.result());
      }
    }
    return grpc::Status::OK;
  }

 private:
  std::string Sign(const std::string& csr_pem, const std::string& machine_id) {
    return authority_.Sign(csr_pem, machine_id, absl::Now() - absl::Hours(1),
                           absl::Now() + absl::Hours(30));
  }
  grpc::Status Refusal(const std::string& serial) {
    absl::MutexLock lock(&mutex_);
    return refuse_ ? refuse_(serial) : grpc::Status::OK;
  }
  void Welcome(Stream& stream, const std::string& serial, const v1::Hello& hello) {
    v1::ControllerMessage welcome;
    welcome.mutable_welcome()->mutable_heartbeat_interval()->set_nanos(50'000'000);
    welcome.mutable_welcome()->mutable_collect_interval()->set_seconds(3600);
    stream.Write(welcome);
    std::vector<v1::ControllerMessage> more;
    {
      absl::MutexLock lock(&mutex_);
      welcomed.push_back(serial);
      hellos.push_back(hello);
      more = on_welcome_;
    }
    for (const auto& message : more) stream.Write(message);
  }

  const FakeAuthority& authority_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
  absl::Mutex mutex_;
  bool token_spent_ ABSL_GUARDED_BY(mutex_) = false;
  bool refuse_recovery_ ABSL_GUARDED_BY(mutex_) = false;
  std::function<grpc::Status(const std::string&)> refuse_ ABSL_GUARDED_BY(mutex_);
  std::vector<v1::ControllerMessage> on_welcome_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace keymedic::agent

#endif  // KEYMEDIC_AGENT_FAKE_CONTROLLER_H_
