// SPDX-License-Identifier: Apache-2.0
#include "packaging/windows/state_folder.h"

#include <windows.h>

#include <string_view>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "base/files.h"
#include "base/rights.h"
#include "base/status_macros.h"
#include "base/windows/wide.h"

namespace keymedic::installer {
namespace {

using windows::Narrow;
using windows::Wide;
using windows::WidePath;
using windows::Win32Error;

constexpr uint64_t kMaxBytes = 1 << 20;

// Removes, and goes on where something cannot be removed.
class Remover {
 public:
  void Remove(const std::wstring& path, DWORD attributes) {
    const bool folder = (attributes & FILE_ATTRIBUTE_DIRECTORY) != 0;
    if (folder && (attributes & FILE_ATTRIBUTE_REPARSE_POINT) == 0) RemoveContent(path);
    if ((attributes & FILE_ATTRIBUTE_READONLY) != 0) {
      SetFileAttributesW(path.c_str(), FILE_ATTRIBUTE_NORMAL);
    }
    if (folder ? RemoveDirectoryW(path.c_str()) : DeleteFileW(path.c_str())) return;
    const DWORD error = GetLastError();
    if (error == ERROR_FILE_NOT_FOUND || error == ERROR_PATH_NOT_FOUND) return;
    const bool later = LeaveToNextStart(path);
    if (result_.ok()) {
      result_ = Win32Error(absl::StrCat(Narrow(path), ": cannot be removed now",
                                        later ? " and is left to the next start of Windows, with "
                                                "what else is in use"
                                              : "; remove it by hand"),
                           error);
    }
  }
  const absl::Status& result() const { return result_; }

 private:
  // Under another name, so that what a new installation puts there meanwhile is not removed.
  static bool LeaveToNextStart(const std::wstring& path) {
    const std::wstring gone = path + Wide(absl::StrCat(".", UniqueMark(), ".gone"));
    return MoveFileExW(path.c_str(), gone.c_str(), 0) &&
           MoveFileExW(gone.c_str(), nullptr, MOVEFILE_DELAY_UNTIL_REBOOT);
  }
  void RemoveContent(const std::wstring& folder) {
    WIN32_FIND_DATAW found;
    const HANDLE search = FindFirstFileW((folder + L"\\*").c_str(), &found);
    if (search == INVALID_HANDLE_VALUE) return;
    const absl::Cleanup close = [search] { FindClose(search); };
    do {
      const std::wstring_view name = found.cFileName;
      if (name == L"." || name == L"..") continue;
      Remove(absl::StrCat(Narrow(folder), "\\", Narrow(name)), found.dwFileAttributes);
    } while (FindNextFileW(search, &found));
  }
  void Remove(const std::string& path, DWORD attributes) { Remove(WidePath(path), attributes); }

  absl::Status result_;
};

}  // namespace

std::string UniqueMark() {
  FILETIME now;
  LARGE_INTEGER ticks;
  GetSystemTimeAsFileTime(&now);
  QueryPerformanceCounter(&ticks);
  return absl::StrCat(absl::Hex(now.dwHighDateTime), absl::Hex(now.dwLowDateTime), "-",
                      absl::Hex(ticks.QuadPart), "-", GetCurrentProcessId());
}

absl::Status RemoveIfItHolds(const std::string& path, absl::string_view content) {
  const auto found = ReadFile(path, kMaxBytes);
  if (absl::IsNotFound(found.status())) return absl::OkStatus();
  KM_RETURN_IF_ERROR(found.status());
  if (*found != content || DeleteFileW(WidePath(path).c_str())) return absl::OkStatus();
  return Win32Error(absl::StrCat(path, ": cannot be removed"), GetLastError());
}

absl::Status RemoveFolder(const std::string& path) {
  const std::wstring wide = WidePath(path);
  const DWORD attributes = GetFileAttributesW(wide.c_str());
  if (attributes == INVALID_FILE_ATTRIBUTES) return absl::OkStatus();
  if ((attributes & FILE_ATTRIBUTE_REPARSE_POINT) == 0) {
    // Whoever may write in it could put a link in the way while it is removed.
    KM_RETURN_IF_ERROR(CheckWritableByTrustedOnly(path, /*folder=*/true));
  }
  Remover remover;
  remover.Remove(wide, attributes);
  return remover.result();
}

}  // namespace keymedic::installer
