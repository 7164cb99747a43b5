// SPDX-License-Identifier: Apache-2.0
#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>

#include "absl/time/clock.h"
#include "base/await_connected.h"

namespace keymedic {

bool AwaitConnected(int socket, absl::Time deadline) {
  while (true) {
    const int64_t left = absl::ToInt64Milliseconds(deadline - absl::Now());
    pollfd entry{socket, POLLOUT, 0};
    const int n = poll(&entry, 1, static_cast<int>(std::clamp<int64_t>(left, 0, 1 << 30)));
    if (n >= 0 || errno != EINTR) return n > 0;
  }
}

}  // namespace keymedic
