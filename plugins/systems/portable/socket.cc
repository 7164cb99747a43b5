// SPDX-License-Identifier: Apache-2.0
#include "plugins/systems/portable/socket.h"

#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "base/status_macros.h"

namespace keymedic::systems {
namespace {

constexpr size_t kMostReceived = 16384;

absl::Status Wait(Watched watched, absl::Time deadline) {
  std::vector<Watched> one{watched};
  if (WaitForSockets(one, deadline - absl::Now())) return absl::OkStatus();
  return absl::DeadlineExceededError("no answer in time");
}

// What became of a connection that was begun.
int ConnectionError(NativeSocket socket) {
  int error = 0;
  socklen_t size = sizeof(error);
  // Windows takes the value as char*, POSIX as void*.
  getsockopt(socket, SOL_SOCKET, SO_ERROR, reinterpret_cast<char*>(&error), &size);
  return error;
}

absl::StatusOr<std::string> ReceiveFrom(const OwnedSocket& socket, absl::Time deadline) {
  std::string buffer(kMostReceived, '\0');
  while (true) {
    const auto n = recv(socket.native(), buffer.data(), static_cast<int>(buffer.size()), 0);
    if (n >= 0) {
      buffer.resize(n);
      return buffer;
    }
    const int error = LastSocketError();
    if (!IsSocketBusy(error)) return SocketStatus(error);
    KM_RETURN_IF_ERROR(socket.WaitToRead(deadline));
  }
}

}  // namespace

OwnedSocket::OwnedSocket(OwnedSocket&& other) noexcept
    : native_(std::exchange(other.native_, kNoSocket)) {}

OwnedSocket& OwnedSocket::operator=(OwnedSocket&& other) noexcept {
  std::swap(native_, other.native_);
  return *this;
}

OwnedSocket::~OwnedSocket() {
  if (native_ != kNoSocket) CloseNativeSocket(native_);
}

absl::Status OwnedSocket::WaitToRead(absl::Time deadline) const {
  return Wait({.socket = native_, .read = true}, deadline);
}

absl::Status OwnedSocket::WaitToWrite(absl::Time deadline) const {
  return Wait({.socket = native_, .write = true}, deadline);
}

absl::StatusOr<TcpSocket> TcpSocket::Connect(const sockaddr* address, int size,
                                             absl::Time deadline) {
  OwnedSocket socket(OpenNativeSocket(address->sa_family, SOCK_STREAM));
  if (socket.native() == kNoSocket) return SocketStatus(LastSocketError());
  if (connect(socket.native(), address, size) != 0) {
    if (const int error = LastSocketError(); !IsSocketBusy(error)) return SocketStatus(error);
    KM_RETURN_IF_ERROR(socket.WaitToWrite(deadline));
    if (const int error = ConnectionError(socket.native()); error != 0) return SocketStatus(error);
  }
  return TcpSocket(std::move(socket));
}

absl::Status TcpSocket::Send(absl::string_view bytes, absl::Time deadline) {
  while (!bytes.empty()) {
    const auto n = send(socket_.native(), bytes.data(), static_cast<int>(bytes.size()), kSendFlags);
    if (n >= 0) {
      bytes.remove_prefix(n);
      continue;
    }
    const int error = LastSocketError();
    if (!IsSocketBusy(error)) return SocketStatus(error);
    KM_RETURN_IF_ERROR(socket_.WaitToWrite(deadline));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> TcpSocket::Receive(absl::Time deadline) {
  auto bytes = ReceiveFrom(socket_, deadline);
  if (bytes.ok() && bytes->empty()) {
    return absl::OutOfRangeError("the other side has closed the connection");
  }
  return bytes;
}

absl::StatusOr<UdpSocket> UdpSocket::Connect(const sockaddr* address, int size) {
  OwnedSocket socket(OpenNativeSocket(address->sa_family, SOCK_DGRAM));
  if (socket.native() == kNoSocket || connect(socket.native(), address, size) != 0) {
    return SocketStatus(LastSocketError());
  }
  return UdpSocket(std::move(socket));
}

absl::Status UdpSocket::Send(absl::string_view datagram) {
  const auto n =
      send(socket_.native(), datagram.data(), static_cast<int>(datagram.size()), kSendFlags);
  return n >= 0 ? absl::OkStatus() : SocketStatus(LastSocketError());
}

absl::StatusOr<std::string> UdpSocket::Receive(absl::Time deadline) {
  return ReceiveFrom(socket_, deadline);
}

}  // namespace keymedic::systems
