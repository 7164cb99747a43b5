// SPDX-License-Identifier: Apache-2.0
//
// How the installer removes %ProgramData%\KeyMedic (ProtectDirectory of base/rights.h makes it).
// Anybody may make a folder in %ProgramData%, so what is there may be a trap: it is not followed.
//
// Errors name the path and the remedy. One thread.
#ifndef KEYMEDIC_PACKAGING_WINDOWS_STATE_FOLDER_H_
#define KEYMEDIC_PACKAGING_WINDOWS_STATE_FOLDER_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace keymedic::installer {

// No two of a machine are the same; no secret.
std::string UniqueMark();

// Removes the file if it holds exactly this.
absl::Status RemoveIfItHolds(const std::string& path, absl::string_view content);

// The folder, which must be for the trusted alone, and all in it; of a link, the link. What is in
// use goes at the next start of Windows, which the error says. A folder that is not there is no
// error.
absl::Status RemoveFolder(const std::string& path);

}  // namespace keymedic::installer

#endif  // KEYMEDIC_PACKAGING_WINDOWS_STATE_FOLDER_H_
