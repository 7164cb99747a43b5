// SPDX-License-Identifier: Apache-2.0
//
// Machines that may not come in. Two things that are not the same: a ban keeps a machine out
// whatever it brings, until it is unbanned; a reset makes the certificates of until now void, and
// a join token brings the machine back. Both outlive the machine's row. Held in memory, so that a
// call needs no look at the store.
//
// Threads: any. Changes are durable, and hold for every call that begins afterwards, when they
// return.
#ifndef KEYMEDIC_CONTROLLER_TRUST_REVOCATIONS_H_
#define KEYMEDIC_CONTROLLER_TRUST_REVOCATIONS_H_

#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "controller/store/store.h"
#include "keymedic/rows/v1/rows.pb.h"

namespace keymedic::controller {

class Revocations {
 public:
  static absl::StatusOr<std::unique_ptr<Revocations>> Load(Store& store);

  // May this machine come in with a certificate that was issued then? kPermissionDenied: it is
  // banned. kUnauthenticated: that certificate is void.
  absl::Status Check(absl::string_view machine_id, absl::Time issued_at) const;
  // Absent: not banned.
  std::optional<std::string> BanReason(absl::string_view machine_id) const;
  // Certificates issued earlier are void. A whole second, as certificates tell no less.
  absl::Time ValidFrom(absl::string_view machine_id) const;

  absl::Status Ban(const std::string& machine_id, absl::string_view reason);
  // kFailedPrecondition: it is not banned.
  absl::Status Unban(const std::string& machine_id);
  // Those issued until `now`.
  absl::Status VoidCertificates(const std::string& machine_id, absl::Time now);

 private:
  explicit Revocations(Store& store) : store_(store) {}
  rows::v1::RevocationRow Find(absl::string_view machine_id) const;
  absl::Status Save(const std::string& machine_id, rows::v1::RevocationRow row);

  Store& store_;
  std::mutex changing_;  // held from reading a row to having saved it
  mutable std::shared_mutex mutex_;
  absl::flat_hash_map<std::string, rows::v1::RevocationRow> rows_;  // guarded by mutex_
};

}  // namespace keymedic::controller

#endif  // KEYMEDIC_CONTROLLER_TRUST_REVOCATIONS_H_
