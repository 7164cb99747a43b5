// SPDX-License-Identifier: Apache-2.0
//
// AccessService, HostKeyService, PolicyService and AuditService: thin fronts of trust/,
// machine_gate.h, policy.h
// and audit.h. Every change is in the audit log before it is answered.
#ifndef KEYMEDIC_CONTROLLER_SERVICES_ADMIN_SERVICES_H_
#define KEYMEDIC_CONTROLLER_SERVICES_ADMIN_SERVICES_H_

#include <grpcpp/grpcpp.h>

#include "controller/audit.h"
#include "controller/diagnosis/estate_diagnosis.h"
#include "controller/fleet/fleet.h"
#include "controller/policy.h"
#include "controller/services/machine_gate.h"
#include "controller/trust/host_keys.h"
#include "controller/trust/tokens.h"
#include "keymedic/v1/access_service.grpc.pb.h"
#include "keymedic/v1/audit_service.grpc.pb.h"
#include "keymedic/v1/host_key_service.grpc.pb.h"
#include "keymedic/v1/policy_service.grpc.pb.h"

namespace keymedic::controller {

class AccessServiceImpl final : public v1::AccessService::Service {
 public:
  AccessServiceImpl(Tokens& tokens, MachineGate& gate, AuditLog& audit)
      : tokens_(tokens), gate_(gate), audit_(audit) {}
  grpc::Status CreateToken(grpc::ServerContext* context, const v1::CreateTokenRequest* request,
                           v1::CreateTokenResponse* response) override;
  grpc::Status ListTokens(grpc::ServerContext* context, const v1::ListTokensRequest* request,
                          v1::ListTokensResponse* response) override;
  grpc::Status RevokeToken(grpc::ServerContext* context, const v1::RevokeTokenRequest* request,
                           v1::Token* response) override;
  grpc::Status BanMachine(grpc::ServerContext* context, const v1::BanMachineRequest* request,
                          v1::MachineAccess* response) override;
  grpc::Status UnbanMachine(grpc::ServerContext* context, const v1::UnbanMachineRequest* request,
                            v1::MachineAccess* response) override;
  grpc::Status ResetMachine(grpc::ServerContext* context, const v1::ResetMachineRequest* request,
                            v1::MachineAccess* response) override;
  grpc::Status RemoveMachine(grpc::ServerContext* context, const v1::RemoveMachineRequest* request,
                             v1::MachineAccess* response) override;

 private:
  Tokens& tokens_;
  MachineGate& gate_;
  AuditLog& audit_;
};

// A request has a whole key in it: it goes to ProductKey and nowhere else.
class HostKeyServiceImpl final : public v1::HostKeyService::Service {
 public:
  HostKeyServiceImpl(HostKeys& keys, Fleet& fleet, AuditLog& audit)
      : keys_(keys), fleet_(fleet), audit_(audit) {}
  grpc::Status SetHostKey(grpc::ServerContext* context, const v1::SetHostKeyRequest* request,
                          v1::HostKey* response) override;
  grpc::Status RemoveHostKey(grpc::ServerContext* context, const v1::RemoveHostKeyRequest* request,
                             v1::HostKey* response) override;
  grpc::Status ListHostKeys(grpc::ServerContext* context, const v1::ListHostKeysRequest* request,
                            v1::ListHostKeysResponse* response) override;

 private:
  HostKeys& keys_;
  Fleet& fleet_;
  AuditLog& audit_;
};

class PolicyServiceImpl final : public v1::PolicyService::Service {
 public:
  PolicyServiceImpl(Store& store, EstateDiagnosis& diagnosis, AuditLog& audit)
      : store_(store), diagnosis_(diagnosis), audit_(audit) {}
  grpc::Status GetPolicy(grpc::ServerContext* context, const v1::GetPolicyRequest* request,
                         v1::Policy* response) override;
  grpc::Status UpdatePolicy(grpc::ServerContext* context, const v1::UpdatePolicyRequest* request,
                            v1::Policy* response) override;

 private:
  Store& store_;
  EstateDiagnosis& diagnosis_;
  AuditLog& audit_;
};

class AuditServiceImpl final : public v1::AuditService::Service {
 public:
  explicit AuditServiceImpl(AuditLog& audit) : audit_(audit) {}
  grpc::Status ListAuditEntries(grpc::ServerContext* context,
                                const v1::ListAuditEntriesRequest* request,
                                v1::ListAuditEntriesResponse* response) override;

 private:
  AuditLog& audit_;
};

}  // namespace keymedic::controller

#endif  // KEYMEDIC_CONTROLLER_SERVICES_ADMIN_SERVICES_H_
