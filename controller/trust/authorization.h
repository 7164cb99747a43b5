// SPDX-License-Identifier: Apache-2.0
//
// Who may call what: one table, asked for every call before it reaches a service, also for health
// checking and reflection. What is not in the table is refused.
//
// Threads: called from every gRPC thread.
#ifndef KEYMEDIC_CONTROLLER_TRUST_AUTHORIZATION_H_
#define KEYMEDIC_CONTROLLER_TRUST_AUTHORIZATION_H_

#include <grpcpp/security/auth_context.h>
#include <grpcpp/security/server_credentials.h>

#include <memory>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "controller/trust/authority.h"
#include "controller/trust/identity.h"
#include "controller/trust/revocations.h"

namespace keymedic::controller {

enum class Caller {
  kAnyone,  // also without a certificate
  kMachine,
  kAnyCertificate,
  kViewer,  // and from here on: or a higher role
  kOperator,
  kApprover,
  kAdmin,
};

struct MethodRule {
  absl::string_view path;  // "/keymedic.v1.AgentService/Connect"
  Caller caller;
};
absl::Span<const MethodRule> MethodRules();

// kUnauthenticated without a certificate or with a void one, kPermissionDenied with the wrong one,
// kUnimplemented for a method that is not known.
absl::Status Authorize(absl::string_view path, const Identity& identity,
                       const Revocations& revocations);

// The verified certificate's identity; role kNone if there is none.
Identity PeerIdentity(const grpc::AuthContext& context);

// Mutual TLS with the authority's certificates: a certificate of another authority fails the
// handshake, none is good for what is for anyone. `revocations` outlives the server.
std::shared_ptr<grpc::ServerCredentials> MakeServerCredentials(const Authority& authority,
                                                               const Revocations& revocations);

}  // namespace keymedic::controller

#endif  // KEYMEDIC_CONTROLLER_TRUST_AUTHORIZATION_H_
