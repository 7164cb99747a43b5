// SPDX-License-Identifier: Apache-2.0
//
// Windows' own texts are UTF-16, ours UTF-8: everything that calls Windows goes through here. What
// is no valid text becomes U+FFFD and is never an error. Pure; any thread.
#ifndef KEYMEDIC_BASE_WINDOWS_WIDE_H_
#define KEYMEDIC_BASE_WINDOWS_WIDE_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace keymedic::windows {

std::wstring Wide(absl::string_view utf8);
std::string Narrow(std::wstring_view utf16);

// A path as Windows takes it beyond 260 characters: absolute ones get the prefix \\?\.
std::wstring WidePath(absl::string_view utf8);

// An error of Win32 (GetLastError) or an HRESULT, as a status: "what: text (0x80070005)". The code
// decides the kind: access denied is kPermissionDenied, what does not exist is kNotFound, a service
// or server that does not answer is kUnavailable, what exists already is kAlreadyExists.
absl::Status Win32Error(absl::string_view what, uint32_t error);
absl::Status HresultError(absl::string_view what, uint32_t hresult);

}  // namespace keymedic::windows

#endif  // KEYMEDIC_BASE_WINDOWS_WIDE_H_
