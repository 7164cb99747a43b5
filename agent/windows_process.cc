// SPDX-License-Identifier: Apache-2.0
#include "agent/windows_process.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "agent/plugin_host/limits.h"

namespace keymedic::agent {
namespace {

struct Named {
  uint32_t code;
  const char* name;
};

constexpr Named kNames[] = {
    {3, "as abort leaves"},
    {1816, "a limit of its job"},  // ERROR_NOT_ENOUGH_QUOTA
    {0x40010004, "ended by a debugger"},
    {0x80000003, "breakpoint"},
    {0xC0000005, "access violation"},
    {0xC0000006, "a page could not be read"},
    {0xC0000017, "no memory"},
    {0xC000001D, "illegal instruction"},
    {0xC0000044, "a limit of its job"},
    {0xC0000094, "integer division by zero"},
    {0xC00000FD, "stack overflow"},
    {0xC0000135, "a DLL is missing"},
    {0xC0000139, "a DLL lacks a function"},
    {0xC000013A, "Ctrl-C"},
    {0xC0000142, "a DLL could not start"},
    {0xC0000374, "heap corruption"},
    {0xC0000409, "fail fast, as after a stack buffer overrun"},
    {0x20474343, "an exception that nobody caught"},  // GCC's
    {0xE06D7363, "an exception that nobody caught"},  // Microsoft's
    {kExitOverCpu, "the CPU limit of one call"},
    {kExitOverMemory, "the memory limit"},
};

// Backslashes mean themselves, but before a quotation mark: there they come in pairs.
void AppendQuoted(absl::string_view argument, std::string& line) {
  if (!argument.empty() && argument.find_first_of(" \t\n\v\"") == absl::string_view::npos) {
    line.append(argument.data(), argument.size());
    return;
  }
  line += '"';
  size_t backslashes = 0;
  for (const char c : argument) {
    if (c == '\\') {
      ++backslashes;
      continue;
    }
    line.append(c == '"' ? 2 * backslashes + 1 : backslashes, '\\');
    backslashes = 0;
    line += c;
  }
  line.append(2 * backslashes, '\\');
  line += '"';
}

}  // namespace

std::string WindowsCommandLine(const std::vector<std::string>& arguments) {
  std::string line;
  for (const std::string& argument : arguments) {
    if (!line.empty()) line += ' ';
    AppendQuoted(argument, line);
  }
  return line;
}

std::string DescribeExitCode(uint32_t code) {
  const std::string number =
      code < 0x10000 ? absl::StrCat(code)
                     : absl::StrCat("0x", absl::AsciiStrToUpper(absl::StrCat(absl::Hex(code))));
  for (const Named& named : kNames) {
    if (named.code == code) return absl::StrCat("exit code ", number, " (", named.name, ")");
  }
  return absl::StrCat("exit code ", number);
}

}  // namespace keymedic::agent
