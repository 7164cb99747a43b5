// SPDX-License-Identifier: Apache-2.0
//
// Archives as bytes: what people pack captures into is read (zip, tar, 7z, cab; gzip, bzip2, xz and
// zstd, also of one file alone), and zip is written. Recognised by content, never by name.
//
// Archives come from strangers, so all that they unfold to is counted against one budget. Pure but
// for the memory it takes; one thread. Errors name what was exceeded and what to do.
#ifndef KEYMEDIC_CLI_ARCHIVE_H_
#define KEYMEDIC_CLI_ARCHIVE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace keymedic::cli {

// What may still be unfolded, of all archives of one run together.
struct ArchiveBudget {
  uint64_t entries = 20'000;
  uint64_t bytes = 2ull << 30;
  uint64_t entry_bytes = 512ull << 20;
  // Text and event logs shrink to a hundredth at best; what unfolds to much more is made to harm.
  uint64_t ratio = 300;
  uint64_t ratio_from = 32ull << 20;  // what is smaller harms nobody
};

struct ArchiveEntry {
  std::string name;  // as in the archive; empty: the archive is one compressed file
  std::string content;
};

bool IsArchive(absl::string_view bytes);

// Calls `take` for each regular file that `wanted` names, in the archive's order.
// kResourceExhausted when the budget is used up, kInvalidArgument when the archive is damaged or
// encrypted: what came before has been handed out.
absl::Status ReadArchive(absl::string_view bytes, ArchiveBudget& budget,
                         absl::FunctionRef<bool(absl::string_view name)> wanted,
                         absl::FunctionRef<void(ArchiveEntry)> take);

// As a zip archive whose files are dated `now`.
absl::StatusOr<std::string> WriteZip(const std::vector<ArchiveEntry>& entries, absl::Time now);

}  // namespace keymedic::cli

#endif  // KEYMEDIC_CLI_ARCHIVE_H_
