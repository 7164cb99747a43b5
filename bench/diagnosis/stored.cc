// SPDX-License-Identifier: Apache-2.0
#include "bench/diagnosis/stored.h"

#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace keymedic::bench {
namespace {

constexpr size_t kChunk = 2000;

std::vector<size_t> InOrderOfIds(const World& world) {
  std::vector<std::string> ids(world.size());
  for (size_t i = 0; i < ids.size(); ++i) ids[i] = world.IdOf(i);
  std::vector<size_t> order(world.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return ids[a] < ids[b]; });
  return order;
}

}  // namespace

std::string RowKey(absl::string_view machine_id, absl::string_view section) {
  return absl::StrCat(machine_id, absl::string_view("\0", 1), section);
}

std::vector<controller::Row> RowsOf(const World& world, size_t machine) {
  std::vector<controller::Row> rows;
  const std::string id = world.IdOf(machine);
  for (const v1::Section& section : world.SectionsOf(machine))
    rows.push_back({RowKey(id, section.name()), section.SerializeAsString()});
  return rows;
}

StoredInMemory::StoredInMemory(const World& world) {
  for (const size_t machine : InOrderOfIds(world)) {
    machines_.push_back(RowsOf(world, machine));
    for (const controller::Row& row : machines_.back()) bytes_ += row.value.size();
  }
}

absl::Status StoredInMemory::ForEachMachine(TakeRows take) const {
  for (const std::vector<controller::Row>& rows : machines_) take(rows);
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<StoredInSqlite>> StoredInSqlite::Make(const World& world) {
  auto stored = std::unique_ptr<StoredInSqlite>(new StoredInSqlite);
  stored->directory_ = (std::filesystem::temp_directory_path() / "keymedic-bench-XXXXXX").string();
  if (mkdtemp(stored->directory_.data()) == nullptr)
    return absl::ErrnoToStatus(errno, "cannot make a temporary directory");
  KM_ASSIGN_OR_RETURN(stored->store_,
                      controller::OpenSqliteStore(stored->directory_ + "/estate.db"));
  controller::Batch batch;
  for (const size_t machine : InOrderOfIds(world)) {
    for (controller::Row& row : RowsOf(world, machine)) {
      batch.push_back({.table = controller::Table::kSections,
                       .key = std::move(row.key),
                       .value = std::move(row.value),
                       .expected = std::nullopt});
    }
    if (batch.size() < kChunk) continue;
    KM_RETURN_IF_ERROR(stored->store_->Commit(std::move(batch)));
    batch.clear();
  }
  KM_RETURN_IF_ERROR(stored->store_->Commit(std::move(batch)));
  sync();  // its pages on their way to the disk would be in the way of what is measured
  return stored;
}

StoredInSqlite::~StoredInSqlite() {
  store_.reset();
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

absl::Status StoredInSqlite::ForEachMachine(TakeRows take) const {
  std::string after;
  std::vector<controller::Row> machine;
  const auto id_of = [](const controller::Row& row) {
    return absl::string_view(row.key).substr(0, row.key.find('\0'));
  };
  while (true) {
    KM_ASSIGN_OR_RETURN(std::vector<controller::Row> rows,
                        store_->Scan(controller::Table::kSections, "", after, kChunk));
    for (controller::Row& row : rows) {
      if (!machine.empty() && id_of(machine.back()) != id_of(row)) {
        take(machine);
        machine.clear();
      }
      after = row.key;
      machine.push_back(std::move(row));
    }
    if (rows.size() < kChunk) break;
  }
  if (!machine.empty()) take(machine);
  return absl::OkStatus();
}

}  // namespace keymedic::bench
