// SPDX-License-Identifier: Apache-2.0
#include <winsock2.h>

#include <algorithm>
#include <cstdint>

#include "absl/time/clock.h"
#include "base/await_connected.h"

namespace keymedic {

bool AwaitConnected(int socket, absl::Time deadline) {
  // A connection that failed is an exception here, and not writable as elsewhere. WSAPoll did not
  // report it at all before Windows 10.
  fd_set connected;
  fd_set failed;
  FD_ZERO(&connected);
  FD_ZERO(&failed);
  FD_SET(static_cast<SOCKET>(socket), &connected);
  FD_SET(static_cast<SOCKET>(socket), &failed);
  const int64_t left = absl::ToInt64Microseconds(deadline - absl::Now());
  const int64_t wait = std::clamp<int64_t>(left, 0, int64_t{1} << 40);
  timeval time{static_cast<long>(wait / 1'000'000), static_cast<long>(wait % 1'000'000)};
  return select(0, nullptr, &connected, &failed, &time) > 0;
}

}  // namespace keymedic
