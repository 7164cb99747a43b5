// SPDX-License-Identifier: Apache-2.0
//
// Whole files. Errors name the path, what the system said, and what to do. Paths are UTF-8, of any
// length.
//
// Windows has no modes. Where a mode gives nothing to group and others, a file or folder is for
// SYSTEM, the administrators and its maker alone, and so is what is made in the folder; with any
// other mode it has the access that the folder above gives.
#ifndef KEYMEDIC_BASE_FILES_H_
#define KEYMEDIC_BASE_FILES_H_

#include <cstdint>
#include <filesystem>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace keymedic {

// For std::filesystem, which on Windows takes a std::string for something else than UTF-8 (but
// gives UTF-8), and needs help beyond 260 characters.
std::filesystem::path NativePath(absl::string_view utf8);

// kNotFound, kPermissionDenied, kResourceExhausted when longer than `max_bytes`.
absl::StatusOr<std::string> ReadFile(const std::string& path, uint64_t max_bytes = 1ull << 30);
// Written beside and renamed over, durable before it returns: readers see the old or the new file.
absl::Status WriteFileAtomically(const std::string& path, absl::string_view content,
                                 int mode = 0600);
// An empty file, for whoever made it, also if two try at once. kAlreadyExists if there is one.
absl::Status CreateNewFile(const std::string& path);
// With parents, each with `mode` where it is made.
absl::Status MakeDirectories(const std::string& path, int mode = 0700);

}  // namespace keymedic

#endif  // KEYMEDIC_BASE_FILES_H_
