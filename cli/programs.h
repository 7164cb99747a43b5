// SPDX-License-Identifier: Apache-2.0
//
// Other programs: where those of KeyMedic are, and what one prints. Any thread.
#ifndef KEYMEDIC_CLI_PROGRAMS_H_
#define KEYMEDIC_CLI_PROGRAMS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace keymedic::cli {

// Where this program's companions are: beside it.
std::string ProgramPath(const std::string& name);

// What a program prints, to its end; its messages go where ours go, or nowhere. `command[0]` is a
// path, or a name that is looked for in PATH. kUnavailable if it cannot be started or fails.
absl::StatusOr<std::string> OutputOf(const std::vector<std::string>& command, bool quiet);

}  // namespace keymedic::cli

#endif  // KEYMEDIC_CLI_PROGRAMS_H_
