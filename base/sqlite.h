// SPDX-License-Identifier: Apache-2.0
//
// SQLite as absl::Status. A Database and its statements belong to one thread at a time.
// Errors: kResourceExhausted (disk full), kUnavailable (locked, I/O), kDataLoss (damaged),
// kInternal; the message names the database file.
//
//   Statement insert = *db.Prepare("INSERT INTO t VALUES (?, ?)");
//   insert.Bind(1, key); insert.Bind(2, value);
//   KM_RETURN_IF_ERROR(insert.Run());          // to the end, then reset
//   while (*select.Step()) use(select.Text(0)); // then select.Reset()
#ifndef KEYMEDIC_BASE_SQLITE_H_
#define KEYMEDIC_BASE_SQLITE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

struct sqlite3;
struct sqlite3_stmt;

namespace keymedic {

class Statement {
 public:
  Statement(Statement&& other) noexcept;
  Statement& operator=(Statement&& other) noexcept;
  ~Statement();

  void Bind(int index, absl::string_view blob);  // 1 based; the bytes must outlive the next Reset
  void Bind(int index, int64_t value);
  absl::StatusOr<bool> Step();  // true: a row is there
  absl::Status Run();           // steps to the end and resets
  void Reset();

  absl::string_view Text(int column) const;  // valid until the next Step or Reset
  int64_t Int(int column) const;
  bool IsNull(int column) const;

 private:
  friend class Database;
  Statement(sqlite3_stmt* statement, sqlite3* database)
      : statement_(statement), database_(database) {}
  sqlite3_stmt* statement_ = nullptr;
  sqlite3* database_ = nullptr;
};

class Database {
 public:
  // Makes the file (mode 0600; on Windows as its folder says) if it is not there; WAL and
  // synchronous=FULL: what was committed survives a power cut. `path` may be ":memory:".
  static absl::StatusOr<Database> Open(const std::string& path);
  Database(Database&&) noexcept;
  Database& operator=(Database&&) noexcept;
  ~Database();

  absl::Status Execute(const std::string& sql);  // may hold several statements
  absl::StatusOr<Statement> Prepare(absl::string_view sql);
  const std::string& path() const { return path_; }
  int64_t changes() const;  // rows that the last statement changed
  // From now on each commit asks first; after a "no" nothing of it was written, and the statement
  // fails. For tests that end a process at one of its writes.
  void BeforeCommit(std::function<bool()> allowed);

 private:
  explicit Database(std::string path) : path_(std::move(path)) {}
  std::string path_;
  sqlite3* handle_ = nullptr;
  std::unique_ptr<std::function<bool()>> before_commit_;  // where SQLite finds it after a move
};

}  // namespace keymedic

#endif  // KEYMEDIC_BASE_SQLITE_H_
