// SPDX-License-Identifier: Apache-2.0
#include "base/sqlite.h"

#include <sqlite3.h>
#include <sys/stat.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/files.h"
#include "base/status_macros.h"

namespace keymedic {
namespace {

absl::Status SqliteError(sqlite3* database, absl::string_view what) {
  const char* file = sqlite3_db_filename(database, "main");
  const std::string name = file != nullptr && *file != '\0' ? file : "(in memory)";
  const std::string text =
      absl::StrCat("database ", name, ": ", what, ": ", sqlite3_errmsg(database));
  switch (sqlite3_errcode(database) & 0xff) {
    case SQLITE_FULL:
      return absl::ResourceExhaustedError(absl::StrCat(text, "; make room on its disk"));
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return absl::UnavailableError(absl::StrCat(text, "; another process holds it"));
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM:
      return absl::UnavailableError(absl::StrCat(text, "; check the disk and who may write there"));
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return absl::DataLossError(absl::StrCat(text, "; restore it from a backup"));
    default:
      return absl::InternalError(text);
  }
}

}  // namespace

Statement::Statement(Statement&& other) noexcept
    : statement_(std::exchange(other.statement_, nullptr)), database_(other.database_) {}

Statement& Statement::operator=(Statement&& other) noexcept {
  std::swap(statement_, other.statement_);
  std::swap(database_, other.database_);
  return *this;
}

Statement::~Statement() { sqlite3_finalize(statement_); }

void Statement::Bind(int index, absl::string_view blob) {
  // A null pointer would bind NULL; an empty text is not NULL.
  sqlite3_bind_blob64(statement_, index, blob.data() == nullptr ? "" : blob.data(), blob.size(),
                      SQLITE_STATIC);
}

void Statement::Bind(int index, int64_t value) { sqlite3_bind_int64(statement_, index, value); }

absl::StatusOr<bool> Statement::Step() {
  switch (sqlite3_step(statement_)) {
    case SQLITE_ROW:
      return true;
    case SQLITE_DONE:
      return false;
    default: {
      absl::Status status = SqliteError(database_, sqlite3_sql(statement_));
      sqlite3_reset(statement_);
      return status;
    }
  }
}

absl::Status Statement::Run() {
  while (true) {
    KM_ASSIGN_OR_RETURN(const bool row, Step());
    if (!row) break;
  }
  Reset();
  return absl::OkStatus();
}

void Statement::Reset() {
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
}

absl::string_view Statement::Text(int column) const {
  const void* data = sqlite3_column_blob(statement_, column);
  const int size = sqlite3_column_bytes(statement_, column);
  return data == nullptr
             ? absl::string_view()
             : absl::string_view(static_cast<const char*>(data), static_cast<size_t>(size));
}

int64_t Statement::Int(int column) const { return sqlite3_column_int64(statement_, column); }
bool Statement::IsNull(int column) const {
  return sqlite3_column_type(statement_, column) == SQLITE_NULL;
}

absl::StatusOr<Database> Database::Open(const std::string& path) {
  Database database(path);
  const mode_t old_mask = umask(0077);
  const int result =
      sqlite3_open_v2(NativePath(path).string().c_str(), &database.handle_,
                      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_FULLMUTEX, nullptr);
  umask(old_mask);
  if (result != SQLITE_OK) {
    if (database.handle_ == nullptr)
      return absl::ResourceExhaustedError(
          absl::StrCat("database ", path, ": no memory to open it"));
    return Annotate(SqliteError(database.handle_, "open"), path);
  }
  sqlite3_busy_timeout(database.handle_, 5000);
  KM_RETURN_IF_ERROR(
      database.Execute("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON"));
  return database;
}

Database::Database(Database&& other) noexcept
    : path_(std::move(other.path_)),
      handle_(std::exchange(other.handle_, nullptr)),
      before_commit_(std::move(other.before_commit_)) {}

Database& Database::operator=(Database&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(handle_, other.handle_);
  std::swap(before_commit_, other.before_commit_);
  return *this;
}

Database::~Database() { sqlite3_close_v2(handle_); }

absl::Status Database::Execute(const std::string& sql) {
  if (sqlite3_exec(handle_, sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK)
    return absl::OkStatus();
  return SqliteError(handle_, sql);
}

absl::StatusOr<Statement> Database::Prepare(absl::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v3(handle_, sql.data(), static_cast<int>(sql.size()),
                         SQLITE_PREPARE_PERSISTENT, &statement, nullptr) != SQLITE_OK) {
    return SqliteError(handle_, sql);
  }
  return Statement(statement, handle_);
}

void Database::BeforeCommit(std::function<bool()> allowed) {
  before_commit_ = std::make_unique<std::function<bool()>>(std::move(allowed));
  sqlite3_commit_hook(
      handle_, [](void* ask) { return (*static_cast<std::function<bool()>*>(ask))() ? 0 : 1; },
      before_commit_.get());
}

int64_t Database::changes() const { return sqlite3_changes64(handle_); }

}  // namespace keymedic
