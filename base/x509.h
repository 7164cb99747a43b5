// SPDX-License-Identifier: Apache-2.0
//
// Keys and certificates (EC P-256, X.509 v3), as PEM. Over OpenSSL 3.
// Identities are SPIFFE URIs in the subject alternative name:
//   spiffe://keymedic/machine/<machine id>
//   spiffe://keymedic/operator/<role>/<name>
//   spiffe://keymedic/controller
// All functions are pure but for the randomness of keys and serials; any thread.
#ifndef KEYMEDIC_BASE_X509_H_
#define KEYMEDIC_BASE_X509_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace keymedic::x509 {

absl::StatusOr<std::string> GenerateKeyPem();

// A certificate signing request for `key_pem`. The subject carries `common_name` for people; who
// signs decides the identity.
absl::StatusOr<std::string> MakeCsrPem(absl::string_view key_pem, absl::string_view common_name);

struct Issue {
  std::string common_name;
  std::string uri;                     // SPIFFE id
  std::vector<std::string> dns_names;  // servers: names and addresses it is reached at
  absl::Time not_before;
  absl::Time not_after;
  bool server = false;  // extended key usage; clients otherwise
};

// A self-signed certificate authority.
absl::StatusOr<std::string> MakeCaPem(absl::string_view key_pem, absl::string_view common_name,
                                      absl::Time not_before, absl::Time not_after);
// Signs the public key of a CSR (whose own signature is checked) or of a key. Names, identity and
// usage come from `issue` alone.
absl::StatusOr<std::string> SignCsrPem(absl::string_view csr_pem, const Issue& issue,
                                       absl::string_view ca_pem, absl::string_view ca_key_pem);
absl::StatusOr<std::string> SignKeyPem(absl::string_view key_pem, const Issue& issue,
                                       absl::string_view ca_pem, absl::string_view ca_key_pem);

struct Info {
  std::string uri;
  std::string common_name;
  std::string serial;              // hex
  std::string fingerprint_sha256;  // hex, of the DER form
  absl::Time not_before;
  absl::Time not_after;
};
// Of the first certificate in `pem`.
absl::StatusOr<Info> Inspect(absl::string_view pem);
bool KeyMatches(absl::string_view key_pem, absl::string_view certificate_pem);
// Whether the authority issued this client certificate, also if its time is over. kInvalidArgument:
// no certificate; kPermissionDenied: another authority's, or not for clients.
absl::Status CheckIssuedBy(absl::string_view certificate_pem, absl::string_view ca_pem);

// A signature (ECDSA, SHA-256), and whether the key of that certificate made it.
absl::StatusOr<std::string> SignBytes(absl::string_view key_pem, absl::string_view bytes);
bool IsSignedBy(absl::string_view certificate_pem, absl::string_view bytes,
                absl::string_view signature);

// Connects to host:port over TLS without trusting anyone, takes the certificates that the server
// shows and returns the one whose fingerprint is `sha256_hex`, as PEM: how an agent with a join
// token gets the authority it may then trust. kPermissionDenied if none fits, kUnavailable.
absl::StatusOr<std::string> FetchPinnedCaPem(absl::string_view host_port,
                                             absl::string_view sha256_hex, absl::Duration timeout);

}  // namespace keymedic::x509

#endif  // KEYMEDIC_BASE_X509_H_
