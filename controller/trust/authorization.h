// SPDX-License-Identifier: Apache-2.0
//
// Who may call what: one table, asked for every call before it reaches a service, also for health
// checking and reflection. What is not in the table is refused.
//
// Threads: Authorizer and RevokedMachines are called from every gRPC thread.
#ifndef KEYMEDIC_CONTROLLER_TRUST_AUTHORIZATION_H_
#define KEYMEDIC_CONTROLLER_TRUST_AUTHORIZATION_H_

#include <grpcpp/security/auth_context.h>
#include <grpcpp/security/server_credentials.h>

#include <memory>
#include <shared_mutex>
#include <string>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "controller/store/store.h"
#include "controller/trust/authority.h"
#include "controller/trust/identity.h"

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

// Machines that may not come back: banned, not merely reset. Held in memory, so that a call needs
// no look at the store.
class RevokedMachines {
 public:
  static absl::StatusOr<std::unique_ptr<RevokedMachines>> Load(Store& store);
  bool Contains(absl::string_view machine_id) const;
  // Durable when it returns.
  absl::Status Ban(absl::string_view machine_id, absl::string_view reason);

 private:
  explicit RevokedMachines(Store& store) : store_(store) {}
  Store& store_;
  mutable std::shared_mutex mutex_;
  absl::flat_hash_set<std::string> ids_;  // guarded by mutex_
};

// kUnauthenticated without a certificate, kPermissionDenied with the wrong one, kUnimplemented for
// a method that is not known.
absl::Status Authorize(absl::string_view path, const Identity& identity,
                       const RevokedMachines& revoked);

// The verified certificate's identity; role kNone if there is none.
Identity PeerIdentity(const grpc::AuthContext& context);

// Mutual TLS with the authority's certificates: a certificate of another authority fails the
// handshake, none is good for Enroll alone. `revoked` outlives the server.
std::shared_ptr<grpc::ServerCredentials> MakeServerCredentials(const Authority& authority,
                                                               const RevokedMachines& revoked);

}  // namespace keymedic::controller

#endif  // KEYMEDIC_CONTROLLER_TRUST_AUTHORIZATION_H_
