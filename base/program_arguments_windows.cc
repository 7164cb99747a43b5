// SPDX-License-Identifier: Apache-2.0
#include <windows.h>
// Behind it, on which it builds.
#include <shellapi.h>

#include <cstdlib>

#include "base/program_arguments.h"
#include "base/windows/wide.h"

namespace keymedic {

std::vector<std::string> ProgramArguments(int, char**) {
  int count = 0;
  wchar_t** words = CommandLineToArgvW(GetCommandLineW(), &count);
  std::vector<std::string> arguments;
  for (int i = 1; words != nullptr && i < count; ++i) {
    arguments.push_back(windows::Narrow(words[i]));
  }
  LocalFree(words);
  return arguments;
}

std::string EnvironmentVariable(const std::string& name) {
  const wchar_t* value = _wgetenv(windows::Wide(name).c_str());
  return value == nullptr ? "" : windows::Narrow(value);
}

}  // namespace keymedic
