// SPDX-License-Identifier: Apache-2.0
#include <windows.h>

#include <algorithm>
#include <filesystem>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "base/files.h"
#include "base/status_macros.h"
#include "base/windows/handle.h"
#include "base/windows/private_access.h"
#include "base/windows/wide.h"

namespace keymedic {
namespace {

using windows::Handle;
using windows::WidePath;

absl::Status FileError(absl::string_view what, const std::string& path, DWORD error) {
  return windows::Win32Error(absl::StrCat(what, " ", path), error);
}

absl::Status WriteAll(HANDLE file, absl::string_view content, const std::string& path) {
  while (!content.empty()) {
    const DWORD size = static_cast<DWORD>(std::min<size_t>(content.size(), 1u << 30));
    DWORD written = 0;
    if (!WriteFile(file, content.data(), size, &written, nullptr)) {
      return FileError("cannot write", path, GetLastError());
    }
    content.remove_prefix(written);
  }
  if (!FlushFileBuffers(file)) return FileError("cannot make durable", path, GetLastError());
  return absl::OkStatus();
}

bool IsPrivate(int mode) { return (mode & 077) == 0; }

absl::Status MakeDirectory(const std::string& path, int mode) {
  windows::PrivateAccess access;
  if (!access.ok()) return FileError("cannot keep private", path, GetLastError());
  if (CreateDirectoryW(WidePath(path).c_str(), IsPrivate(mode) ? access.attributes() : nullptr))
    return absl::OkStatus();
  const DWORD error = GetLastError();
  const DWORD present = GetFileAttributesW(WidePath(path).c_str());
  if (present == INVALID_FILE_ATTRIBUTES) {
    return FileError("cannot make directory", path, error);
  }
  if ((present & FILE_ATTRIBUTE_DIRECTORY) == 0) {
    return absl::FailedPreconditionError(absl::StrCat(path, " exists and is not a directory"));
  }
  return absl::OkStatus();
}

}  // namespace

std::filesystem::path NativePath(absl::string_view utf8) { return WidePath(utf8); }

absl::StatusOr<std::string> ReadFile(const std::string& path, uint64_t max_bytes) {
  const DWORD present = GetFileAttributesW(WidePath(path).c_str());
  if (present != INVALID_FILE_ATTRIBUTES && (present & FILE_ATTRIBUTE_DIRECTORY) != 0) {
    return absl::FailedPreconditionError(absl::StrCat("cannot read ", path, ": it is a directory"));
  }
  // Others may write, rename and remove it meanwhile, as is usual elsewhere.
  const HANDLE file = CreateFileW(WidePath(path).c_str(), GENERIC_READ,
                                  FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, nullptr,
                                  OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, nullptr);
  if (file == INVALID_HANDLE_VALUE) return FileError("cannot open", path, GetLastError());
  const absl::Cleanup close = [file] { CloseHandle(file); };
  std::string out;
  char buffer[64 * 1024];
  while (true) {
    DWORD got = 0;
    if (!::ReadFile(file, buffer, sizeof(buffer), &got, nullptr)) {
      return FileError("cannot read", path, GetLastError());
    }
    if (got == 0) return out;
    if (out.size() + got > max_bytes) {
      return absl::ResourceExhaustedError(
          absl::StrCat(path, " is longer than the ", max_bytes, " bytes that are read at most"));
    }
    out.append(buffer, got);
  }
}

absl::Status CreateNewFile(const std::string& path) {
  const Handle file(CreateFileW(WidePath(path).c_str(), GENERIC_WRITE, 0, nullptr, CREATE_NEW,
                                FILE_ATTRIBUTE_NORMAL, nullptr));
  return file ? absl::OkStatus() : FileError("cannot create", path, GetLastError());
}

namespace {

// Virus scanners and backup programs open what is new, and let go of it soon.
bool MoveOver(const std::wstring& from, const std::wstring& to) {
  constexpr int kTries = 20;
  constexpr DWORD kPauseMs = 50;
  for (int tries = 1;; ++tries) {
    if (MoveFileExW(from.c_str(), to.c_str(), MOVEFILE_REPLACE_EXISTING | MOVEFILE_WRITE_THROUGH)) {
      return true;
    }
    const DWORD error = GetLastError();
    const bool may_pass = error == ERROR_ACCESS_DENIED || error == ERROR_SHARING_VIOLATION ||
                          error == ERROR_LOCK_VIOLATION;
    if (!may_pass || tries == kTries) {
      SetLastError(error);
      return false;
    }
    Sleep(kPauseMs);
  }
}

}  // namespace

absl::Status WriteFileAtomically(const std::string& path, absl::string_view content, int mode) {
  const std::string temporary = absl::StrCat(path, ".tmp.", GetCurrentProcessId());
  // One that is left of an earlier try would keep the access that it was made with.
  DeleteFileW(WidePath(temporary).c_str());
  windows::PrivateAccess access;
  if (!access.ok()) return FileError("cannot keep private", path, GetLastError());
  const HANDLE file = CreateFileW(WidePath(temporary).c_str(), GENERIC_WRITE, 0,
                                  IsPrivate(mode) ? access.attributes() : nullptr, CREATE_NEW,
                                  FILE_ATTRIBUTE_NORMAL, nullptr);
  if (file == INVALID_HANDLE_VALUE) return FileError("cannot create", temporary, GetLastError());
  absl::Status status = WriteAll(file, content, temporary);
  CloseHandle(file);
  if (status.ok() && !MoveOver(WidePath(temporary), WidePath(path))) {
    status = FileError("cannot rename over", path, GetLastError());
  }
  if (!status.ok()) DeleteFileW(WidePath(temporary).c_str());
  return status;
}

absl::Status MakeDirectories(const std::string& path, int mode) {
  const std::filesystem::path whole = std::filesystem::path(windows::Wide(path)).lexically_normal();
  std::filesystem::path so_far = whole.root_path();
  for (const auto& part : whole.relative_path()) {
    so_far /= part;
    if (part.empty()) continue;
    KM_RETURN_IF_ERROR(MakeDirectory(so_far.string(), mode));
  }
  return absl::OkStatus();
}

}  // namespace keymedic
