// SPDX-License-Identifier: Apache-2.0
#include "agent/journal.h"

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace keymedic::agent {
namespace {

constexpr char kSchema[] = R"(
CREATE TABLE IF NOT EXISTS commands (
  id           TEXT PRIMARY KEY,
  state        INTEGER NOT NULL,            -- Journal::State
  command      BLOB NOT NULL,               -- without secrets
  had_secrets  INTEGER NOT NULL,
  result       BLOB,
  acknowledged INTEGER NOT NULL DEFAULT 0,
  at           INTEGER NOT NULL             -- of the last step, seconds
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS commands_by_state ON commands (state, acknowledged, at);
)";

std::string WithoutSecrets(const v1::Command& command) {
  v1::Command copy = command;
  copy.clear_secrets();
  return copy.SerializeAsString();
}

// Columns: state, command, had_secrets, result.
absl::StatusOr<Journal::Entry> ReadEntry(const Statement& row, const Database& database) {
  Journal::Entry entry{static_cast<Journal::State>(row.Int(0))};
  const auto command = row.Text(1);
  const auto result = row.IsNull(3) ? absl::string_view() : row.Text(3);
  if (!entry.command.ParseFromArray(command.data(), static_cast<int>(command.size())) ||
      !entry.result.ParseFromArray(result.data(), static_cast<int>(result.size()))) {
    return absl::DataLossError(absl::StrCat(
        database.path(), ": a row of the journal cannot be read; move the file away and restart"));
  }
  entry.had_secrets = row.Int(2) != 0;
  return entry;
}

}  // namespace

absl::StatusOr<Journal> Journal::Open(Database& database) {
  KM_RETURN_IF_ERROR(database.Execute(kSchema));
  return Journal(database);
}

absl::StatusOr<std::optional<Journal::Entry>> Journal::Find(const std::string& command_id) {
  KM_ASSIGN_OR_RETURN(
      Statement select,
      database_->Prepare("SELECT state, command, had_secrets, result FROM commands WHERE id = ?"));
  select.Bind(1, command_id);
  KM_ASSIGN_OR_RETURN(const bool found, select.Step());
  if (!found) return std::nullopt;
  KM_ASSIGN_OR_RETURN(Entry entry, ReadEntry(select, *database_));
  return entry;
}

absl::Status Journal::Receive(const v1::Command& command, absl::Time now) {
  KM_ASSIGN_OR_RETURN(Statement insert,
                      database_->Prepare("INSERT INTO commands (id, state, command, had_secrets, "
                                         "at) VALUES (?, 1, ?, ?, ?) ON CONFLICT (id) DO NOTHING"));
  const std::string bytes = WithoutSecrets(command);
  insert.Bind(1, command.id());
  insert.Bind(2, bytes);
  insert.Bind(3, int64_t{command.secrets().empty() ? 0 : 1});
  insert.Bind(4, absl::ToUnixSeconds(now));
  return insert.Run();
}

absl::Status Journal::Start(const std::string& command_id) {
  KM_ASSIGN_OR_RETURN(Statement update,
                      database_->Prepare("UPDATE commands SET state = 2 WHERE id = ?"));
  update.Bind(1, command_id);
  KM_RETURN_IF_ERROR(update.Run());
  if (database_->changes() != 1) {
    return absl::InternalError(
        absl::StrCat(database_->path(), ": command ", command_id, " was never received"));
  }
  return absl::OkStatus();
}

absl::Status Journal::Finish(const v1::Command& command, const v1::CommandResult& result,
                             absl::Time now) {
  KM_ASSIGN_OR_RETURN(
      Statement upsert,
      database_->Prepare("INSERT INTO commands (id, state, command, had_secrets, result, at) "
                         "VALUES (?, 3, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET state = 3, "
                         "result = excluded.result, at = excluded.at"));
  const std::string bytes = WithoutSecrets(command);
  const std::string result_bytes = result.SerializeAsString();
  upsert.Bind(1, command.id());
  upsert.Bind(2, bytes);
  upsert.Bind(3, int64_t{command.secrets().empty() ? 0 : 1});
  upsert.Bind(4, result_bytes);
  upsert.Bind(5, absl::ToUnixSeconds(now));
  return upsert.Run();
}

absl::StatusOr<std::vector<Journal::Entry>> Journal::Interrupted() {
  KM_ASSIGN_OR_RETURN(Statement select,
                      database_->Prepare("SELECT state, command, had_secrets, result FROM commands "
                                         "WHERE state = 2 ORDER BY at, id"));
  std::vector<Entry> entries;
  while (true) {
    KM_ASSIGN_OR_RETURN(const bool row, select.Step());
    if (!row) return entries;
    KM_ASSIGN_OR_RETURN(Entry entry, ReadEntry(select, *database_));
    entries.push_back(std::move(entry));
  }
}

absl::StatusOr<std::vector<v1::CommandResult>> Journal::Unacknowledged() {
  KM_ASSIGN_OR_RETURN(Statement select,
                      database_->Prepare("SELECT state, command, had_secrets, result FROM commands "
                                         "WHERE state = 3 AND acknowledged = 0 ORDER BY at, id"));
  std::vector<v1::CommandResult> results;
  while (true) {
    KM_ASSIGN_OR_RETURN(const bool row, select.Step());
    if (!row) return results;
    KM_ASSIGN_OR_RETURN(Entry entry, ReadEntry(select, *database_));
    results.push_back(std::move(entry.result));
  }
}

absl::Status Journal::Acknowledge(const std::string& command_id) {
  KM_ASSIGN_OR_RETURN(
      Statement update,
      database_->Prepare("UPDATE commands SET acknowledged = 1 WHERE id = ? AND state = 3"));
  update.Bind(1, command_id);
  return update.Run();
}

absl::Status Journal::Prune(absl::Time before) {
  KM_ASSIGN_OR_RETURN(Statement remove,
                      database_->Prepare("DELETE FROM commands WHERE at < ? AND "
                                         "((state = 3 AND acknowledged = 1) OR state = 1)"));
  remove.Bind(1, absl::ToUnixSeconds(before));
  return remove.Run();
}

}  // namespace keymedic::agent
