// SPDX-License-Identifier: Apache-2.0
#include "plugins/systems/loopback.h"

#include <algorithm>
#include <utility>

#include "absl/time/clock.h"

namespace keymedic::systems {
namespace {

absl::Time Patience() { return absl::Now() + kTestPatience; }

// The port that the system chose; 0 if it has no such address.
uint16_t BindLoopback(NativeSocket socket, bool v6) {
  LoopbackAddress address(0, v6);
  if (bind(socket, address.get(), address.size) != 0) return 0;
  socklen_t size = sizeof(address.storage);
  getsockname(socket, reinterpret_cast<sockaddr*>(&address.storage), &size);
  return ntohs(v6 ? reinterpret_cast<sockaddr_in6&>(address.storage).sin6_port
                  : reinterpret_cast<sockaddr_in&>(address.storage).sin_port);
}

}  // namespace

LoopbackAddress::LoopbackAddress(uint16_t port, bool v6) {
  if (v6) {
    auto& address = reinterpret_cast<sockaddr_in6&>(storage);
    address.sin6_family = AF_INET6;
    address.sin6_addr = in6addr_loopback;
    address.sin6_port = htons(port);
    size = sizeof(address);
  } else {
    auto& address = reinterpret_cast<sockaddr_in&>(storage);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    size = sizeof(address);
  }
}

std::string Peer::Read(size_t size) {
  while (waiting_.size() < size) {
    const auto bytes = socket_.Receive(Patience());
    if (!bytes.ok()) break;
    waiting_ += *bytes;
  }
  std::string read = waiting_.substr(0, size);
  waiting_.erase(0, read.size());
  return read;
}

std::string Peer::ReadRest() { return Read(size_t{1} << 30); }

void Peer::Say(absl::string_view bytes) { socket_.Send(bytes, Patience()).IgnoreError(); }

void Peer::ResetAtEnd() {
  const linger now{1, 0};
  setsockopt(native_, SOL_SOCKET, SO_LINGER, reinterpret_cast<const char*>(&now), sizeof(now));
}

OneShotServer::OneShotServer(std::function<void(Peer&)> serve, bool v6)
    : v6_(v6), listener_(OpenNativeSocket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM)) {
  const uint16_t port = BindLoopback(listener_.native(), v6);
  if (port == 0 || listen(listener_.native(), 1) != 0) return;
  port_ = port;
  thread_ = std::thread([this, serve = std::move(serve)] {
    if (!listener_.WaitToRead(absl::InfiniteFuture()).ok()) return;
    const NativeSocket connection = AcceptNativeSocket(listener_.native());
    if (connection == kNoSocket) return;
    Peer peer(connection);
    serve(peer);
  });
}

OneShotServer::~OneShotServer() {
  if (!thread_.joinable()) return;
  // Ends a wait that nobody came to.
  const LoopbackAddress self(port_, v6_);
  TcpSocket::Connect(self.get(), self.size, absl::Now()).IgnoreError();
  thread_.join();
}

DatagramServer::DatagramServer() : socket_(OpenNativeSocket(AF_INET, SOCK_DGRAM)) {
  port_ = BindLoopback(socket_.native(), false);
}

DatagramServer::~DatagramServer() {
  if (!thread_.joinable()) return;
  ending_ = true;
  const LoopbackAddress self(port_);
  sendto(socket_.native(), "", 0, 0, self.get(), self.size);  // wakes the thread
  thread_.join();
}

void DatagramServer::Start(std::function<std::string(const std::string&)> answer) {
  thread_ = std::thread([this, answer = std::move(answer)] { Serve(answer); });
}

void DatagramServer::Serve(const std::function<std::string(const std::string&)>& answer) {
  while (!ending_) {
    if (!socket_.WaitToRead(absl::InfiniteFuture()).ok()) return;
    char buffer[1500];
    sockaddr_storage peer{};
    socklen_t size = sizeof(peer);
    // Windows tells here, as an error, that the asker of an earlier answer has left.
    const auto n = recvfrom(socket_.native(), buffer, sizeof(buffer), 0,
                            reinterpret_cast<sockaddr*>(&peer), &size);
    if (n <= 0) continue;
    const std::string datagram = answer(std::string(buffer, n));
    if (datagram.empty()) continue;
    sendto(socket_.native(), datagram.data(), static_cast<int>(datagram.size()), 0,
           reinterpret_cast<const sockaddr*>(&peer), size);
  }
}

}  // namespace keymedic::systems
