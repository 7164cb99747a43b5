// SPDX-License-Identifier: Apache-2.0
//
// Join tokens: who holds one may add so many machines until then. The store keeps the SHA-256 of
// the secret only; the secret itself is shown once.
//
// Threads: any. Uses are counted by expectations of the store, so two controllers or two threads
// never spend the same use.
// Errors of Redeem: kUnauthenticated (no such token, wrong secret: one message for both, so that
// nobody can search for ids), kFailedPrecondition (expired, used up, revoked: says which).
#ifndef KEYMEDIC_CONTROLLER_TRUST_TOKENS_H_
#define KEYMEDIC_CONTROLLER_TRUST_TOKENS_H_

#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/join_token.h"
#include "base/random.h"
#include "controller/store/store.h"
#include "keymedic/v1/access_service.pb.h"

namespace keymedic::controller {

class Tokens {
 public:
  Tokens(Store& store, const Clock& clock, Random& random, std::string ca_sha256)
      : store_(store), clock_(clock), random_(random), ca_sha256_(std::move(ca_sha256)) {}

  absl::StatusOr<v1::CreateTokenResponse> Create(const v1::CreateTokenRequest& request,
                                                 absl::string_view created_by);
  absl::StatusOr<v1::ListTokensResponse> List(const v1::ListTokensRequest& request);
  absl::StatusOr<v1::Token> Revoke(absl::string_view name);

  // Is this token good now? What its machines are labelled with.
  absl::StatusOr<std::map<std::string, std::string>> Check(const JoinToken& token);
  // Spends one use, in one batch with `also`: both or neither.
  absl::Status Redeem(const JoinToken& token, const Batch& also);

 private:
  Store& store_;
  const Clock& clock_;
  Random& random_;
  const std::string ca_sha256_;
};

}  // namespace keymedic::controller

#endif  // KEYMEDIC_CONTROLLER_TRUST_TOKENS_H_
