// SPDX-License-Identifier: Apache-2.0
#include "controller/store/sqlite_store.h"

#include <gmock/gmock.h>

#include "base/sqlite.h"
#include "controller/store/store_conformance.h"

namespace keymedic::controller {
namespace {

std::string FreshPath() {
  std::string directory = testing::TempDir() + "store_XXXXXX";
  EXPECT_NE(mkdtemp(directory.data()), nullptr);
  return directory + "/controller.db";
}

std::unique_ptr<Store> OpenOrDie(const std::string& path, SqliteOptions options = {}) {
  auto store = OpenSqliteStore(path, options);
  EXPECT_TRUE(store.ok()) << store.status();
  return *std::move(store);
}

INSTANTIATE_TEST_SUITE_P(SqliteFile, StoreConformance,
                         testing::Values(StoreMaker{[] { return OpenOrDie(FreshPath()); }}));
INSTANTIATE_TEST_SUITE_P(SqliteMemory, StoreConformance,
                         testing::Values(StoreMaker{[] { return OpenOrDie(":memory:"); }}));

TEST(SqliteStoreTest, KeepsEverythingAcrossReopening) {
  const std::string path = FreshPath();
  auto store = OpenOrDie(path);
  ASSERT_TRUE(store->Commit({{.table = Table::kPolicy, .key = "policy", .value = "p"}}).ok());
  store.reset();
  store = OpenOrDie(path);
  EXPECT_EQ(*store->Get(Table::kPolicy, "policy"), "p");
}

TEST(SqliteStoreTest, FinishesWhatWaitsBeforeItCloses) {
  const std::string path = FreshPath();
  auto store = OpenOrDie(path);
  int done = 0;
  for (int i = 0; i < 100; ++i) {
    store->CommitAsync({{.table = Table::kEvents, .key = absl::StrCat(i), .value = "e"}},
                       [&](absl::Status status) { done += status.ok(); });
  }
  store.reset();
  EXPECT_EQ(done, 100);
}

TEST(SqliteStoreTest, TakesADatabaseOfAnOlderVersionAlong) {
  const std::string path = FreshPath();
  ASSERT_TRUE(
      OpenOrDie(path)->Commit({{.table = Table::kEvents, .key = "old", .value = "kept"}}).ok());
  ASSERT_TRUE(Database::Open(path)
                  ->Execute("DROP TABLE tried; DROP TABLE secrets; UPDATE schema SET version = 1")
                  .ok());
  for (int opened = 0; opened < 2; ++opened) {
    auto store = OpenOrDie(path);
    ASSERT_TRUE(store
                    ->Commit({{.table = Table::kTried, .key = "new", .value = "x"},
                              {.table = Table::kSecrets, .key = "new", .value = "x"}})
                    .ok());
    EXPECT_EQ(*store->Get(Table::kEvents, "old"), "kept");
  }
}

TEST(SqliteStoreTest, RefusesADatabaseOfANewerVersion) {
  const std::string path = FreshPath();
  OpenOrDie(path).reset();
  auto database = Database::Open(path);
  ASSERT_TRUE(database->Execute("UPDATE schema SET version = 99").ok());
  auto store = OpenSqliteStore(path);
  EXPECT_EQ(store.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(store.status().message()), testing::HasSubstr("99"));
  EXPECT_THAT(std::string(store.status().message()), testing::HasSubstr(path));
}

TEST(SqliteStoreTest, AFullDiskRefusesTheBatchAndWritesNothingOfIt) {
  const std::string path = FreshPath();
  auto store = OpenOrDie(path, {.max_pages = 64});
  ASSERT_TRUE(store->Commit({{.table = Table::kEvents, .key = "small", .value = "kept"}}).ok());
  absl::Status status =
      store->Commit({{.table = Table::kEvents, .key = "first", .value = "x"},
                     {.table = Table::kEvents, .key = "big", .value = std::string(1 << 20, 'x')}});
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
  EXPECT_EQ(*store->Get(Table::kEvents, "first"), std::nullopt);
  EXPECT_EQ(*store->Get(Table::kEvents, "small"), "kept");
  EXPECT_TRUE(store->Commit({{.table = Table::kEvents, .key = "next", .value = "fits"}}).ok())
      << "what fits is still taken";
}

TEST(SqliteStoreTest, ABatchThatDoesNotFitLeavesItsGroupAlone) {
  auto store = OpenOrDie(FreshPath(), {.max_pages = 64});
  std::vector<absl::StatusCode> codes(3);
  for (int i = 0; i < 3; ++i) {
    store->CommitAsync({{.table = Table::kEvents,
                         .key = absl::StrCat(i),
                         .value = std::string(i == 1 ? 1 << 20 : 10, 'x')}},
                       [&codes, i](absl::Status status) { codes[i] = status.code(); });
  }
  ASSERT_TRUE(store->Commit({}).ok());
  EXPECT_THAT(codes,
              testing::ElementsAre(absl::StatusCode::kOk, absl::StatusCode::kResourceExhausted,
                                   absl::StatusCode::kOk));
}

}  // namespace
}  // namespace keymedic::controller
