// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>

#include "absl/time/clock.h"
#include "plugins/systems/portable/native_socket.h"

namespace keymedic::systems {

void StartSockets() {}

NativeSocket OpenNativeSocket(int family, int type) {
  return socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

NativeSocket AcceptNativeSocket(NativeSocket listener) {
  return accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

void CloseNativeSocket(NativeSocket socket) { close(socket); }

int LastSocketError() { return errno; }

bool IsSocketBusy(int error) {
  return error == EAGAIN || error == EWOULDBLOCK || error == EINPROGRESS || error == EINTR;
}

absl::Status SocketStatus(int error) {
  const char* text = strerror(error);
  switch (error) {
    case ECONNREFUSED:
      return absl::UnavailableError(text);
    case ECONNRESET:
    case EPIPE:
      return absl::AbortedError(text);
    case EHOSTUNREACH:
    case ENETUNREACH:
    case EADDRNOTAVAIL:
      return absl::NotFoundError(text);
    case ETIMEDOUT:
      return absl::DeadlineExceededError(text);
    default:
      return absl::UnknownError(text);
  }
}

bool WaitForSockets(std::vector<Watched>& watched, absl::Duration limit) {
  std::vector<pollfd> polled;
  for (const Watched& w : watched) {
    polled.push_back(
        {w.socket, static_cast<short>((w.read ? POLLIN : 0) | (w.write ? POLLOUT : 0)), 0});
  }
  const absl::Time deadline = absl::Now() + limit;
  int n = 0;
  do {
    const int64_t left = absl::ToInt64Milliseconds(
        absl::Ceil(std::clamp(deadline - absl::Now(), absl::ZeroDuration(), absl::Hours(24)),
                   absl::Milliseconds(1)));
    n = poll(polled.data(), polled.size(), static_cast<int>(left));
  } while (n < 0 && errno == EINTR);
  if (n <= 0) return false;
  for (size_t i = 0; i < watched.size(); ++i) {
    const short came = polled[i].revents;
    watched[i].read = (came & POLLIN) != 0;
    watched[i].write = (came & POLLOUT) != 0;
    watched[i].failed = (came & ~(POLLIN | POLLOUT)) != 0;
  }
  return true;
}

}  // namespace keymedic::systems
