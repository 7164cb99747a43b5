// SPDX-License-Identifier: Apache-2.0
//
// Where the controller's state is durable: ordered tables of (key, value), changed in atomic
// batches. Small on purpose, so that SQLite and PostgreSQL can both keep it exactly; what the rows
// mean stands in the code that owns each table.
//
// Threads: all calls from any thread. Commit blocks until the batch is durable; many batches
// committed at the same time share one transaction (group commit).
// Errors: kAborted when an expectation did not hold (nothing was written; read again and retry),
// kUnavailable / kResourceExhausted when the disk refuses (nothing was written), kDataLoss when the
// database is damaged. The message names the database and what to do.
// Every engine passes store_conformance.h.
#ifndef KEYMEDIC_CONTROLLER_STORE_STORE_H_
#define KEYMEDIC_CONTROLLER_STORE_STORE_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace keymedic::controller {

enum class Table {
  kMachines,      // machine id -> MachineRow
  kSections,      // machine id \0 section name -> v1::Section
  kEvents,        // machine id \0 channel \0 record id (20 digits) -> v1::EventRecord
  kNotices,       // machine id \0 code \0 subject -> v1::AgentNotice
  kTokens,        // token id -> TokenRow
  kRemediations,  // remediation id -> v1::Remediation without targets
  kTargets,       // remediation id \0 index (10 digits) -> v1::Target
  kAudit,         // sequence (20 digits) -> v1::AuditEntry
  kPolicy,        // "policy" -> v1::Policy
  kRevoked,       // machine id -> RevocationRow
  kTried,         // machine id \0 finding code \0 action -> TriedRow
  kSecrets,       // "host-keys/" machine id -> HostKeyRow, its key encrypted
};

struct Write {
  Table table;
  std::string key;
  std::optional<std::string> value;  // absent: delete
  // The value that must be there now for the batch to be written; absent: anything may be.
  // An expected empty optional means: there must be none.
  std::optional<std::optional<std::string>> expected;
};
using Batch = std::vector<Write>;

struct Row {
  std::string key;
  std::string value;
};

class Store {
 public:
  virtual ~Store() = default;

  virtual absl::Status Commit(Batch batch) = 0;
  // Does not block: `done` is called from the store's thread once the batch is durable or refused.
  // Batches become durable in the order in which they were given.
  virtual void CommitAsync(Batch batch, std::function<void(absl::Status)> done) = 0;

  virtual absl::StatusOr<std::optional<std::string>> Get(Table table, absl::string_view key) = 0;
  // Rows whose key starts with `prefix` and is greater than `after`, in key order, at most `limit`.
  virtual absl::StatusOr<std::vector<Row>> Scan(Table table, absl::string_view prefix,
                                                absl::string_view after, size_t limit) = 0;
};

// The SQLite engine. `path` ":memory:" for tests.
absl::StatusOr<std::unique_ptr<Store>> OpenSqliteStore(const std::string& path);

}  // namespace keymedic::controller

#endif  // KEYMEDIC_CONTROLLER_STORE_STORE_H_
