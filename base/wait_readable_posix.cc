// SPDX-License-Identifier: Apache-2.0
#include <poll.h>

#include <algorithm>
#include <cerrno>

#include "absl/time/clock.h"
#include "base/wait_readable.h"

namespace keymedic {

absl::Status WaitReadable(int fd, absl::Time deadline) {
  while (true) {
    int timeout = -1;
    if (deadline != absl::InfiniteFuture()) {
      timeout = static_cast<int>(
          std::clamp<int64_t>(absl::ToInt64Milliseconds(deadline - absl::Now()) + 1, 0, 1 << 30));
      if (deadline <= absl::Now()) timeout = 0;
    }
    pollfd entry{.fd = fd, .events = POLLIN, .revents = 0};
    const int n = poll(&entry, 1, timeout);
    if (n > 0) return absl::OkStatus();
    if (n == 0) return absl::DeadlineExceededError("no frame arrived in time");
    if (errno != EINTR) return absl::ErrnoToStatus(errno, "cannot wait for a frame");
  }
}

}  // namespace keymedic
