// SPDX-License-Identifier: Apache-2.0
#include "controller/services/admin_services.h"

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "controller/services/errors.h"
#include "controller/trust/authorization.h"
#include "kms/tables.h"

namespace keymedic::controller {
namespace {

std::string CallerUri(const grpc::ServerContext& context) {
  return PeerIdentity(*context.auth_context()).uri;
}

template <typename T>
grpc::Status Answer(absl::StatusOr<T> result, T* response) {
  if (!result.ok()) return ToGrpcStatus(result.status());
  *response = *std::move(result);
  return grpc::Status::OK;
}

}  // namespace

grpc::Status AccessServiceImpl::CreateToken(grpc::ServerContext* context,
                                            const v1::CreateTokenRequest* request,
                                            v1::CreateTokenResponse* response) {
  const std::string caller = CallerUri(*context);
  const auto create = [&]() -> absl::StatusOr<v1::CreateTokenResponse> {
    KM_ASSIGN_OR_RETURN(v1::CreateTokenResponse created, tokens_.Create(*request, caller));
    KM_RETURN_IF_ERROR(audit_.Append(caller, "token.create", created.token().name(),
                                     absl::StrCat("uses ", created.token().uses_total())));
    return created;
  };
  return Answer(create(), response);
}

grpc::Status AccessServiceImpl::ListTokens(grpc::ServerContext* context,
                                           const v1::ListTokensRequest* request,
                                           v1::ListTokensResponse* response) {
  return Answer(tokens_.List(*request), response);
}

grpc::Status AccessServiceImpl::RevokeToken(grpc::ServerContext* context,
                                            const v1::RevokeTokenRequest* request,
                                            v1::Token* response) {
  const auto revoke = [&]() -> absl::StatusOr<v1::Token> {
    KM_ASSIGN_OR_RETURN(v1::Token token, tokens_.Revoke(request->name()));
    KM_RETURN_IF_ERROR(audit_.Append(CallerUri(*context), "token.revoke", token.name(), ""));
    return token;
  };
  return Answer(revoke(), response);
}

grpc::Status HostKeyServiceImpl::SetHostKey(grpc::ServerContext* context,
                                            const v1::SetHostKeyRequest* request,
                                            v1::HostKey* response) {
  const std::string caller = CallerUri(*context);
  const auto set = [&]() -> absl::StatusOr<v1::HostKey> {
    KM_ASSIGN_OR_RETURN(const ProductKey key, ProductKey::Parse(request->key()));
    if (kms::FindGvlkByPartial(key.partial()) != nullptr) {
      return absl::InvalidArgumentError(
          absl::StrCat("the key ending in ", key.partial(),
                       " is a client setup key: a KMS host needs its own (CSVLK)"));
    }
    KM_ASSIGN_OR_RETURN(const std::string machine_id, fleet_.ResolveMachine(request->host()));
    KM_ASSIGN_OR_RETURN(v1::HostKey stored, keys_.Set(machine_id, key, caller));
    stored.set_host(fleet_.NameOf(machine_id));
    KM_RETURN_IF_ERROR(audit_.Append(
        caller, "host_key.set", stored.name(),
        absl::StrCat("for ", stored.host(), ", the key ending in ", stored.partial_key())));
    return stored;
  };
  return Answer(set(), response);
}

grpc::Status HostKeyServiceImpl::RemoveHostKey(grpc::ServerContext* context,
                                               const v1::RemoveHostKeyRequest* request,
                                               v1::HostKey* response) {
  const auto remove = [&]() -> absl::StatusOr<v1::HostKey> {
    KM_ASSIGN_OR_RETURN(const std::string machine_id, fleet_.ResolveMachine(request->host()));
    KM_ASSIGN_OR_RETURN(v1::HostKey removed, keys_.Remove(machine_id));
    removed.set_host(fleet_.NameOf(machine_id));
    KM_RETURN_IF_ERROR(audit_.Append(
        CallerUri(*context), "host_key.remove", removed.name(),
        absl::StrCat("of ", removed.host(), ", the key ending in ", removed.partial_key())));
    return removed;
  };
  return Answer(remove(), response);
}

grpc::Status HostKeyServiceImpl::ListHostKeys(grpc::ServerContext* context,
                                              const v1::ListHostKeysRequest* request,
                                              v1::ListHostKeysResponse* response) {
  const auto list = [&]() -> absl::StatusOr<v1::ListHostKeysResponse> {
    KM_ASSIGN_OR_RETURN(v1::ListHostKeysResponse listed, keys_.List(*request));
    for (v1::HostKey& key : *listed.mutable_host_keys()) {
      key.set_host(fleet_.NameOf(key.machine_id()));
    }
    return listed;
  };
  return Answer(list(), response);
}

grpc::Status AccessServiceImpl::BanMachine(grpc::ServerContext* context,
                                           const v1::BanMachineRequest* request,
                                           v1::MachineAccess* response) {
  return Answer(gate_.Ban(CallerUri(*context), request->name(), request->reason()), response);
}

grpc::Status AccessServiceImpl::UnbanMachine(grpc::ServerContext* context,
                                             const v1::UnbanMachineRequest* request,
                                             v1::MachineAccess* response) {
  return Answer(gate_.Unban(CallerUri(*context), request->name(), request->reason()), response);
}

grpc::Status AccessServiceImpl::ResetMachine(grpc::ServerContext* context,
                                             const v1::ResetMachineRequest* request,
                                             v1::MachineAccess* response) {
  return Answer(gate_.Reset(CallerUri(*context), request->name(), request->reason()), response);
}

grpc::Status AccessServiceImpl::RemoveMachine(grpc::ServerContext* context,
                                              const v1::RemoveMachineRequest* request,
                                              v1::MachineAccess* response) {
  return Answer(gate_.Remove(CallerUri(*context), request->name(), request->reason()), response);
}

grpc::Status PolicyServiceImpl::GetPolicy(grpc::ServerContext* context,
                                          const v1::GetPolicyRequest* request,
                                          v1::Policy* response) {
  return Answer(LoadPolicy(store_), response);
}

grpc::Status PolicyServiceImpl::UpdatePolicy(grpc::ServerContext* context,
                                             const v1::UpdatePolicyRequest* request,
                                             v1::Policy* response) {
  const auto update = [&]() -> absl::StatusOr<v1::Policy> {
    KM_ASSIGN_OR_RETURN(v1::Policy policy, SavePolicy(store_, request->policy()));
    diagnosis_.SetPolicy(policy);
    KM_RETURN_IF_ERROR(
        audit_.Append(CallerUri(*context), "policy.update", "policy", policy.ShortDebugString()));
    return policy;
  };
  return Answer(update(), response);
}

grpc::Status AuditServiceImpl::ListAuditEntries(grpc::ServerContext* context,
                                                const v1::ListAuditEntriesRequest* request,
                                                v1::ListAuditEntriesResponse* response) {
  return Answer(audit_.List(*request), response);
}

}  // namespace keymedic::controller
