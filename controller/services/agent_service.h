// SPDX-License-Identifier: Apache-2.0
//
// AgentService: enrolment, renewal and recovery of certificates, and the streams. What was enrolled
// is durable and in the audit log before the agent gets its certificate.
#ifndef KEYMEDIC_CONTROLLER_SERVICES_AGENT_SERVICE_H_
#define KEYMEDIC_CONTROLLER_SERVICES_AGENT_SERVICE_H_

#include <grpcpp/grpcpp.h>

#include "base/random.h"
#include "controller/audit.h"
#include "controller/fleet/fleet.h"
#include "controller/trust/authority.h"
#include "controller/trust/authorization.h"
#include "controller/trust/recovery.h"
#include "controller/trust/tokens.h"
#include "keymedic/v1/agent_service.grpc.pb.h"

namespace keymedic::controller {

// All outlive the service.
struct AgentServiceDeps {
  Fleet& fleet;
  const Authority& authority;
  Tokens& tokens;
  Revocations& revocations;
  Recovery& recovery;
  AuditLog& audit;
  const Clock& clock;
  Random& random;
  absl::Duration certificate_lifetime;
};

class AgentServiceImpl final
    : public v1::AgentService::WithCallbackMethod_Connect<v1::AgentService::Service> {
 public:
  explicit AgentServiceImpl(AgentServiceDeps deps) : deps_(deps) {}

  grpc::Status Enroll(grpc::ServerContext* context, const v1::EnrollRequest* request,
                      v1::EnrollResponse* response) override;
  grpc::Status RenewCertificate(grpc::ServerContext* context,
                                const v1::RenewCertificateRequest* request,
                                v1::RenewCertificateResponse* response) override;
  grpc::Status RecoverCertificate(grpc::ServerContext* context,
                                  const v1::RecoverCertificateRequest* request,
                                  v1::RecoverCertificateResponse* response) override;
  grpc::ServerBidiReactor<v1::AgentMessage, v1::ControllerMessage>* Connect(
      grpc::CallbackServerContext* context) override;

 private:
  absl::StatusOr<v1::EnrollResponse> DoEnroll(const v1::EnrollRequest& request);
  absl::StatusOr<v1::RenewCertificateResponse> DoRenew(const Identity& machine,
                                                       const v1::RenewCertificateRequest& request);
  absl::StatusOr<v1::RecoverCertificateResponse> DoRecover(
      const v1::RecoverCertificateRequest& request);
  AgentServiceDeps deps_;
};

}  // namespace keymedic::controller

#endif  // KEYMEDIC_CONTROLLER_SERVICES_AGENT_SERVICE_H_
