// SPDX-License-Identifier: Apache-2.0
//
// What a program was called with, in UTF-8: on Windows argv and getenv have what the machine's code
// page can express, and no more.
#ifndef KEYMEDIC_BASE_PROGRAM_ARGUMENTS_H_
#define KEYMEDIC_BASE_PROGRAM_ARGUMENTS_H_

#include <string>
#include <vector>

namespace keymedic {

// Without the program's own name.
std::vector<std::string> ProgramArguments(int argc, char** argv);
// Empty if it is not set.
std::string EnvironmentVariable(const std::string& name);

}  // namespace keymedic

#endif  // KEYMEDIC_BASE_PROGRAM_ARGUMENTS_H_
