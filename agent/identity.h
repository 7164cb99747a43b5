// SPDX-License-Identifier: Apache-2.0
//
// Who this machine is, as files of the state directory: machine_id, controller (HOST:PORT),
// agent.key, agent.crt and ca.crt. A renewed credential is first written beside (*.next); it takes
// the place of the old one only after a connection has worked with it, so no crash and no bad
// answer can leave the machine without a credential that works.
//
// Life cycle: Load, at the start, repairs what a crash left half done; Read looks again later.
// Threads: one at a time. Errors name the file and what to do.
#ifndef KEYMEDIC_AGENT_IDENTITY_H_
#define KEYMEDIC_AGENT_IDENTITY_H_

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/random.h"

namespace keymedic::agent {

struct Credential {
  std::string key_pem;
  std::string certificate_pem;
  std::string ca_pem;
  absl::Time not_before;
  absl::Time not_after;

  // True from two thirds of the certificate's life on.
  bool NeedsRenewal(absl::Time now) const;
};

// kInvalidArgument: not a certificate, no certificate authority, or one for another key.
absl::StatusOr<Credential> MakeCredential(std::string key_pem, std::string certificate_pem,
                                          std::string ca_pem);

class Identity {
 public:
  // kFailedPrecondition: not enrolled yet.
  static absl::StatusOr<Identity> Load(const std::string& state_dir);
  // What stands there now, changing nothing: another process may be in the middle of enrolling this
  // machine. An error while it is not whole.
  static absl::StatusOr<Identity> Read(const std::string& state_dir);

  const std::string& machine_id() const { return machine_id_; }
  const std::string& controller() const { return controller_; }
  const Credential& current() const { return current_; }
  const std::optional<Credential>& next() const { return next_; }

  absl::Status StoreNext(Credential next);
  absl::Status PromoteNext();  // the new one has worked: it takes the place of the old one
  absl::Status DiscardNext();  // the old one works and the new one does not

 private:
  std::string state_dir_;
  std::string machine_id_;
  std::string controller_;
  Credential current_;
  std::optional<Credential> next_;
};

// The machine id of the directory; a new one, not yet stored, if there is none.
absl::StatusOr<std::string> ReadOrProposeMachineId(const std::string& state_dir, Random& random);

// What an enrolment brought. Replaces an earlier one, whose credential stays until this one is
// wholly written.
absl::Status StoreEnrolment(const std::string& state_dir, const std::string& machine_id,
                            const std::string& controller, const Credential& credential);

}  // namespace keymedic::agent

#endif  // KEYMEDIC_AGENT_IDENTITY_H_
