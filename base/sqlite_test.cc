// SPDX-License-Identifier: Apache-2.0
#include "base/sqlite.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "base/files.h"
#include "base/temp_dir_testing.h"

namespace keymedic {
namespace {

class SqliteTest : public ::testing::Test {
 protected:
  SqliteTest() : dir_(MakeTempDir("sqlite_test")) {}
  ~SqliteTest() override { std::filesystem::remove_all(dir_); }
  std::string dir_;
};

TEST_F(SqliteTest, KeepsBytesAndNumbers) {
  auto db = Database::Open(":memory:");
  ASSERT_TRUE(db.ok()) << db.status();
  ASSERT_TRUE(db->Execute("CREATE TABLE t (k BLOB PRIMARY KEY, v BLOB, n INTEGER)").ok());
  const std::string blob("a\0b", 3);
  {
    Statement insert = *db->Prepare("INSERT INTO t VALUES (?, ?, ?)");
    insert.Bind(1, blob);
    insert.Bind(2, absl::string_view());
    insert.Bind(3, int64_t{-5});
    ASSERT_TRUE(insert.Run().ok());
    insert.Bind(1, "k2");
    ASSERT_TRUE(insert.Run().ok()) << "unbound parameters are NULL after a run";
  }
  Statement select = *db->Prepare("SELECT k, v, n FROM t ORDER BY n DESC");
  ASSERT_TRUE(*select.Step());
  EXPECT_EQ(select.Text(0), blob);
  EXPECT_FALSE(select.IsNull(1)) << "empty is not NULL";
  EXPECT_EQ(select.Int(2), -5);
  ASSERT_TRUE(*select.Step());
  EXPECT_TRUE(select.IsNull(1));
  EXPECT_FALSE(*select.Step());
}

#ifndef _WIN32  // there it is as private as its folder
TEST_F(SqliteTest, TheFileIsTheOwnersAlone) {
  const std::string path = dir_ + "/a.db";
  auto db = Database::Open(path);
  ASSERT_TRUE(db.ok()) << db.status();
  EXPECT_EQ(std::filesystem::status(path).permissions(),
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
}
#endif

TEST_F(SqliteTest, AFullDiskIsResourceExhaustedAndNamesTheFile) {
  const std::string path = dir_ + "/full.db";
  auto db = Database::Open(path);
  ASSERT_TRUE(db.ok());
  ASSERT_TRUE(db->Execute("CREATE TABLE t (v BLOB)").ok());
  ASSERT_TRUE(db->Execute("PRAGMA max_page_count = 4").ok());
  const absl::Status status = db->Execute("INSERT INTO t VALUES (zeroblob(1000000))");
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
  EXPECT_NE(status.message().find("full.db"), absl::string_view::npos);
}

TEST_F(SqliteTest, ADamagedFileIsDataLoss) {
  const std::string path = dir_ + "/bad.db";
  ASSERT_TRUE(WriteFileAtomically(path, std::string(8192, 'x')).ok());
  auto db = Database::Open(path);
  EXPECT_EQ(db.status().code(), absl::StatusCode::kDataLoss) << db.status();
}

TEST_F(SqliteTest, AFolderThatIsNotThereIsAClearError) {
  auto db = Database::Open(dir_ + "/none/a.db");
  EXPECT_EQ(db.status().code(), absl::StatusCode::kUnavailable) << db.status();
  EXPECT_NE(db.status().message().find("none/a.db"), absl::string_view::npos);
}

}  // namespace
}  // namespace keymedic
