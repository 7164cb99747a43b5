// SPDX-License-Identifier: Apache-2.0
#include "tests/windows/doubles/prefix_registry.h"

#include "absl/strings/str_cat.h"
#include "base/windows/wide.h"

namespace keymedic::doubles {
namespace {

absl::Status Write(HKEY root, const std::wstring& key, const std::wstring& name, DWORD type,
                   const void* data, size_t bytes) {
  const LSTATUS error =
      RegSetKeyValueW(root, key.c_str(), name.c_str(), type, data, static_cast<DWORD>(bytes));
  if (error == ERROR_SUCCESS) return absl::OkStatus();
  return windows::Win32Error(
      absl::StrCat("write ", windows::Narrow(name), " to ", windows::Narrow(key)),
      static_cast<uint32_t>(error));
}

}  // namespace

absl::Status WriteText(HKEY root, const std::wstring& key, const std::wstring& name,
                       const std::wstring& value) {
  return Write(root, key, name, REG_SZ, value.c_str(), (value.size() + 1) * sizeof(wchar_t));
}

absl::Status WriteTexts(HKEY root, const std::wstring& key, const std::wstring& name,
                        const std::vector<std::wstring>& values) {
  std::wstring all;
  for (const std::wstring& value : values) all += value + L'\0';
  return Write(root, key, name, REG_MULTI_SZ, all.c_str(), (all.size() + 1) * sizeof(wchar_t));
}

absl::Status WriteNumber(HKEY root, const std::wstring& key, const std::wstring& name,
                         uint32_t value) {
  return Write(root, key, name, REG_DWORD, &value, sizeof(value));
}

}  // namespace keymedic::doubles
