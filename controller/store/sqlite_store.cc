// SPDX-License-Identifier: Apache-2.0
#include "controller/store/sqlite_store.h"

#include <array>
#include <condition_variable>
#include <mutex>
#include <span>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "base/sqlite.h"
#include "base/status_macros.h"

namespace keymedic::controller {
namespace {

constexpr int64_t kSchemaVersion = 3;  // 2: tried; 3: secrets
constexpr size_t kMaxGroup = 4096;  // batches in one transaction: bounds how long the first waits

constexpr std::array<absl::string_view, 12> kTableNames = {
    "machines", "sections", "events", "notices", "tokens", "remediations",
    "targets",  "audit",    "policy", "revoked", "tried",  "secrets"};
static_assert(static_cast<size_t>(Table::kSecrets) + 1 == kTableNames.size());

struct TableStatements {
  Statement put, remove, get, scan, scan_to_end;
};

// A database with its prepared statements; whoever holds the mutex uses it.
class Connection {
 public:
  static absl::StatusOr<std::unique_ptr<Connection>> Open(const std::string& path,
                                                          const SqliteOptions& options) {
    KM_ASSIGN_OR_RETURN(Database database, Database::Open(path));
    auto connection = std::unique_ptr<Connection>(new Connection(std::move(database)));
    KM_RETURN_IF_ERROR(connection->MakeSchema());
    if (options.max_pages > 0) {
      KM_RETURN_IF_ERROR(connection->database_.Execute(
          absl::StrCat("PRAGMA max_page_count = ", options.max_pages)));
    }
    KM_RETURN_IF_ERROR(connection->PrepareAll());
    return connection;
  }

  std::mutex& mutex() { return mutex_; }
  absl::Status Execute(const char* sql) { return database_.Execute(sql); }

  absl::StatusOr<std::optional<std::string>> Get(Table table, absl::string_view key) {
    Statement& get = statements(table).get;
    get.Bind(1, key);
    absl::StatusOr<bool> row = get.Step();
    std::optional<std::string> value;
    if (row.ok() && *row) value = std::string(get.Text(0));
    get.Reset();
    if (!row.ok()) return row.status();
    return value;
  }

  absl::StatusOr<std::vector<Row>> Scan(Table table, absl::string_view prefix,
                                        absl::string_view after, size_t limit) {
    // The least key that qualifies, and the least one past the prefix.
    std::string from(prefix);
    if (after >= prefix) from = absl::StrCat(after, absl::string_view("\0", 1));
    std::string to(prefix);
    while (!to.empty() && to.back() == '\xff') to.pop_back();
    const bool to_end = to.empty();
    if (!to_end) to.back() = static_cast<char>(static_cast<unsigned char>(to.back()) + 1);

    Statement& scan = to_end ? statements(table).scan_to_end : statements(table).scan;
    scan.Bind(1, from);
    scan.Bind(2, static_cast<int64_t>(std::min<size_t>(limit, INT64_MAX)));
    if (!to_end) scan.Bind(3, to);
    std::vector<Row> rows;
    absl::Status error;
    while (true) {
      absl::StatusOr<bool> more = scan.Step();
      if (!more.ok()) error = more.status();
      if (!more.ok() || !*more) break;
      rows.push_back({std::string(scan.Text(0)), std::string(scan.Text(1))});
    }
    scan.Reset();
    if (!error.ok()) return error;
    return rows;
  }

  // Expectations are about what was there before the batch, so all are checked before any write.
  absl::Status Apply(const Batch& batch) {
    for (const Write& write : batch) {
      if (!write.expected) continue;
      KM_ASSIGN_OR_RETURN(std::optional<std::string> now, Get(write.table, write.key));
      if (now != *write.expected) {
        return absl::AbortedError(absl::StrCat(
            database_.path(), ": a row of ", kTableNames[static_cast<size_t>(write.table)],
            " was changed by somebody else meanwhile; read it again and retry"));
      }
    }
    for (const Write& write : batch) {
      TableStatements& table = statements(write.table);
      Statement& statement = write.value ? table.put : table.remove;
      statement.Bind(1, write.key);
      if (write.value) statement.Bind(2, *write.value);
      KM_RETURN_IF_ERROR(statement.Run());
    }
    return absl::OkStatus();
  }

 private:
  explicit Connection(Database database) : database_(std::move(database)) {}
  TableStatements& statements(Table table) { return tables_[static_cast<size_t>(table)]; }

  absl::Status MakeSchema() {
    KM_RETURN_IF_ERROR(
        database_.Execute("CREATE TABLE IF NOT EXISTS schema (version INTEGER NOT NULL)"));
    int64_t version = 0;
    {
      KM_ASSIGN_OR_RETURN(Statement select, database_.Prepare("SELECT version FROM schema"));
      KM_ASSIGN_OR_RETURN(bool row, select.Step());
      if (row) version = select.Int(0);
    }
    if (version > kSchemaVersion) {
      return absl::FailedPreconditionError(absl::StrCat(
          database_.path(), ": made by a newer KeyMedic (schema ", version, ", this one knows ",
          kSchemaVersion, "); install that version again or restore a backup"));
    }
    if (version == kSchemaVersion) return absl::OkStatus();
    std::string sql = "BEGIN IMMEDIATE;";
    for (absl::string_view name : kTableNames) {
      absl::StrAppend(&sql, "CREATE TABLE IF NOT EXISTS ", name,
                      " (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;");
    }
    // So far each version only adds tables.
    absl::StrAppend(&sql, "DELETE FROM schema; INSERT INTO schema VALUES (", kSchemaVersion,
                    ");COMMIT;");
    return database_.Execute(sql);
  }

  absl::Status PrepareAll() {
    for (absl::string_view name : kTableNames) {
      KM_ASSIGN_OR_RETURN(Statement put,
                          database_.Prepare(absl::StrCat(
                              "INSERT INTO ", name,
                              " VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = ?2")));
      KM_ASSIGN_OR_RETURN(Statement remove,
                          database_.Prepare(absl::StrCat("DELETE FROM ", name, " WHERE key = ?1")));
      KM_ASSIGN_OR_RETURN(Statement get, database_.Prepare(absl::StrCat("SELECT value FROM ", name,
                                                                        " WHERE key = ?1")));
      KM_ASSIGN_OR_RETURN(
          Statement scan,
          database_.Prepare(absl::StrCat("SELECT key, value FROM ", name,
                                         " WHERE key >= ?1 AND key < ?3 ORDER BY key LIMIT ?2")));
      KM_ASSIGN_OR_RETURN(Statement scan_to_end, database_.Prepare(absl::StrCat(
                                                     "SELECT key, value FROM ", name,
                                                     " WHERE key >= ?1 ORDER BY key LIMIT ?2")));
      tables_.push_back({std::move(put), std::move(remove), std::move(get), std::move(scan),
                         std::move(scan_to_end)});
    }
    return absl::OkStatus();
  }

  std::mutex mutex_;
  Database database_;
  std::vector<TableStatements> tables_;  // after database_: finalised before it closes
};

class SqliteStore final : public Store {
 public:
  SqliteStore(std::unique_ptr<Connection> writer, std::unique_ptr<Connection> reader)
      : writer_(std::move(writer)), reader_(std::move(reader)), thread_([this] { WriteLoop(); }) {}

  ~SqliteStore() override {
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_one();
    thread_.join();
  }

  absl::Status Commit(Batch batch) override {
    absl::Status result;
    absl::Notification durable;
    CommitAsync(std::move(batch), [&](absl::Status status) {
      result = std::move(status);
      durable.Notify();
    });
    durable.WaitForNotification();
    return result;
  }

  void CommitAsync(Batch batch, std::function<void(absl::Status)> done) override {
    {
      std::lock_guard lock(mutex_);
      waiting_.push_back({std::move(batch), std::move(done), absl::OkStatus()});
      if (waiting_.size() > 1) return;  // the writer was already told
    }
    wake_.notify_one();
  }

  absl::StatusOr<std::optional<std::string>> Get(Table table, absl::string_view key) override {
    Connection& connection = reader();
    std::lock_guard lock(connection.mutex());
    return connection.Get(table, key);
  }

  absl::StatusOr<std::vector<Row>> Scan(Table table, absl::string_view prefix,
                                        absl::string_view after, size_t limit) override {
    Connection& connection = reader();
    std::lock_guard lock(connection.mutex());
    return connection.Scan(table, prefix, after, limit);
  }

 private:
  struct Pending {
    Batch batch;
    std::function<void(absl::Status)> done;
    absl::Status result;
  };

  // A database in memory has one connection only.
  Connection& reader() { return reader_ ? *reader_ : *writer_; }

  void WriteLoop() {
    std::vector<Pending> group;
    while (true) {
      {
        std::unique_lock lock(mutex_);
        wake_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
        if (waiting_.empty()) return;  // stopping, and nothing is left
        group.clear();
        group.swap(waiting_);
      }
      for (size_t begin = 0; begin < group.size(); begin += kMaxGroup) {
        const std::span<Pending> part =
            std::span(group).subspan(begin, std::min(kMaxGroup, group.size() - begin));
        CommitGroup(part);
        for (Pending& pending : part) {
          pending.done(std::move(pending.result));
          pending = {};
        }
      }
    }
  }

  // When the disk refuses the whole, each batch is tried by itself: one that is too big must not
  // take the others with it.
  void CommitGroup(std::span<Pending> group) {
    std::lock_guard lock(writer_->mutex());
    if (CommitTogether(group).ok()) return;
    for (Pending& pending : group) {
      pending.result = absl::OkStatus();
      if (absl::Status status = CommitTogether({&pending, 1}); !status.ok())
        pending.result = status;
    }
  }

  // Not ok: the database refused and nothing at all was written.
  absl::Status CommitTogether(std::span<Pending> group) {
    absl::Status status = writer_->Execute("BEGIN IMMEDIATE");
    if (!status.ok()) return status;
    for (Pending& pending : group) {
      pending.result = writer_->Apply(pending.batch);
      if (!pending.result.ok() && !absl::IsAborted(pending.result)) {
        status = pending.result;
        break;
      }
    }
    if (status.ok()) status = writer_->Execute("COMMIT");
    // SQLite may have rolled back by itself; then this one says so, and that is all right.
    if (!status.ok()) (void)writer_->Execute("ROLLBACK");
    return status;
  }

  const std::unique_ptr<Connection> writer_;
  const std::unique_ptr<Connection> reader_;  // null: in memory
  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<Pending> waiting_;  // guarded by mutex_
  bool stopping_ = false;         // guarded by mutex_
  std::thread thread_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Store>> OpenSqliteStore(const std::string& path,
                                                       const SqliteOptions& options) {
  KM_ASSIGN_OR_RETURN(auto writer, Connection::Open(path, options));
  std::unique_ptr<Connection> reader;
  if (path != ":memory:") {
    KM_ASSIGN_OR_RETURN(reader, Connection::Open(path, {}));
  }
  return std::unique_ptr<Store>(
      std::make_unique<SqliteStore>(std::move(writer), std::move(reader)));
}

absl::StatusOr<std::unique_ptr<Store>> OpenSqliteStore(const std::string& path) {
  return OpenSqliteStore(path, SqliteOptions{});
}

}  // namespace keymedic::controller
