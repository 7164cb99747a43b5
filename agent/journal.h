// SPDX-License-Identifier: Apache-2.0
//
// What makes a command's effect happen once: each step of a command is durable before the next is
// taken. Received -> Started -> Finished -> acknowledged by the controller -> pruned.
// Secrets of a command are never written.
//
// Life cycle: tables are made by Open in the database that is passed in (shared with the outbox).
// Threads: the database's, one at a time.
// Errors: kResourceExhausted when the disk is full: then nothing was written, and the caller must
// not act.
#ifndef KEYMEDIC_AGENT_JOURNAL_H_
#define KEYMEDIC_AGENT_JOURNAL_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/sqlite.h"
#include "keymedic/v1/command.pb.h"

namespace keymedic::agent {

class Journal {
 public:
  enum class State { kReceived = 1, kStarted = 2, kFinished = 3 };
  struct Entry {
    State state;
    v1::Command command;  // without its secrets
    bool had_secrets = false;
    v1::CommandResult result;  // of a finished one
  };

  static absl::StatusOr<Journal> Open(Database& database);

  absl::StatusOr<std::optional<Entry>> Find(const std::string& command_id);
  absl::Status Receive(const v1::Command& command, absl::Time now);
  absl::Status Start(const std::string& command_id);
  // Of a command that was received, or of one (CHECK) that needs no record before it runs.
  absl::Status Finish(const v1::Command& command, const v1::CommandResult& result, absl::Time now);

  // Started and not finished: a crash cut them off.
  absl::StatusOr<std::vector<Entry>> Interrupted();
  absl::StatusOr<std::vector<v1::CommandResult>> Unacknowledged();
  absl::Status Acknowledge(const std::string& command_id);
  // Forgets acknowledged results, and commands received but never started, older than `before`.
  absl::Status Prune(absl::Time before);

 private:
  explicit Journal(Database& database) : database_(&database) {}
  Database* database_;
};

}  // namespace keymedic::agent

#endif  // KEYMEDIC_AGENT_JOURNAL_H_
