// SPDX-License-Identifier: Apache-2.0
//
// The state of an estate as a controller stores it: a row for each section, in the order of their
// keys. In memory, or in an SQLite database of its own in a directory of its own, which goes with
// it.
#ifndef KEYMEDIC_BENCH_DIAGNOSIS_STORED_H_
#define KEYMEDIC_BENCH_DIAGNOSIS_STORED_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "bench/diagnosis/world.h"
#include "controller/store/store.h"

namespace keymedic::bench {

std::string RowKey(absl::string_view machine_id, absl::string_view section);

std::vector<controller::Row> RowsOf(const World& world, size_t machine);

// Calls `take` with each machine's rows.
using TakeRows = absl::FunctionRef<void(const std::vector<controller::Row>& rows)>;

class StoredInMemory {
 public:
  explicit StoredInMemory(const World& world);
  absl::Status ForEachMachine(TakeRows take) const;
  size_t bytes() const { return bytes_; }

 private:
  std::vector<std::vector<controller::Row>> machines_;
  size_t bytes_ = 0;
};

class StoredInSqlite {
 public:
  static absl::StatusOr<std::unique_ptr<StoredInSqlite>> Make(const World& world);
  ~StoredInSqlite();
  absl::Status ForEachMachine(TakeRows take) const;
  controller::Store& store() { return *store_; }

 private:
  StoredInSqlite() = default;

  std::string directory_;
  std::unique_ptr<controller::Store> store_;
};

}  // namespace keymedic::bench

#endif  // KEYMEDIC_BENCH_DIAGNOSIS_STORED_H_
