// SPDX-License-Identifier: Apache-2.0
#include "plugins/systems/windows/registry.h"

#include <windows.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/windows/wide.h"

namespace keymedic::systems {
namespace {

using windows::Wide;

std::optional<std::wstring> Read(const std::string& key, const std::string& value, DWORD types) {
  std::wstring text;
  const std::wstring wide_key = Wide(key), name = Wide(value);
  DWORD size = 0;
  LSTATUS status = RegGetValueW(HKEY_LOCAL_MACHINE, wide_key.c_str(), name.c_str(), types, nullptr,
                                nullptr, &size);
  for (int tries = 0; tries < 3 && (status == ERROR_SUCCESS || status == ERROR_MORE_DATA);
       ++tries) {
    text.resize(size / sizeof(wchar_t) + 1);
    size = static_cast<DWORD>(text.size() * sizeof(wchar_t));
    status = RegGetValueW(HKEY_LOCAL_MACHINE, wide_key.c_str(), name.c_str(), types, nullptr,
                          text.data(), &size);
    if (status != ERROR_SUCCESS) continue;  // it grew
    text.resize(size / sizeof(wchar_t));
    return text;
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> RegistryText(const std::string& key, const std::string& value) {
  const auto text = Read(key, value, RRF_RT_REG_SZ | RRF_RT_REG_EXPAND_SZ | RRF_NOEXPAND);
  if (!text.has_value()) return std::nullopt;
  return windows::Narrow(text->substr(0, text->find(L'\0')));
}

std::optional<uint32_t> RegistryNumber(const std::string& key, const std::string& value) {
  DWORD number = 0, size = sizeof(number);
  if (RegGetValueW(HKEY_LOCAL_MACHINE, Wide(key).c_str(), Wide(value).c_str(), RRF_RT_REG_DWORD,
                   nullptr, &number, &size) != ERROR_SUCCESS) {
    return std::nullopt;
  }
  return number;
}

std::vector<std::string> RegistryLines(const std::string& key, const std::string& value) {
  std::vector<std::string> lines;
  const auto text = Read(key, value, RRF_RT_REG_MULTI_SZ);
  if (!text.has_value()) return lines;
  for (size_t at = 0; at < text->size();) {
    const size_t end = std::min(text->find(L'\0', at), text->size());
    if (end == at) break;
    lines.push_back(windows::Narrow(text->substr(at, end - at)));
    at = end + 1;
  }
  return lines;
}

absl::Status SetRegistryText(const std::string& key, const std::string& value,
                             const std::string& text) {
  const std::wstring wide_key = Wide(key), name = Wide(value), wide = Wide(text);
  HKEY opened = nullptr;
  LSTATUS status = RegOpenKeyExW(HKEY_LOCAL_MACHINE, wide_key.c_str(), 0, KEY_SET_VALUE, &opened);
  if (status == ERROR_SUCCESS) {
    status = text.empty() ? RegDeleteValueW(opened, name.c_str())
                          : RegSetValueExW(opened, name.c_str(), 0, REG_SZ,
                                           reinterpret_cast<const BYTE*>(wide.c_str()),
                                           static_cast<DWORD>((wide.size() + 1) * sizeof(wchar_t)));
    RegCloseKey(opened);
  }
  const bool gone = text.empty() && status == ERROR_FILE_NOT_FOUND;
  if (status == ERROR_SUCCESS || gone) return absl::OkStatus();
  return windows::Win32Error(absl::StrCat("write HKLM\\", key, "\\", value),
                             static_cast<uint32_t>(status));
}

absl::Status SetRegistryMark(const std::string& parent, const std::string& name, bool marked) {
  const std::wstring wide_parent = Wide(parent), wide_key = Wide(absl::StrCat(parent, "\\", name));
  LSTATUS status = ERROR_SUCCESS;
  if (!marked) {
    status = RegDeleteKeyW(HKEY_LOCAL_MACHINE, wide_key.c_str());
    if (status == ERROR_FILE_NOT_FOUND) status = ERROR_SUCCESS;
  } else {
    // By itself first: made along with a volatile key it might become one, too.
    for (const auto& [key, options] : {std::pair(&wide_parent, REG_OPTION_NON_VOLATILE),
                                       std::pair(&wide_key, REG_OPTION_VOLATILE)}) {
      HKEY opened = nullptr;
      status =
          RegCreateKeyExW(HKEY_LOCAL_MACHINE, key->c_str(), 0, nullptr, static_cast<DWORD>(options),
                          KEY_QUERY_VALUE, nullptr, &opened, nullptr);
      if (status != ERROR_SUCCESS) break;
      RegCloseKey(opened);
    }
  }
  if (status == ERROR_SUCCESS) return absl::OkStatus();
  return windows::Win32Error(
      absl::StrCat(marked ? "make" : "remove", " the key HKLM\\", parent, "\\", name),
      static_cast<uint32_t>(status));
}

absl::StatusOr<bool> HasRegistryMark(const std::string& parent, const std::string& name) {
  HKEY opened = nullptr;
  const std::wstring key = Wide(absl::StrCat(parent, "\\", name));
  const LSTATUS status =
      RegOpenKeyExW(HKEY_LOCAL_MACHINE, key.c_str(), 0, KEY_QUERY_VALUE, &opened);
  if (status == ERROR_FILE_NOT_FOUND) return false;
  if (status != ERROR_SUCCESS) {
    return windows::Win32Error(absl::StrCat("open the key HKLM\\", parent, "\\", name),
                               static_cast<uint32_t>(status));
  }
  RegCloseKey(opened);
  return true;
}

}  // namespace keymedic::systems
