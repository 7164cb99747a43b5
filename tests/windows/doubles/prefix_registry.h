// SPDX-License-Identifier: Apache-2.0
//
// Writes to the registry of a throw-away prefix; keys are made as needed. Errors name key and
// value.
#ifndef KEYMEDIC_TESTS_WINDOWS_DOUBLES_PREFIX_REGISTRY_H_
#define KEYMEDIC_TESTS_WINDOWS_DOUBLES_PREFIX_REGISTRY_H_

#include <windows.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace keymedic::doubles {

absl::Status WriteText(HKEY root, const std::wstring& key, const std::wstring& name,
                       const std::wstring& value);
absl::Status WriteTexts(HKEY root, const std::wstring& key, const std::wstring& name,
                        const std::vector<std::wstring>& values);
absl::Status WriteNumber(HKEY root, const std::wstring& key, const std::wstring& name,
                         uint32_t value);

}  // namespace keymedic::doubles

#endif  // KEYMEDIC_TESTS_WINDOWS_DOUBLES_PREFIX_REGISTRY_H_
