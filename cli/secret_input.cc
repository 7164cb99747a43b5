// SPDX-License-Identifier: Apache-2.0
#include "cli/secret_input.h"

#include <unistd.h>

#include <cerrno>

#include "absl/strings/strip.h"

namespace keymedic::cli {
namespace {

constexpr size_t kMostBytes = 1024;

}  // namespace

absl::StatusOr<std::string> ReadSecret(int fd, absl::string_view prompt, std::ostream& out) {
  const bool terminal = isatty(fd) != 0;
  const HiddenInput hidden(fd);
  if (terminal) out << prompt << std::flush;
  std::string line;
  while (line.size() <= kMostBytes) {
    char c = 0;
    const auto n = read(fd, &c, 1);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return absl::ErrnoToStatus(errno, "cannot read standard input");
    if (n == 0 || c == '\n') break;
    line += c;
  }
  if (terminal) out << '\n';
  if (line.size() > kMostBytes) {
    return absl::InvalidArgumentError("the first line of standard input is no key: it is too long");
  }
  if (line.empty()) {
    return absl::InvalidArgumentError("nothing was given on standard input");
  }
  return std::string(absl::StripSuffix(line, "\r"));
}

}  // namespace keymedic::cli
