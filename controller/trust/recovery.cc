// SPDX-License-Identifier: Apache-2.0
#include "controller/trust/recovery.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/hash.h"
#include "base/recovery_proof.h"
#include "base/status_macros.h"
#include "base/x509.h"
#include "controller/trust/identity.h"

namespace keymedic::controller {
namespace {

constexpr absl::Duration kNonceLife = absl::Minutes(2);

}  // namespace

absl::StatusOr<std::string> Recovery::MachineOf(const std::string& certificate_pem,
                                                absl::Time now) const {
  KM_RETURN_IF_ERROR(x509::CheckIssuedBy(certificate_pem, authority_.ca_pem()));
  KM_ASSIGN_OR_RETURN(const x509::Info info, x509::Inspect(certificate_pem));
  Identity identity = ParseIdentity(info.uri);
  if (identity.role != Role::kMachine) {
    return absl::PermissionDeniedError(absl::StrCat(
        "\"", info.uri, "\" is not a machine; only machines get a new certificate by themselves"));
  }
  KM_RETURN_IF_ERROR(revocations_.Check(identity.name, IssuedAt(info)));
  if (now > info.not_after + grace_) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the certificate of machine ", identity.name, " ended at ",
        absl::FormatTime(absl::RFC3339_sec, info.not_after, absl::UTCTimeZone()),
        ", longer ago than the ", absl::FormatDuration(grace_),
        " of recovery_grace. Enrol it again with a new join token: keymedic-agent enroll"));
  }
  return std::move(identity.name);
}

std::string Recovery::NewNonce(const std::string& machine_id, absl::Time now) {
  std::string bytes = random_.Bytes(kRecoveryNonceBytes);
  std::lock_guard lock(mutex_);
  nonces_[machine_id] = {bytes, now + kNonceLife};
  return bytes;
}

absl::Status Recovery::CheckProof(const std::string& machine_id,
                                  const v1::RecoverCertificateRequest& proof, absl::Time now) {
  Nonce given;
  {
    std::lock_guard lock(mutex_);
    if (auto node = nonces_.extract(machine_id)) given = std::move(node.mapped());
  }
  if (given.bytes.empty() || now >= given.until || !ConstantTimeEqual(given.bytes, proof.nonce())) {
    return absl::AbortedError(
        absl::StrCat("the nonce of machine ", machine_id,
                     " is not the one it was given last, or was used or is older than ",
                     absl::FormatDuration(kNonceLife), "; ask for another"));
  }
  if (!x509::IsSignedBy(proof.certificate_pem(), RecoveryProof(given.bytes, proof.csr_pem()),
                        proof.signature())) {
    return absl::PermissionDeniedError(absl::StrCat(
        "the proof of machine ", machine_id, " is not signed by the key of its certificate"));
  }
  return absl::OkStatus();
}

}  // namespace keymedic::controller
