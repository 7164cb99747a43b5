// SPDX-License-Identifier: Apache-2.0
#include "controller/trust/host_keys.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <functional>

#include "absl/strings/str_cat.h"
#include "base/files.h"
#include "base/temp_dir_testing.h"
#include "controller/store/sqlite_store.h"
#include "keymedic/rows/v1/rows.pb.h"

namespace keymedic::controller {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

constexpr char kText[] = "AAAAA-BBBBB-CCCCC-DDDDD-22222";
constexpr char kOtherText[] = "EEEEE-FFFFF-GGGGG-HHHHH-33333";
constexpr char kAnn[] = "spiffe://keymedic/operator/admin/ann";

class StoppedClock final : public Clock {
 public:
  absl::Time Now() const override { return absl::FromUnixSeconds(1'790'000'000); }
};

class HostKeysTest : public testing::Test {
 protected:
  HostKeysTest() : directory_(MakeTempDir("host_keys")) { Restart(); }
  ~HostKeysTest() override {
    keys_.reset();
    store_.reset();
    std::filesystem::remove_all(directory_);
  }

  void Restart() {
    keys_.reset();
    store_.reset();
    store_ = *OpenSqliteStore(directory_ + "/controller.db");
    keys_ = std::make_unique<HostKeys>(*store_, clock_, random_, DataKeyPath());
  }
  std::string DataKeyPath() const { return absl::StrCat(directory_, "/", HostKeys::kDataKeyFile); }
  void Set(const std::string& machine, const char* text = kText) {
    const auto set = keys_->Set(machine, *ProductKey::Parse(text), kAnn);
    EXPECT_TRUE(set.ok()) << set.status();
  }
  std::string Found(const std::string& machine) {
    const auto key = keys_->Find(machine);
    return key.ok() ? key->reveal() : std::string(key.status().message());
  }
  std::vector<std::string> Listed() {
    const auto listed = keys_->List({});
    EXPECT_TRUE(listed.ok()) << listed.status();
    std::vector<std::string> lines;
    for (const v1::HostKey& key : listed->host_keys()) {
      lines.push_back(absl::StrCat(key.machine_id(), " ", key.partial_key(), " ", key.set_by()));
    }
    return lines;
  }
  // What is stored for that machine, changed.
  void Tamper(const std::string& machine, std::function<void(rows::v1::HostKeyRow&)> change) {
    const std::string name = "host-keys/" + machine;
    rows::v1::HostKeyRow row;
    ASSERT_TRUE(row.ParseFromString(**store_->Get(Table::kSecrets, name)));
    change(row);
    ASSERT_TRUE(
        store_->Commit({{.table = Table::kSecrets, .key = name, .value = row.SerializeAsString()}})
            .ok());
  }

  const std::string directory_;
  StoppedClock clock_;
  SystemRandom random_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<HostKeys> keys_;
};

TEST_F(HostKeysTest, KeepsOneForEachMachineAcrossARestart) {
  Set("m1");
  Set("m2");
  Set("m2", kOtherText);  // replaced
  Restart();
  EXPECT_EQ(Found("m1"), kText);
  EXPECT_EQ(Found("m2"), kOtherText);
  EXPECT_THAT(Listed(),
              ElementsAre(absl::StrCat("m1 22222 ", kAnn), absl::StrCat("m2 33333 ", kAnn)));
  EXPECT_EQ(keys_->List({})->host_keys(0).set_at().seconds(), 1'790'000'000);
  const auto removed = keys_->Remove("m1");
  ASSERT_TRUE(removed.ok()) << removed.status();
  EXPECT_EQ(removed->partial_key(), "22222");
  EXPECT_TRUE(absl::IsNotFound(keys_->Find("m1").status()));
  EXPECT_THAT(Found("m1"), HasSubstr("keymedic host-keys set --host m1"));
  EXPECT_TRUE(absl::IsNotFound(keys_->Remove("m1").status()));
  EXPECT_EQ(Found("m2"), kOtherText);
}

TEST_F(HostKeysTest, ListsInPages) {
  for (int i = 0; i < 5; ++i) Set(absl::StrCat("m", i));
  v1::ListHostKeysRequest request;
  request.set_page_size(2);
  std::vector<std::string> machines;
  do {
    const auto page = keys_->List(request);
    ASSERT_TRUE(page.ok()) << page.status();
    EXPECT_LE(page->host_keys_size(), 2);
    for (const v1::HostKey& key : page->host_keys()) machines.push_back(key.machine_id());
    request.set_page_token(page->next_page_token());
  } while (!request.page_token().empty());
  EXPECT_THAT(machines, ElementsAre("m0", "m1", "m2", "m3", "m4"));
}

TEST_F(HostKeysTest, NothingOfItIsReadableOnTheDisk) {
  EXPECT_FALSE(std::filesystem::exists(DataKeyPath())) << "made when it is needed";
  Set("m1");
  Set("m2");
  EXPECT_EQ(std::filesystem::status(DataKeyPath()).permissions(),
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  store_.reset();
  for (const auto& file : std::filesystem::directory_iterator(directory_)) {
    const std::string bytes = *ReadFile(file.path().string());
    EXPECT_THAT(bytes, Not(HasSubstr(kText))) << file.path();
    EXPECT_THAT(bytes, Not(HasSubstr("DDDDD"))) << file.path();
  }
  Restart();
  rows::v1::HostKeyRow one, two;
  ASSERT_TRUE(one.ParseFromString(**store_->Get(Table::kSecrets, "host-keys/m1")));
  ASSERT_TRUE(two.ParseFromString(**store_->Get(Table::kSecrets, "host-keys/m2")));
  EXPECT_NE(one.sealed(), two.sealed()) << "the same key, stored twice, must not show as the same";
}

TEST_F(HostKeysTest, AChangedOrMovedRowIsNoKey) {
  Set("m1");
  Set("m2", kOtherText);
  std::string of_m2;
  Tamper("m2", [&](auto& row) { of_m2 = row.sealed(); });
  Tamper("m1", [&](auto& row) { row.set_sealed(of_m2); });
  EXPECT_TRUE(absl::IsDataLoss(keys_->Find("m1").status()));
  EXPECT_THAT(Found("m1"),
              AllOf(HasSubstr("host-keys/m1"), HasSubstr(DataKeyPath()),
                    HasSubstr("keymedic host-keys set --host m1"), Not(HasSubstr("HHHHH"))));
  Tamper("m2", [](auto& row) { row.mutable_sealed()->back() ^= 1; });
  EXPECT_TRUE(absl::IsDataLoss(keys_->Find("m2").status()));
  Tamper("m2", [](auto& row) { row.clear_sealed(); });
  EXPECT_TRUE(absl::IsDataLoss(keys_->Find("m2").status()));
  Set("m1");
  EXPECT_EQ(Found("m1"), kText) << "set again, as the error says";
}

TEST_F(HostKeysTest, ARowThatIsNoneCanBeRemoved) {
  ASSERT_TRUE(
      store_->Commit({{.table = Table::kSecrets, .key = "host-keys/m1", .value = "\xff\xff"}})
          .ok());
  EXPECT_TRUE(absl::IsDataLoss(keys_->Find("m1").status()));
  EXPECT_TRUE(absl::IsDataLoss(keys_->List({}).status()));
  EXPECT_TRUE(keys_->Remove("m1").ok());
  EXPECT_THAT(Listed(), ElementsAre());
}

TEST_F(HostKeysTest, AnotherDataKeyOpensNothing) {
  Set("m1");
  ASSERT_TRUE(WriteFileAtomically(DataKeyPath(), std::string(64, '0')).ok());
  EXPECT_TRUE(absl::IsDataLoss(keys_->Find("m1").status()));
  EXPECT_THAT(Found("m1"), AllOf(HasSubstr(DataKeyPath()), HasSubstr("one backup")));
  for (const std::string& damaged :
       {std::string(), std::string(63, '0'), std::string(64, 'x'), std::string(5000, '0')}) {
    ASSERT_TRUE(WriteFileAtomically(DataKeyPath(), damaged).ok());
    EXPECT_THAT(Found("m1"), HasSubstr(DataKeyPath())) << damaged;
    EXPECT_FALSE(keys_->Set("m2", *ProductKey::Parse(kText), kAnn).ok()) << damaged;
  }
}

TEST_F(HostKeysTest, ALostDataKeyIsNotQuietlyReplaced) {
  Set("m1");
  const std::string data_key = *ReadFile(DataKeyPath());
  std::filesystem::remove(DataKeyPath());
  EXPECT_TRUE(absl::IsFailedPrecondition(keys_->Find("m1").status()));
  EXPECT_THAT(Found("m1"), AllOf(HasSubstr(DataKeyPath()), HasSubstr("backup")));
  const auto set = keys_->Set("m2", *ProductKey::Parse(kText), kAnn);
  EXPECT_TRUE(absl::IsFailedPrecondition(set.status())) << set.status();
  EXPECT_EQ(Listed().size(), 1u) << "the list needs no data key";
  ASSERT_TRUE(WriteFileAtomically(DataKeyPath(), data_key).ok());
  EXPECT_EQ(Found("m1"), kText);
  std::filesystem::remove(DataKeyPath());
  EXPECT_TRUE(keys_->Remove("m1").ok());
  Set("m2");  // a new one: nothing needs the old
  EXPECT_EQ(Found("m2"), kText);
}

TEST_F(HostKeysTest, OnlyTheInstallingOfAHostKeyNeedsOne) {
  Set("m1");
  EXPECT_TRUE(keys_->SecretsFor("m2", "activate")->empty());
  EXPECT_THAT(*keys_->SecretsFor("m1", "ensure_host_key"),
              ElementsAre(std::pair<const std::string, std::string>("key", kText)));
  EXPECT_TRUE(absl::IsNotFound(keys_->SecretsFor("m2", "ensure_host_key").status()));
}

}  // namespace
}  // namespace keymedic::controller
