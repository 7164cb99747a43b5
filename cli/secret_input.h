// SPDX-License-Identifier: Apache-2.0
//
// A secret from standard input: what is on a command line shows in process lists and histories. At
// a terminal it is asked for and not echoed; Ctrl-C gives the terminal back as it was. One thread.
#ifndef KEYMEDIC_CLI_SECRET_INPUT_H_
#define KEYMEDIC_CLI_SECRET_INPUT_H_

#include <ostream>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace keymedic::cli {

// The first line of `fd`, without its end; `prompt` goes to `out` at a terminal only.
// kInvalidArgument: nothing is there, or a line of more than 1 KiB; what was read is not repeated.
absl::StatusOr<std::string> ReadSecret(int fd, absl::string_view prompt, std::ostream& out);

// While one is there, a terminal does not show what is typed; nothing happens to what is none. At
// most one at a time. The terminal is as it was when it is gone, or when a signal ends the program.
class HiddenInput {
 public:
  explicit HiddenInput(int fd);
  ~HiddenInput();
  HiddenInput(const HiddenInput&) = delete;
  HiddenInput& operator=(const HiddenInput&) = delete;
};

}  // namespace keymedic::cli

#endif  // KEYMEDIC_CLI_SECRET_INPUT_H_
