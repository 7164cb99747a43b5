// SPDX-License-Identifier: Apache-2.0
//
// The audit log: a line for each act, append-only, each chained to the one before by its hash.
// Threads: any. Append returns once the line is durable.
#ifndef KEYMEDIC_CONTROLLER_AUDIT_H_
#define KEYMEDIC_CONTROLLER_AUDIT_H_

#include <mutex>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/clock.h"
#include "controller/store/store.h"
#include "keymedic/v1/audit_service.pb.h"

namespace keymedic::controller {

// `actor` is a SPIFFE id; `act` a dotted verb ("remediation.start", "token.create",
// "machine.enroll", "command.apply"). Never put a secret into `detail`.
struct AuditRecord {
  std::string actor, act, object, detail;
};

class AuditLog {
 public:
  // Reads the last line's sequence and hash.
  static absl::StatusOr<std::unique_ptr<AuditLog>> Open(Store& store, const Clock& clock);

  absl::Status Append(absl::string_view actor, absl::string_view act, absl::string_view object,
                      absl::string_view detail);
  // A line for each, in this order; all of them or none.
  absl::Status Append(const std::vector<AuditRecord>& records);
  absl::StatusOr<v1::ListAuditEntriesResponse> List(const v1::ListAuditEntriesRequest& request);
  // kDataLoss naming the first line that does not fit the one before it.
  absl::Status Verify();

 private:
  AuditLog(Store& store, const Clock& clock) : store_(store), clock_(clock) {}
  Store& store_;
  const Clock& clock_;
  std::mutex mutex_;
  uint64_t last_sequence_ = 0;  // guarded by mutex_
  std::string last_hash_;       // guarded by mutex_
};

}  // namespace keymedic::controller

#endif  // KEYMEDIC_CONTROLLER_AUDIT_H_
