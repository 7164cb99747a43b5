// SPDX-License-Identifier: Apache-2.0
//
// A machine whose certificate is over proves with the key of that certificate who it is, and may
// have a new one: docs/decisions/0011-certificate-recovery.md. This is who may, and the proof.
//
// Life cycle: one for the controller; nonces are in memory alone, one for each machine that asked.
// Threads: any. Ownership: what it is given outlives it.
#ifndef KEYMEDIC_CONTROLLER_TRUST_RECOVERY_H_
#define KEYMEDIC_CONTROLLER_TRUST_RECOVERY_H_

#include <mutex>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/random.h"
#include "controller/trust/authority.h"
#include "controller/trust/revocations.h"
#include "keymedic/v1/agent_service.pb.h"

namespace keymedic::controller {

class Recovery {
 public:
  // `grace`: for how long after its end a certificate is good for this.
  Recovery(const Authority& authority, const Revocations& revocations, Random& random,
           absl::Duration grace)
      : authority_(authority), revocations_(revocations), random_(random), grace_(grace) {}

  // The machine whose certificate this is, if it may have a new one. kInvalidArgument,
  // kPermissionDenied (not of this estate, not a machine's, banned), kUnauthenticated (void),
  // kFailedPrecondition (over for too long).
  absl::StatusOr<std::string> MachineOf(const std::string& certificate_pem, absl::Time now) const;
  // Replaces the one that the machine was given before.
  std::string NewNonce(const std::string& machine_id, absl::Time now);
  // Of MachineOf(proof.certificate_pem). The nonce is used up, whatever comes of it. kAborted: not
  // a nonce that is good now; kPermissionDenied: not signed by that certificate's key.
  absl::Status CheckProof(const std::string& machine_id, const v1::RecoverCertificateRequest& proof,
                          absl::Time now);

 private:
  struct Nonce {
    std::string bytes;
    absl::Time until;
  };

  const Authority& authority_;
  const Revocations& revocations_;
  Random& random_;
  const absl::Duration grace_;
  std::mutex mutex_;
  absl::flat_hash_map<std::string, Nonce> nonces_;  // by machine id; guarded by mutex_
};

}  // namespace keymedic::controller

#endif  // KEYMEDIC_CONTROLLER_TRUST_RECOVERY_H_
