// SPDX-License-Identifier: Apache-2.0
//
// The SQLite engine of store.h. One thread writes: it takes every batch that waits and commits them
// in one transaction, so that a hundred callers share one flush to the disk. Reads go over a
// connection of their own and see what is committed. A database made by a newer KeyMedic is
// refused.
#ifndef KEYMEDIC_CONTROLLER_STORE_SQLITE_STORE_H_
#define KEYMEDIC_CONTROLLER_STORE_SQLITE_STORE_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "controller/store/store.h"

namespace keymedic::controller {

struct SqliteOptions {
  int64_t max_pages =
      0;  // the file grows to this many pages of 4 KiB at most; 0: to the disk's end
};

absl::StatusOr<std::unique_ptr<Store>> OpenSqliteStore(const std::string& path,
                                                       const SqliteOptions& options);

}  // namespace keymedic::controller

#endif  // KEYMEDIC_CONTROLLER_STORE_SQLITE_STORE_H_
