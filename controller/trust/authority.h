// SPDX-License-Identifier: Apache-2.0
//
// The estate's certificate authority: its files in the data directory, and what it issues.
//   ca.key (0600), ca.crt       the authority, 10 years
//   server.key, server.crt      the controller's own: leaf, then the authority, so that an agent
//   with
//                               a join token finds the certificate that the token pins
//   admin.key, admin.crt        the first administrator's client certificate, 1 year
//
// Life cycle: InitializeAuthority once per estate; Authority::Load at each start.
// Threads: an Authority does not change; any thread.
// Errors: kAlreadyExists (init never overwrites), kNotFound (not initialised: says how to),
// kInvalidArgument for a CSR that does not hold.
#ifndef KEYMEDIC_CONTROLLER_TRUST_AUTHORITY_H_
#define KEYMEDIC_CONTROLLER_TRUST_AUTHORITY_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/x509.h"
#include "controller/trust/identity.h"

namespace keymedic::controller {

// `names`: host names and addresses at which agents and operators reach the controller.
absl::Status InitializeAuthority(const std::string& directory,
                                 const std::vector<std::string>& names, absl::Time now);

// When a certificate of this authority was made.
absl::Time IssuedAt(const x509::Info& certificate);

struct KeyAndCertificate {
  std::string key_pem;
  std::string certificate_pem;
};

class Authority {
 public:
  static absl::StatusOr<Authority> Load(const std::string& directory);

  const std::string& ca_pem() const { return ca_pem_; }
  const std::string& ca_sha256() const { return ca_sha256_; }  // hex; what join tokens pin
  const KeyAndCertificate& server() const { return server_; }

  // A client certificate for the key of `csr_pem`, whose identity is this machine whatever the CSR
  // says of itself.
  absl::StatusOr<std::string> IssueMachine(absl::string_view csr_pem, absl::string_view machine_id,
                                           absl::Time now, absl::Duration lifetime) const;
  // A new key and client certificate for a person.
  absl::StatusOr<KeyAndCertificate> IssueOperator(Role role, absl::string_view name, absl::Time now,
                                                  absl::Duration lifetime) const;

 private:
  friend absl::Status InitializeAuthority(const std::string&, const std::vector<std::string>&,
                                          absl::Time);
  Authority() = default;
  std::string ca_pem_, ca_key_pem_, ca_sha256_;
  KeyAndCertificate server_;
};

}  // namespace keymedic::controller

#endif  // KEYMEDIC_CONTROLLER_TRUST_AUTHORITY_H_
