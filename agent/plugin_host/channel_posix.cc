// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <thread>

#include "agent/plugin_host/channel.h"

namespace keymedic::agent {
namespace {

constexpr int kGraceMs = 5000;  // for a running call when the agent is gone

}  // namespace

absl::StatusOr<Channel> TakeChannel() {
  const Channel channel{fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3),
                        fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3)};
  const int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (channel.in < 0 || channel.out < 0 || null < 0 || dup2(null, STDIN_FILENO) < 0 ||
      dup2(STDERR_FILENO, STDOUT_FILENO) < 0) {
    return absl::ErrnoToStatus(errno, "cannot set standard input and output aside");
  }
  close(null);
  signal(SIGPIPE, SIG_IGN);
  return channel;
}

void EndWithAgent(const Channel& channel) {
  std::thread([in = channel.in] {
    pollfd agent{in, 0, 0};
    while (poll(&agent, 1, -1) < 0 && errno == EINTR) {
    }
    poll(nullptr, 0, kGraceMs);
    std::_Exit(0);
  }).detach();
}

}  // namespace keymedic::agent
