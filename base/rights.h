// SPDX-License-Identifier: Apache-2.0
//
// Who may write or read a file. A program with the rights of an administrator takes orders from no
// file that somebody else could have written: not its plugins, not its identity.
//
// Trusted are the administrators of the system (root; SYSTEM, Administrators and TrustedInstaller)
// and the user that this program runs as.
// Errors: kPermissionDenied names the path, who may write it, and a command that mends it.
#ifndef KEYMEDIC_BASE_RIGHTS_H_
#define KEYMEDIC_BASE_RIGHTS_H_

#include <string>

#include "absl/status/status.h"

namespace keymedic {

// Ok when none but the trusted may write, replace or give away what is at `path`, which is no link.
// kFailedPrecondition: it is no regular file, or no folder.
absl::Status CheckWritableByTrustedOnly(const std::string& path, bool folder);

// The same for who may read it: for a file with a secret in it.
absl::Status CheckReadableByTrustedOnly(const std::string& path);

// A folder for the trusted alone, made if it is not there. One that is there, and what lies in it,
// must belong to them; then nobody else may enter it any more. On Windows, where anybody may make
// folders in %ProgramData%, it must be no link either: kPermissionDenied.
absl::Status ProtectDirectory(const std::string& path);

}  // namespace keymedic

#endif  // KEYMEDIC_BASE_RIGHTS_H_
