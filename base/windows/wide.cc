// SPDX-License-Identifier: Apache-2.0
#include "base/windows/wide.h"

#include <windows.h>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace keymedic::windows {
namespace {

constexpr uint32_t kFacilityWin32 = 0x80070000;

absl::StatusCode CodeOf(uint32_t hresult) {
  switch (hresult) {
    case static_cast<uint32_t>(E_ACCESSDENIED):
    case 0x80041003:  // WBEM_E_ACCESS_DENIED
    case 0x80041062:  // WBEM_E_PRIVILEGE_NOT_HELD
      return absl::StatusCode::kPermissionDenied;
    case kFacilityWin32 | ERROR_FILE_NOT_FOUND:
    case kFacilityWin32 | ERROR_PATH_NOT_FOUND:
    case kFacilityWin32 | ERROR_SERVICE_DOES_NOT_EXIST:
    case kFacilityWin32 | ERROR_EVT_CHANNEL_NOT_FOUND:
    case kFacilityWin32 | ERROR_NOT_FOUND:
    case 0x80041002:  // WBEM_E_NOT_FOUND
      return absl::StatusCode::kNotFound;
    case 0x8004100E:  // WBEM_E_INVALID_NAMESPACE
    case 0x80041010:  // WBEM_E_INVALID_CLASS
    case 0x80041011:  // WBEM_E_PROVIDER_NOT_FOUND
      return absl::StatusCode::kUnimplemented;
    case kFacilityWin32 | ERROR_ALREADY_EXISTS:
    case kFacilityWin32 | ERROR_FILE_EXISTS:
      return absl::StatusCode::kAlreadyExists;
    case kFacilityWin32 | ERROR_DISK_FULL:
    case kFacilityWin32 | ERROR_HANDLE_DISK_FULL:
    case static_cast<uint32_t>(E_OUTOFMEMORY):
      return absl::StatusCode::kResourceExhausted;
    case static_cast<uint32_t>(E_INVALIDARG):
      return absl::StatusCode::kInvalidArgument;
    default:
      return absl::StatusCode::kUnavailable;
  }
}

// In English where Windows has that, so that a message reads the same in every estate.
std::string TextOf(uint32_t hresult) {
  wchar_t* text = nullptr;
  const DWORD flags =
      FORMAT_MESSAGE_ALLOCATE_BUFFER | FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS;
  const uint32_t code = (hresult & 0xFFFF0000) == kFacilityWin32 ? hresult & 0xFFFF : hresult;
  for (const DWORD language : {DWORD{0x0409}, DWORD{0}}) {
    const DWORD size = FormatMessageW(flags, nullptr, code, language,
                                      reinterpret_cast<wchar_t*>(&text), 0, nullptr);
    if (size == 0) continue;
    std::string narrow = Narrow({text, size});
    LocalFree(text);
    absl::StripTrailingAsciiWhitespace(&narrow);
    return narrow;
  }
  return "an error without a text";
}

}  // namespace

std::wstring Wide(absl::string_view utf8) {
  if (utf8.empty()) return {};
  const int size = static_cast<int>(utf8.size());
  std::wstring out(MultiByteToWideChar(CP_UTF8, 0, utf8.data(), size, nullptr, 0), L'\0');
  MultiByteToWideChar(CP_UTF8, 0, utf8.data(), size, out.data(), static_cast<int>(out.size()));
  return out;
}

std::string Narrow(std::wstring_view utf16) {
  if (utf16.empty()) return {};
  const int size = static_cast<int>(utf16.size());
  std::string out(WideCharToMultiByte(CP_UTF8, 0, utf16.data(), size, nullptr, 0, nullptr, nullptr),
                  '\0');
  WideCharToMultiByte(CP_UTF8, 0, utf16.data(), size, out.data(), static_cast<int>(out.size()),
                      nullptr, nullptr);
  return out;
}

std::wstring WidePath(absl::string_view utf8) {
  std::wstring path = Wide(utf8);
  // Behind the prefix Windows takes nothing but its own separator, and no relative parts.
  std::replace(path.begin(), path.end(), L'/', L'\\');
  if (path.size() < 240 || path.compare(0, 2, L"\\\\") == 0) return path;
  wchar_t* file = nullptr;
  std::wstring full(32768, L'\0');
  full.resize(GetFullPathNameW(path.c_str(), static_cast<DWORD>(full.size()), full.data(), &file));
  return full.empty() ? path : L"\\\\?\\" + full;
}

absl::Status HresultError(absl::string_view what, uint32_t hresult) {
  return absl::Status(
      CodeOf(hresult),
      absl::StrCat(what, ": ", TextOf(hresult), " (0x",
                   absl::AsciiStrToUpper(absl::StrCat(absl::Hex(hresult, absl::kZeroPad8))), ")"));
}

absl::Status Win32Error(absl::string_view what, uint32_t error) {
  return HresultError(what, HRESULT_FROM_WIN32(error));
}

}  // namespace keymedic::windows
