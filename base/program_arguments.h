// SPDX-License-Identifier: Apache-2.0
//
// What a program was called with, in UTF-8: on Windows argv has what the machine's code page can
// express, and no more.
#ifndef KEYMEDIC_BASE_PROGRAM_ARGUMENTS_H_
#define KEYMEDIC_BASE_PROGRAM_ARGUMENTS_H_

#include <string>
#include <vector>

namespace keymedic {

// Without the program's own name.
std::vector<std::string> ProgramArguments(int argc, char** argv);

}  // namespace keymedic

#endif  // KEYMEDIC_BASE_PROGRAM_ARGUMENTS_H_
