// SPDX-License-Identifier: Apache-2.0
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/files.h"
#include "base/rights.h"
#include "base/status_macros.h"

namespace keymedic {
namespace {

absl::Status CheckOwner(const std::string& path, uid_t owner) {
  if (owner == 0 || owner == geteuid()) return absl::OkStatus();
  return absl::PermissionDeniedError(absl::StrFormat(
      "%s: belongs to user %d, who is neither root nor the agent's user; run: chown root %s", path,
      owner, path));
}

// Its owner is trusted, and it is what it should be.
absl::StatusOr<mode_t> ModeOf(const std::string& path, bool folder) {
  struct stat info;
  if (stat(path.c_str(), &info) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat(path, ": cannot be examined"));
  }
  if (folder ? !S_ISDIR(info.st_mode) : !S_ISREG(info.st_mode)) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, ": is no ", folder ? "folder" : "regular file"));
  }
  KM_RETURN_IF_ERROR(CheckOwner(path, info.st_uid));
  return info.st_mode & 07777;
}

}  // namespace

absl::Status CheckWritableByTrustedOnly(const std::string& path, bool folder) {
  KM_ASSIGN_OR_RETURN(const mode_t mode, ModeOf(path, folder));
  if ((mode & (S_IWGRP | S_IWOTH)) == 0) return absl::OkStatus();
  return absl::PermissionDeniedError(
      absl::StrFormat("%s: may be written by others than its owner (mode %04o); run: chmod go-w %s",
                      path, mode, path));
}

absl::Status CheckReadableByTrustedOnly(const std::string& path) {
  KM_ASSIGN_OR_RETURN(const mode_t mode, ModeOf(path, /*folder=*/false));
  if ((mode & (S_IRWXG | S_IRWXO)) == 0) return absl::OkStatus();
  return absl::PermissionDeniedError(absl::StrFormat(
      "%s: holds a secret and may be read by others than its owner (mode %04o); run: chmod 600 %s",
      path, mode, path));
}

absl::Status ProtectDirectory(const std::string& path) {
  KM_RETURN_IF_ERROR(MakeDirectories(path, 0700));
  struct stat info;
  if (stat(path.c_str(), &info) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat(path, ": cannot be examined"));
  }
  KM_RETURN_IF_ERROR(CheckOwner(path, info.st_uid));
  if ((info.st_mode & 077) != 0 && chmod(path.c_str(), 0700) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat(path, ": cannot be closed to others"));
  }
  std::error_code error;
  for (std::filesystem::directory_iterator it(path, error), end; !error && it != end;
       it.increment(error)) {
    if (lstat(it->path().c_str(), &info) != 0) continue;  // it has gone meanwhile
    KM_RETURN_IF_ERROR(CheckOwner(it->path().string(), info.st_uid));
  }
  if (error) return absl::UnavailableError(absl::StrCat(path, ": ", error.message()));
  return absl::OkStatus();
}

}  // namespace keymedic
