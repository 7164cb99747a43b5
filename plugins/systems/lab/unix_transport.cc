// SPDX-License-Identifier: Apache-2.0
#include "plugins/systems/lab/unix_transport.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "plugins/systems/lab/stream_transport.h"

namespace keymedic::systems {
namespace {

class UnixStream final : public LabStream {
 public:
  explicit UnixStream(int fd) : fd_(fd) {}
  ~UnixStream() override { close(fd_); }
  UnixStream(const UnixStream&) = delete;
  UnixStream& operator=(const UnixStream&) = delete;

  absl::Status Send(absl::string_view bytes, absl::Time deadline) override {
    while (!bytes.empty()) {
      KM_RETURN_IF_ERROR(Wait(POLLOUT, deadline));
      // Not write(): a lab that went away must not end this process by SIGPIPE.
      const ssize_t n = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
      if (n < 0) return absl::UnavailableError(strerror(errno));
      bytes.remove_prefix(n);
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::string> Receive(absl::Time deadline) override {
    char buffer[16384];
    while (true) {
      KM_RETURN_IF_ERROR(Wait(POLLIN, deadline));
      const ssize_t n = recv(fd_, buffer, sizeof(buffer), MSG_DONTWAIT);
      if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
      if (n < 0) return absl::UnavailableError(strerror(errno));
      if (n == 0) return absl::OutOfRangeError("the lab hung up");
      return std::string(buffer, n);
    }
  }

 private:
  absl::Status Wait(short events, absl::Time deadline) const {
    while (true) {
      const int64_t left = absl::ToInt64Milliseconds(deadline - absl::Now()) + 1;
      pollfd entry{.fd = fd_, .events = events, .revents = 0};
      const int n = poll(&entry, 1, static_cast<int>(std::clamp<int64_t>(left, 0, 1 << 30)));
      if (n > 0) return absl::OkStatus();
      if (n == 0) return absl::DeadlineExceededError("nothing happened in time");
      if (errno != EINTR) return absl::UnavailableError(strerror(errno));
    }
  }

  const int fd_;
};

absl::Status Failed(absl::string_view what, const std::string& path, int error) {
  return absl::UnavailableError(absl::StrCat(what, " the lab at ", path, ": ", strerror(error),
                                             "; is `keymedic lab serve` running there?"));
}

absl::StatusOr<std::unique_ptr<LabStream>> Dial(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) {
    return absl::InvalidArgumentError(
        absl::StrCat("the lab's socket path '", path, "' is longer than ",
                     sizeof(address.sun_path) - 1, " characters: choose a shorter one"));
  }
  memcpy(address.sun_path, path.data(), path.size());
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return Failed("cannot make a socket for", path, errno);
  auto stream = std::make_unique<UnixStream>(fd);
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0)
    return Failed("cannot connect to", path, errno);
  return stream;
}

}  // namespace

LabTransport MakeUnixTransport(std::string socket_path, absl::Duration deadline) {
  auto dial = [socket_path](absl::Time) { return Dial(socket_path); };
  return MakeStreamTransport(socket_path, std::move(dial), deadline);
}

}  // namespace keymedic::systems
