// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "plugins/systems/portable/portable.h"
#include "plugins/systems/portable/rpc_bind.h"

namespace keymedic::systems {
namespace {

constexpr size_t kMostAddresses = 4;  // of one name that are tried

class Socket {
 public:
  explicit Socket(int family)
      : fd_(socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {}
  ~Socket() {
    if (fd_ >= 0) close(fd_);
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  int fd() const { return fd_; }

  // False when the deadline passed first.
  bool Wait(short events, absl::Time deadline) const {
    while (true) {
      const absl::Duration left = deadline - absl::Now();
      if (left <= absl::ZeroDuration()) return false;
      pollfd p{fd_, events, 0};
      const int n = poll(&p, 1, static_cast<int>(absl::ToInt64Milliseconds(left)) + 1);
      if (n > 0) return true;
      if (n < 0 && errno != EINTR) return true;  // the next call on the socket tells
    }
  }

 private:
  int fd_;
};

BindVerdict FromError(int error) {
  switch (error) {
    case ECONNREFUSED:
      return {v1::PROBE_RESULT_REFUSED, "nobody listens on this port"};
    case ECONNRESET:
    case EPIPE:
      return {v1::PROBE_RESULT_RESET, "accepted the connection, then reset it"};
    default:
      return {v1::PROBE_RESULT_TIMEOUT, strerror(error)};
  }
}

BindVerdict ReadAnswer(const Socket& socket, absl::Time deadline) {
  std::string received;
  while (socket.Wait(POLLIN, deadline)) {
    char buffer[1024];
    const ssize_t n = recv(socket.fd(), buffer, sizeof(buffer), 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (n < 0) return FromError(errno);
    received.append(buffer, n);
    if (auto verdict = ReadBindAnswer(received, n == 0)) return *std::move(verdict);
  }
  return {v1::PROBE_RESULT_TIMEOUT, "accepted the connection, then did not answer the bind"};
}

BindVerdict BindAt(const Address& address, absl::Time deadline, bool& connected) {
  const Socket socket(address.storage.ss_family);
  if (socket.fd() < 0) return FromError(errno);
  if (connect(socket.fd(), reinterpret_cast<const sockaddr*>(&address.storage), address.size) !=
      0) {
    if (errno != EINPROGRESS) return FromError(errno);
    if (!socket.Wait(POLLOUT, deadline)) return FromError(ETIMEDOUT);
    int error = 0;
    socklen_t size = sizeof(error);
    getsockopt(socket.fd(), SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) return FromError(error);
  }
  connected = true;
  const std::string pdu = KmsBindPdu();
  // 72 bytes always fit into the buffer of a new connection.
  if (send(socket.fd(), pdu.data(), pdu.size(), MSG_NOSIGNAL) < 0) return FromError(errno);
  return ReadAnswer(socket, deadline);
}

class PortableProbe final : public EndpointProbe {
 public:
  PortableProbe(absl::Duration limit, ResolverOptions options)
      : limit_(limit), resolver_(std::move(options)) {}

  v1::Probe Bind(absl::string_view host, uint32_t port) override {
    v1::Probe probe;
    probe.set_host(std::string(host));
    probe.set_port(port);
    const BindVerdict verdict = Ask(host, port);
    probe.set_result(verdict.result);
    probe.set_detail(verdict.detail);
    return probe;
  }

 private:
  BindVerdict Ask(absl::string_view host, uint32_t port) const {
    if (host.empty() || port == 0 || port > 65535) {
      return {v1::PROBE_RESULT_UNRESOLVED, absl::StrCat("'", host, ":", port, "' is no endpoint")};
    }
    const absl::Time deadline = absl::Now() + limit_;
    const AddressAnswer answer =
        resolver_.LookupAddresses(host, static_cast<uint16_t>(port), limit_);
    if (answer.addresses.empty()) {
      return {v1::PROBE_RESULT_UNRESOLVED,
              absl::StrCat("no address (0x", absl::Hex(answer.error, absl::kZeroPad8), ")")};
    }
    const size_t tried = std::min(answer.addresses.size(), kMostAddresses);
    BindVerdict best;
    for (size_t i = 0; i < tried; ++i) {
      const absl::Duration share = (deadline - absl::Now()) / static_cast<int64_t>(tried - i);
      bool connected = false;
      BindVerdict verdict = BindAt(answer.addresses[i], absl::Now() + share, connected);
      if (connected) return verdict;
      // Of several addresses, one that refuses says more than one that is silent.
      if (best.result != v1::PROBE_RESULT_REFUSED) best = std::move(verdict);
    }
    return best;
  }

  const absl::Duration limit_;
  const Resolver resolver_;
};

}  // namespace

std::unique_ptr<EndpointProbe> MakePortableProbe(absl::Duration limit, ResolverOptions options) {
  return std::make_unique<PortableProbe>(limit, std::move(options));
}

}  // namespace keymedic::systems
