// SPDX-License-Identifier: Apache-2.0
#include "agent/recovery.h"

#include <utility>

#include "absl/time/clock.h"
#include "agent/anonymous_channel.h"
#include "base/recovery_proof.h"
#include "base/x509.h"
#include "keymedic/v1/agent_service.grpc.pb.h"

namespace keymedic::agent {
namespace {

constexpr absl::Duration kTimeout = absl::Seconds(30);

class GrpcRecovery final : public Recovery, public std::enable_shared_from_this<GrpcRecovery> {
 public:
  GrpcRecovery(const std::string& controller, const Credential& ended, const std::string& csr_pem,
               Done done)
      : key_pem_(ended.key_pem),
        done_(std::move(done)),
        stub_(v1::AgentService::NewStub(AnonymousChannel(controller, ended.ca_pem))) {
    request_.set_certificate_pem(ended.certificate_pem);
    request_.set_csr_pem(csr_pem);
  }

  void Begin() {
    self_ = shared_from_this();
    Ask(ask_nonce_, [this] { GotNonce(); });
  }

  // A call that has not begun begins cancelled.
  void Cancel() override {
    ask_nonce_.TryCancel();
    prove_.TryCancel();
  }

 private:
  void Ask(grpc::ClientContext& context, std::function<void()> then) {
    context.set_deadline(absl::ToChronoTime(absl::Now() + kTimeout));
    stub_->async()->RecoverCertificate(
        &context, &request_, &response_, [this, then = std::move(then)](grpc::Status status) {
          if (status.ok()) return then();
          Finish(absl::Status(static_cast<absl::StatusCode>(status.error_code()),
                              status.error_message()));
        });
  }

  void GotNonce() {
    request_.set_nonce(response_.nonce());
    auto signature = x509::SignBytes(key_pem_, RecoveryProof(request_.nonce(), request_.csr_pem()));
    if (!signature.ok()) return Finish(signature.status());
    request_.set_signature(*std::move(signature));
    Ask(prove_, [this] { Finish(std::move(response_)); });
  }

  void Finish(absl::StatusOr<v1::RecoverCertificateResponse> response) {
    const Done done = std::move(done_);
    done(std::move(self_), std::move(response));
  }

  const std::string key_pem_;
  Done done_;
  std::unique_ptr<v1::AgentService::Stub> stub_;
  v1::RecoverCertificateRequest request_;
  v1::RecoverCertificateResponse response_;
  std::shared_ptr<GrpcRecovery> self_;
  grpc::ClientContext ask_nonce_, prove_;
};

}  // namespace

std::shared_ptr<Recovery> Recovery::Begin(const std::string& controller, const Credential& ended,
                                          const std::string& csr_pem, Done done) {
  auto recovery = std::make_shared<GrpcRecovery>(controller, ended, csr_pem, std::move(done));
  recovery->Begin();
  return recovery;
}

}  // namespace keymedic::agent
