// SPDX-License-Identifier: Apache-2.0
//
// %ProgramData%\KeyMedic as the installer makes and removes it. Anybody may make a folder in
// %ProgramData%, so one that is there already may be a trap: a link to somewhere else, or a folder
// whose maker waits for a service of the system to read a file in it. Neither is used.
//
// Errors name the path and the remedy. One thread.
#ifndef KEYMEDIC_PACKAGING_WINDOWS_STATE_FOLDER_H_
#define KEYMEDIC_PACKAGING_WINDOWS_STATE_FOLDER_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace keymedic::installer {

// A folder for SYSTEM and the administrators alone (base/rights.h), with all in it. One that is
// there must be theirs, and no link.
absl::Status MakePrivateFolder(const std::string& path);

// Removes the file if it holds exactly this.
absl::Status RemoveIfItHolds(const std::string& path, absl::string_view content);

// The folder, which must be for the trusted alone, and all in it; of a link, the link. What is in
// use goes at the next start of Windows, which the error says. A folder that is not there is no
// error.
absl::Status RemoveFolder(const std::string& path);

}  // namespace keymedic::installer

#endif  // KEYMEDIC_PACKAGING_WINDOWS_STATE_FOLDER_H_
