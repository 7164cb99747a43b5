// SPDX-License-Identifier: Apache-2.0
#include "controller/trust/authorization.h"

#include <grpc/grpc_security_constants.h>
#include <grpcpp/security/auth_metadata_processor.h>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace keymedic::controller {
namespace {

constexpr MethodRule kRules[] = {
    {"/keymedic.v1.AgentService/Enroll", Caller::kAnyone},
    {"/keymedic.v1.AgentService/RecoverCertificate", Caller::kAnyone},  // its key is the proof
    {"/keymedic.v1.AgentService/RenewCertificate", Caller::kMachine},
    {"/keymedic.v1.AgentService/Connect", Caller::kMachine},

    {"/keymedic.v1.FleetService/ListMachines", Caller::kViewer},
    {"/keymedic.v1.FleetService/GetMachine", Caller::kViewer},
    {"/keymedic.v1.FleetService/ListFindings", Caller::kViewer},
    {"/keymedic.v1.FleetService/GetSummary", Caller::kViewer},
    {"/keymedic.v1.FleetService/ListForecasts", Caller::kViewer},
    {"/keymedic.v1.FleetService/WatchSummary", Caller::kViewer},
    {"/keymedic.v1.FleetService/DiagnoseCaptures", Caller::kViewer},

    // Planning looks and stopping stops; what lets a plan run is the approval of its hash.
    {"/keymedic.v1.RemediationService/PlanRemediation", Caller::kOperator},
    {"/keymedic.v1.RemediationService/RetryRemediation", Caller::kOperator},
    {"/keymedic.v1.RemediationService/ApproveRemediation", Caller::kApprover},
    {"/keymedic.v1.RemediationService/StartRemediation", Caller::kApprover},
    {"/keymedic.v1.RemediationService/SkipTarget", Caller::kOperator},
    {"/keymedic.v1.RemediationService/PauseRemediation", Caller::kOperator},
    {"/keymedic.v1.RemediationService/ResumeRemediation", Caller::kApprover},
    {"/keymedic.v1.RemediationService/AbortRemediation", Caller::kOperator},
    {"/keymedic.v1.RemediationService/GetRemediation", Caller::kViewer},
    {"/keymedic.v1.RemediationService/ListRemediations", Caller::kViewer},
    {"/keymedic.v1.RemediationService/WatchRemediation", Caller::kViewer},

    {"/keymedic.v1.PolicyService/GetPolicy", Caller::kViewer},
    {"/keymedic.v1.PolicyService/UpdatePolicy", Caller::kAdmin},
    {"/keymedic.v1.AccessService/CreateToken", Caller::kAdmin},
    {"/keymedic.v1.AccessService/ListTokens", Caller::kAdmin},
    {"/keymedic.v1.AccessService/RevokeToken", Caller::kAdmin},
    {"/keymedic.v1.HostKeyService/SetHostKey", Caller::kAdmin},
    {"/keymedic.v1.HostKeyService/RemoveHostKey", Caller::kAdmin},
    {"/keymedic.v1.HostKeyService/ListHostKeys", Caller::kAdmin},
    {"/keymedic.v1.AccessService/BanMachine", Caller::kAdmin},
    {"/keymedic.v1.AccessService/UnbanMachine", Caller::kAdmin},
    {"/keymedic.v1.AccessService/ResetMachine", Caller::kAdmin},
    {"/keymedic.v1.AccessService/RemoveMachine", Caller::kAdmin},
    {"/keymedic.v1.AuditService/ListAuditEntries", Caller::kViewer},

    {"/grpc.health.v1.Health/Check", Caller::kAnyCertificate},
    {"/grpc.health.v1.Health/Watch", Caller::kAnyCertificate},
    {"/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", Caller::kViewer},
};

absl::string_view CallerName(Caller caller) {
  switch (caller) {
    case Caller::kAnyone:
      return "anyone";
    case Caller::kMachine:
      return "a machine";
    case Caller::kAnyCertificate:
      return "any certificate of this estate";
    case Caller::kViewer:
      return "a viewer";
    case Caller::kOperator:
      return "an operator";
    case Caller::kApprover:
      return "an approver";
    case Caller::kAdmin:
      return "an admin";
  }
  return "";
}

bool Allows(Caller caller, Role role) {
  switch (caller) {
    case Caller::kAnyone:
      return true;
    case Caller::kMachine:
      return role == Role::kMachine;
    case Caller::kAnyCertificate:
      return role != Role::kNone;
    case Caller::kViewer:
      return role >= Role::kViewer;
    case Caller::kOperator:
      return role >= Role::kOperator;
    case Caller::kApprover:
      return role >= Role::kApprover;
    case Caller::kAdmin:
      return role >= Role::kAdmin;
  }
  return false;
}

absl::Time PeerIssuedAt(const grpc::AuthContext& context) {
  const auto pem = context.FindPropertyValues(GRPC_X509_PEM_CERT_PROPERTY_NAME);
  if (pem.size() != 1) return absl::InfinitePast();
  const auto info = x509::Inspect(absl::string_view(pem[0].data(), pem[0].size()));
  return info.ok() ? IssuedAt(*info) : absl::InfinitePast();
}

class Authorizer final : public grpc::AuthMetadataProcessor {
 public:
  explicit Authorizer(const Revocations& revocations) : revocations_(revocations) {}

  bool IsBlocking() const override { return false; }

  grpc::Status Process(const InputMetadata& metadata, grpc::AuthContext* context,
                       OutputMetadata* consumed, OutputMetadata* response) override {
    const auto path = metadata.find(":path");
    const absl::string_view method =
        path == metadata.end() ? absl::string_view()
                               : absl::string_view(path->second.data(), path->second.size());
    const absl::Status status = Authorize(method, PeerIdentity(*context), revocations_);
    // gRPC carries no error details from here, only code and message.
    return grpc::Status(static_cast<grpc::StatusCode>(status.code()),
                        std::string(status.message()));
  }

 private:
  const Revocations& revocations_;
};

}  // namespace

absl::Span<const MethodRule> MethodRules() { return kRules; }

absl::Status Authorize(absl::string_view path, const Identity& identity,
                       const Revocations& revocations) {
  static const auto& rules = *[] {
    auto* map = new absl::flat_hash_map<absl::string_view, Caller>;
    for (const MethodRule& rule : kRules) map->emplace(rule.path, rule.caller);
    return map;
  }();
  const auto rule = rules.find(path);
  if (rule != rules.end() && rule->second == Caller::kAnyone) return absl::OkStatus();
  if (identity.role == Role::kNone) {
    if (!identity.uri.empty()) {
      return absl::PermissionDeniedError(
          absl::StrCat("the certificate's identity \"", identity.uri,
                       "\" is none that KeyMedic gives; use a certificate it issued"));
    }
    return absl::UnauthenticatedError(
        "this call needs a client certificate of this estate; machines get one with "
        "`keymedic-agent enroll`, people use one such as admin.crt through `keymedic profile add`");
  }
  if (rule == rules.end()) {
    return absl::UnimplementedError(absl::StrCat("this controller has no method ", path,
                                                 "; is the caller newer than the controller?"));
  }
  if (identity.role == Role::kMachine) {
    KM_RETURN_IF_ERROR(revocations.Check(identity.name, identity.issued_at));
  }
  if (!Allows(rule->second, identity.role)) {
    return absl::PermissionDeniedError(absl::StrCat(
        path, " is for ", CallerName(rule->second), "; this certificate is ",
        RoleName(identity.role), " \"", identity.name, "\". Ask an admin for the role you need"));
  }
  return absl::OkStatus();
}

Identity PeerIdentity(const grpc::AuthContext& context) {
  const auto values = context.FindPropertyValues(GRPC_PEER_SPIFFE_ID_PROPERTY_NAME);
  if (values.size() == 1) {
    Identity identity = ParseIdentity(absl::string_view(values[0].data(), values[0].size()));
    if (identity.role == Role::kMachine) identity.issued_at = PeerIssuedAt(context);
    return identity;
  }
  Identity identity;
  if (context.IsPeerAuthenticated()) identity.uri = "(a certificate without a SPIFFE id)";
  return identity;
}

std::shared_ptr<grpc::ServerCredentials> MakeServerCredentials(const Authority& authority,
                                                               const Revocations& revocations) {
  grpc::SslServerCredentialsOptions options(GRPC_SSL_REQUEST_CLIENT_CERTIFICATE_AND_VERIFY);
  options.pem_root_certs = authority.ca_pem();
  options.pem_key_cert_pairs.push_back(
      {authority.server().key_pem, authority.server().certificate_pem});
  auto credentials = grpc::SslServerCredentials(options);
  credentials->SetAuthMetadataProcessor(std::make_shared<Authorizer>(revocations));
  return credentials;
}

}  // namespace keymedic::controller
