// SPDX-License-Identifier: Apache-2.0
#include "cli/programs.h"

#define BOOST_PROCESS_USE_STD_FS

#ifdef _WIN32
#include <winsock2.h>  // before windows.h, which Boost includes
#endif
// clang-format off
#include <boost/system/error_code.hpp>  // Boost.Process uses it without including it
// clang-format on
#include <boost/dll/runtime_symbol_info.hpp>
#include <boost/process/args.hpp>
#include <boost/process/child.hpp>
#include <boost/process/exe.hpp>
#include <boost/process/io.hpp>
#include <boost/process/pipe.hpp>
#include <boost/process/search_path.hpp>
#include <filesystem>
#include <iterator>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "base/files.h"

namespace keymedic::cli {
namespace {

namespace process = boost::process;

constexpr char kSuffix[] =
#ifdef _WIN32
    ".exe";
#else
    "";
#endif

}  // namespace

std::string ProgramPath(const std::string& name) {
  std::error_code error;
  const auto self = boost::dll::program_location(error);
  const std::filesystem::path folder = error ? "." : self.parent_path();
  return (folder / (name + kSuffix)).string();
}

absl::StatusOr<std::string> OutputOf(const std::vector<std::string>& command, bool quiet) try {
  const auto found = command[0].find_first_of("/\\") == std::string::npos
                         ? process::search_path(command[0])
                         : NativePath(command[0]);
  if (found.empty()) {
    return absl::UnavailableError(absl::StrCat("cannot start ", command[0], ": it is not in PATH"));
  }
  const std::vector<std::string> arguments(command.begin() + 1, command.end());
  process::ipstream out;
  process::child child =
      quiet ? process::child(process::exe = found.string(), process::args = arguments,
                             process::std_out > out, process::std_err > process::null)
            : process::child(process::exe = found.string(), process::args = arguments,
                             process::std_out > out);
  std::string output{std::istreambuf_iterator<char>(out), std::istreambuf_iterator<char>()};
  child.wait();
  if (child.exit_code() == 0) return output;
  return absl::UnavailableError(
      absl::StrCat(command[0], " ended with exit code ", child.exit_code()));
} catch (const std::exception& error) {
  return absl::UnavailableError(absl::StrCat("cannot run ", command[0], ": ", error.what()));
}

}  // namespace keymedic::cli
