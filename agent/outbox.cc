// SPDX-License-Identifier: Apache-2.0
#include "agent/outbox.h"

#include <functional>
#include <map>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace keymedic::agent {
namespace {

constexpr char kSchema[] = R"(
CREATE TABLE IF NOT EXISTS events (
  id        INTEGER PRIMARY KEY AUTOINCREMENT,
  channel   TEXT NOT NULL,
  record_id INTEGER NOT NULL,
  record    BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS bookmarks (
  channel   TEXT PRIMARY KEY,
  record_id INTEGER NOT NULL
) WITHOUT ROWID;
DROP TABLE IF EXISTS notices;  -- of earlier versions: what a former process had to say is over
CREATE TABLE IF NOT EXISTS counters (
  name  TEXT PRIMARY KEY,
  value INTEGER NOT NULL
) WITHOUT ROWID;
INSERT OR IGNORE INTO counters VALUES ('dropped', 0), ('bytes', 0);
)";

absl::Status InTransaction(Database& database, const std::function<absl::Status()>& work) {
  KM_RETURN_IF_ERROR(database.Execute("BEGIN IMMEDIATE"));
  absl::Status status = work();
  if (status.ok()) status = database.Execute("COMMIT");
  // A full disk has already rolled it back; then this one says so, which no one needs to hear.
  if (!status.ok()) database.Execute("ROLLBACK").IgnoreError();
  return status;
}

absl::StatusOr<int64_t> One(Database& database, absl::string_view sql) {
  KM_ASSIGN_OR_RETURN(Statement select, database.Prepare(sql));
  KM_ASSIGN_OR_RETURN(const bool row, select.Step());
  return row ? select.Int(0) : 0;
}

absl::Status Run(Database& database, absl::string_view sql, int64_t value) {
  KM_ASSIGN_OR_RETURN(Statement statement, database.Prepare(sql));
  statement.Bind(1, value);
  return statement.Run();
}

}  // namespace

absl::StatusOr<Outbox> Outbox::Open(Database& database, uint64_t max_bytes) {
  KM_RETURN_IF_ERROR(database.Execute(kSchema));
  return Outbox(database, max_bytes);
}

absl::Status Outbox::Add(const google::protobuf::RepeatedPtrField<v1::EventRecord>& events,
                         const google::protobuf::RepeatedPtrField<v1::EventBookmark>& bookmarks) {
  if (events.empty() && bookmarks.empty()) return absl::OkStatus();
  return InTransaction(*database_, [&]() -> absl::Status {
    KM_RETURN_IF_ERROR(InsertEvents(events));
    for (const auto& bookmark : bookmarks) KM_RETURN_IF_ERROR(StoreBookmark(bookmark));
    return DropOldest();
  });
}

absl::Status Outbox::InsertEvents(
    const google::protobuf::RepeatedPtrField<v1::EventRecord>& events) {
  if (events.empty()) return absl::OkStatus();
  KM_ASSIGN_OR_RETURN(
      Statement insert,
      database_->Prepare("INSERT INTO events (channel, record_id, record) VALUES (?, ?, ?)"));
  int64_t added = 0;
  for (const auto& event : events) {
    const std::string bytes = event.SerializeAsString();
    insert.Bind(1, event.channel());
    insert.Bind(2, static_cast<int64_t>(event.record_id()));
    insert.Bind(3, bytes);
    KM_RETURN_IF_ERROR(insert.Run());
    added += static_cast<int64_t>(bytes.size());
  }
  return Run(*database_, "UPDATE counters SET value = value + ? WHERE name = 'bytes'", added);
}

absl::Status Outbox::StoreBookmark(const v1::EventBookmark& bookmark) {
  KM_ASSIGN_OR_RETURN(Statement upsert,
                      database_->Prepare("INSERT INTO bookmarks VALUES (?, ?) ON CONFLICT "
                                         "(channel) DO UPDATE SET record_id = excluded.record_id "
                                         "WHERE record_id <> excluded.record_id"));
  upsert.Bind(1, bookmark.channel());
  upsert.Bind(2, static_cast<int64_t>(bookmark.record_id()));
  return upsert.Run();
}

absl::Status Outbox::DropOldest() {
  KM_ASSIGN_OR_RETURN(const uint64_t held, bytes());
  if (held <= max_bytes_) return absl::OkStatus();
  const uint64_t excess = held - max_bytes_;
  KM_ASSIGN_OR_RETURN(Statement select,
                      database_->Prepare("SELECT id, length(record) FROM events ORDER BY id"));
  uint64_t freed = 0;
  int64_t last = 0;
  while (freed < excess) {
    KM_ASSIGN_OR_RETURN(const bool row, select.Step());
    if (!row) break;
    last = select.Int(0);
    freed += static_cast<uint64_t>(select.Int(1));
  }
  select.Reset();
  KM_RETURN_IF_ERROR(DeleteUpTo(last));
  return Run(*database_, "UPDATE counters SET value = value + ? WHERE name = 'dropped'",
             database_->changes());
}

absl::Status Outbox::DeleteUpTo(int64_t last_id) {
  KM_RETURN_IF_ERROR(Run(*database_,
                         "UPDATE counters SET value = value - (SELECT coalesce(sum(length(record)"
                         "), 0) FROM events WHERE id <= ?) WHERE name = 'bytes'",
                         last_id));
  return Run(*database_, "DELETE FROM events WHERE id <= ?", last_id);
}

absl::StatusOr<std::vector<v1::EventBookmark>> Outbox::Bookmarks() {
  KM_ASSIGN_OR_RETURN(Statement select,
                      database_->Prepare("SELECT channel, record_id FROM bookmarks"));
  std::vector<v1::EventBookmark> bookmarks;
  while (true) {
    KM_ASSIGN_OR_RETURN(const bool row, select.Step());
    if (!row) return bookmarks;
    v1::EventBookmark& bookmark = bookmarks.emplace_back();
    bookmark.set_channel(std::string(select.Text(0)));
    bookmark.set_record_id(static_cast<uint64_t>(select.Int(1)));
  }
}

absl::StatusOr<Outbox::Events> Outbox::EventsAfter(int64_t id, int max_count, uint64_t max_bytes) {
  KM_ASSIGN_OR_RETURN(
      Statement select,
      database_->Prepare("SELECT id, record FROM events WHERE id > ? ORDER BY id LIMIT ?"));
  select.Bind(1, id);
  select.Bind(2, int64_t{max_count});
  Events events{id, {}};
  uint64_t size = 0;
  while (size < max_bytes) {
    KM_ASSIGN_OR_RETURN(const bool row, select.Step());
    if (!row) break;
    const auto bytes = select.Text(1);
    if (!events.records.emplace_back().ParseFromArray(bytes.data(),
                                                      static_cast<int>(bytes.size()))) {
      return absl::DataLossError(absl::StrCat(database_->path(), ": event ", select.Int(0),
                                              " cannot be read; move the file away and restart"));
    }
    events.last_id = select.Int(0);
    size += bytes.size();
  }
  return events;
}

absl::Status Outbox::AcknowledgeEvents(int64_t last_id) {
  return InTransaction(*database_, [&]() -> absl::Status { return DeleteUpTo(last_id); });
}

absl::Status Outbox::Reconcile(
    const google::protobuf::RepeatedPtrField<v1::EventBookmark>& stored) {
  std::map<std::string, uint64_t> theirs;
  for (const auto& bookmark : stored) theirs[bookmark.channel()] = bookmark.record_id();
  KM_ASSIGN_OR_RETURN(const auto ours, Bookmarks());
  return InTransaction(*database_, [&]() -> absl::Status {
    for (const auto& [channel, record_id] : theirs) {
      KM_ASSIGN_OR_RETURN(
          Statement known,
          database_->Prepare("DELETE FROM events WHERE channel = ? AND record_id <= ?"));
      known.Bind(1, channel);
      known.Bind(2, static_cast<int64_t>(record_id));
      KM_RETURN_IF_ERROR(known.Run());
    }
    for (const auto& own : ours) {
      if (own.record_id() <= theirs[own.channel()]) continue;
      KM_ASSIGN_OR_RETURN(const bool held, Holds(own.channel()));
      if (held) continue;
      v1::EventBookmark back = own;
      back.set_record_id(theirs[own.channel()]);
      KM_RETURN_IF_ERROR(StoreBookmark(back));
    }
    return database_->Execute(
        "UPDATE counters SET value = (SELECT coalesce(sum(length(record)), 0) FROM events) "
        "WHERE name = 'bytes'");
  });
}

absl::StatusOr<bool> Outbox::Holds(const std::string& channel) {
  KM_ASSIGN_OR_RETURN(Statement select,
                      database_->Prepare("SELECT 1 FROM events WHERE channel = ? LIMIT 1"));
  select.Bind(1, channel);
  return select.Step();
}

absl::StatusOr<uint64_t> Outbox::Dropped() {
  KM_ASSIGN_OR_RETURN(const int64_t value,
                      One(*database_, "SELECT value FROM counters WHERE name = 'dropped'"));
  return static_cast<uint64_t>(value);
}

absl::Status Outbox::ReportedDropped(uint64_t count) {
  return Run(*database_, "UPDATE counters SET value = max(0, value - ?) WHERE name = 'dropped'",
             static_cast<int64_t>(count));
}

absl::StatusOr<uint64_t> Outbox::bytes() {
  KM_ASSIGN_OR_RETURN(const int64_t value,
                      One(*database_, "SELECT value FROM counters WHERE name = 'bytes'"));
  return static_cast<uint64_t>(value);
}

}  // namespace keymedic::agent
