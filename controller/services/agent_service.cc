// SPDX-License-Identifier: Apache-2.0
#include "controller/services/agent_service.h"

#include <algorithm>
#include <map>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/join_token.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "controller/fleet/agent_stream.h"
#include "controller/services/errors.h"

namespace keymedic::controller {
namespace {

constexpr size_t kMaxNameBytes = 256;
constexpr int kMaxLabels = 64;

absl::Status CheckRequest(const v1::EnrollRequest& request) {
  if (!request.machine_id().empty() && !IsValidId(request.machine_id())) {
    return absl::InvalidArgumentError(
        "machine_id: use 1 to 64 letters, digits, '.', '_' or '-' (a UUID), or leave it empty");
  }
  if (request.machine_name().size() > kMaxNameBytes) {
    return absl::InvalidArgumentError(absl::StrCat("machine_name: ", request.machine_name().size(),
                                                   " bytes; at most ", kMaxNameBytes));
  }
  if (request.labels_size() > kMaxLabels) {
    return absl::InvalidArgumentError(
        absl::StrCat("labels: ", request.labels_size(), " are given; at most ", kMaxLabels));
  }
  return absl::OkStatus();
}

}  // namespace

grpc::Status AgentServiceImpl::Enroll(grpc::ServerContext* context,
                                      const v1::EnrollRequest* request,
                                      v1::EnrollResponse* response) {
  absl::StatusOr<v1::EnrollResponse> enrolled = DoEnroll(*request);
  if (!enrolled.ok()) {
    log::Warning("ENROLL_REFUSED", "{}: {}", context->peer(),
                 std::string(enrolled.status().message()));
    return ToGrpcStatus(enrolled.status());
  }
  *response = *std::move(enrolled);
  return grpc::Status::OK;
}

absl::StatusOr<v1::EnrollResponse> AgentServiceImpl::DoEnroll(const v1::EnrollRequest& request) {
  KM_RETURN_IF_ERROR(WithReason(CheckRequest(request), "ENROLL_REQUEST_INVALID"));
  const absl::StatusOr<JoinToken> token = JoinToken::Parse(request.token());
  if (!token.ok()) return WithReason(token.status(), "TOKEN_MALFORMED");
  const std::string id = request.machine_id().empty() ? deps_.random.Uuid() : request.machine_id();
  const auto token_labels = deps_.tokens.Check(*token);
  if (!token_labels.ok()) return WithReason(token_labels.status(), "TOKEN_REFUSED");
  // A certificate of the second of a reset is one of afterwards.
  const absl::Time now = std::max(deps_.clock.Now(), deps_.revocations.ValidFrom(id));
  KM_RETURN_IF_ERROR(WithReason(deps_.revocations.Check(id, now), "MACHINE_BANNED"));
  // Before the token is spent: a bad request must not cost a use.
  auto certificate =
      deps_.authority.IssueMachine(request.csr_pem(), id, now, deps_.certificate_lifetime);
  if (!certificate.ok()) return WithReason(certificate.status(), "CSR_REFUSED");
  const std::map<std::string, std::string> labels(request.labels().begin(), request.labels().end());
  const rows::v1::MachineRow row =
      deps_.fleet.EnrollmentRow(id, request.machine_name(), labels, *token_labels);
  KM_RETURN_IF_ERROR(WithReason(
      deps_.tokens.Redeem(
          *token, {{.table = Table::kMachines, .key = id, .value = row.SerializeAsString()}}),
      "TOKEN_REFUSED"));
  deps_.fleet.Enrolled(row);
  KM_RETURN_IF_ERROR(
      deps_.audit.Append(MachineUri(id), "machine.enroll", absl::StrCat("machines/", id),
                         absl::StrCat("name ", row.display_name(), ", token ", token->id)));
  log::Info("MACHINE_ENROLLED", "machine {} ({}) joined with token {}", id, row.display_name(),
            token->id);
  v1::EnrollResponse response;
  response.set_machine_id(id);
  response.set_certificate_pem(*std::move(certificate));
  response.set_ca_pem(deps_.authority.ca_pem());
  return response;
}

grpc::Status AgentServiceImpl::RenewCertificate(grpc::ServerContext* context,
                                                const v1::RenewCertificateRequest* request,
                                                v1::RenewCertificateResponse* response) {
  auto renewed = DoRenew(PeerIdentity(*context->auth_context()), *request);
  if (!renewed.ok()) return ToGrpcStatus(renewed.status());
  *response = *std::move(renewed);
  return grpc::Status::OK;
}

absl::StatusOr<v1::RenewCertificateResponse> AgentServiceImpl::DoRenew(
    const Identity& machine, const v1::RenewCertificateRequest& request) {
  const std::string& machine_id = machine.name;
  // In this order: a reset that comes in between makes the new certificate void as well.
  const absl::Time now = deps_.clock.Now();
  KM_RETURN_IF_ERROR(deps_.revocations.Check(machine_id, machine.issued_at));
  auto certificate =
      deps_.authority.IssueMachine(request.csr_pem(), machine_id, now, deps_.certificate_lifetime);
  if (!certificate.ok()) return WithReason(certificate.status(), "CSR_REFUSED");
  KM_RETURN_IF_ERROR(deps_.audit.Append(MachineUri(machine_id), "machine.renew",
                                        absl::StrCat("machines/", machine_id), ""));
  v1::RenewCertificateResponse response;
  response.set_certificate_pem(*std::move(certificate));
  response.set_ca_pem(deps_.authority.ca_pem());
  return response;
}

grpc::Status AgentServiceImpl::RecoverCertificate(grpc::ServerContext* context,
                                                  const v1::RecoverCertificateRequest* request,
                                                  v1::RecoverCertificateResponse* response) {
  auto recovered = DoRecover(*request);
  if (!recovered.ok()) {
    log::Warning("RECOVERY_REFUSED", "{}: {}", context->peer(),
                 std::string(recovered.status().message()));
    return ToGrpcStatus(recovered.status());
  }
  *response = *std::move(recovered);
  return grpc::Status::OK;
}

absl::StatusOr<v1::RecoverCertificateResponse> AgentServiceImpl::DoRecover(
    const v1::RecoverCertificateRequest& request) {
  // First: a reset that comes in between makes the new certificate void as well.
  const absl::Time now = deps_.clock.Now();
  const absl::StatusOr<std::string> id = deps_.recovery.MachineOf(request.certificate_pem(), now);
  if (!id.ok()) return WithReason(id.status(), "CERTIFICATE_REFUSED");
  if (!deps_.fleet.Knows(*id)) {
    return WithReason(absl::NotFoundError(absl::StrCat(
                          "machine ", *id, " is not known here. Enrol it with a join token: ",
                          "keymedic-agent enroll")),
                      "MACHINE_UNKNOWN");
  }
  v1::RecoverCertificateResponse response;
  if (request.nonce().empty()) {
    response.set_nonce(deps_.recovery.NewNonce(*id, now));
    return response;
  }
  KM_RETURN_IF_ERROR(WithReason(deps_.recovery.CheckProof(*id, request, now), "PROOF_REFUSED"));
  auto certificate =
      deps_.authority.IssueMachine(request.csr_pem(), *id, now, deps_.certificate_lifetime);
  if (!certificate.ok()) return WithReason(certificate.status(), "CSR_REFUSED");
  KM_RETURN_IF_ERROR(
      deps_.audit.Append(MachineUri(*id), "machine.recover", absl::StrCat("machines/", *id), ""));
  log::Info("MACHINE_RECOVERED", "machine {} has a new certificate; its last one was over", *id);
  response.set_certificate_pem(*std::move(certificate));
  response.set_ca_pem(deps_.authority.ca_pem());
  return response;
}

grpc::ServerBidiReactor<v1::AgentMessage, v1::ControllerMessage>* AgentServiceImpl::Connect(
    grpc::CallbackServerContext* context) {
  const Identity machine = PeerIdentity(*context->auth_context());
  return NewAgentStream(deps_.fleet, machine.name, [&revocations = deps_.revocations, machine] {
    return revocations.Check(machine.name, machine.issued_at);
  });
}

}  // namespace keymedic::controller
