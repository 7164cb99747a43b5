// SPDX-License-Identifier: Apache-2.0
//
// Where processes of Windows differ: one command line instead of arguments, a number of 32 bits
// instead of a signal. Pure, and the same on every system.
#ifndef KEYMEDIC_AGENT_WINDOWS_PROCESS_H_
#define KEYMEDIC_AGENT_WINDOWS_PROCESS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace keymedic::agent {

// What CommandLineToArgvW and the C runtime take apart into `arguments` again.
std::string WindowsCommandLine(const std::vector<std::string>& arguments);

// "exit code 1", "exit code 0xC0000005 (access violation)".
std::string DescribeExitCode(uint32_t code);

}  // namespace keymedic::agent

#endif  // KEYMEDIC_AGENT_WINDOWS_PROCESS_H_
