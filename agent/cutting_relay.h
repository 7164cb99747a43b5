// SPDX-License-Identifier: Apache-2.0
//
// For tests: a TCP relay on a port of its own, as a proxy, a firewall or a load balancer with a
// mind of its own: it resets each connection once so many bytes have passed, the next one later.
// Threads: one of its own; ends with the relay. One connection at a time.
#ifndef KEYMEDIC_AGENT_CUTTING_RELAY_H_
#define KEYMEDIC_AGENT_CUTTING_RELAY_H_

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace keymedic::agent {

class CuttingRelay {
 public:
  // `to`: "127.0.0.1:PORT". The first connection carries `first` bytes, each next one `more` more.
  CuttingRelay(const std::string& to, size_t first, size_t more) : bytes_(first), more_(more) {
    int port = 0;
    EXPECT_TRUE(absl::SimpleAtoi(to.substr(to.find(':') + 1), &port)) << to;
    to_.sin_port = htons(static_cast<uint16_t>(port));
    sockaddr_in own = Loopback();
    socklen_t size = sizeof(own);
    EXPECT_EQ(bind(listener_, reinterpret_cast<sockaddr*>(&own), size), 0);
    EXPECT_EQ(listen(listener_, SOMAXCONN), 0);
    EXPECT_EQ(getsockname(listener_, reinterpret_cast<sockaddr*>(&own), &size), 0);
    EXPECT_EQ(pipe(stop_.data()), 0);
    address_ = absl::StrCat("127.0.0.1:", ntohs(own.sin_port));
    thread_ = std::thread([this] { Run(); });
  }
  ~CuttingRelay() {
    close(stop_[1]);
    thread_.join();
    close(stop_[0]);
    close(listener_);
  }

  const std::string& address() const { return address_; }
  int cuts() const { return cuts_; }

 private:
  static sockaddr_in Loopback() {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
  }

  void Run() {
    while (Readable(listener_, stop_[0]) == listener_) {
      const int from = accept(listener_, nullptr, nullptr);
      const int to = socket(AF_INET, SOCK_STREAM, 0);
      if (connect(to, reinterpret_cast<const sockaddr*>(&to_), sizeof(to_)) == 0) {
        cuts_ += Carry(from, to, bytes_);
        bytes_ += more_;
      }
      for (const int end : {from, to}) {
        const linger reset{.l_onoff = 1, .l_linger = 0};
        setsockopt(end, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
        close(end);
      }
    }
  }

  // True: it is to be cut now; false: an end closed it, or all is over.
  bool Carry(int from, int to, size_t bytes) const {
    std::array<char, 1024> buffer;
    while (bytes > 0) {
      const int ready = Readable(from, to, stop_[0]);
      if (ready == stop_[0]) return false;
      const ssize_t got = read(ready, buffer.data(), std::min(bytes, buffer.size()));
      if (got <= 0) return false;
      const int other = ready == from ? to : from;
      if (send(other, buffer.data(), static_cast<size_t>(got), MSG_NOSIGNAL) != got) return false;
      bytes -= static_cast<size_t>(got);
    }
    return true;
  }

  // The one that can be read or was closed; the last ones go before the first.
  template <typename... Fds>
  static int Readable(Fds... fds) {
    std::array<pollfd, sizeof...(fds)> polled{pollfd{.fd = fds, .events = POLLIN, .revents = 0}...};
    while (poll(polled.data(), polled.size(), -1) < 0) continue;
    int ready = polled[0].fd;
    for (const pollfd& one : polled) {
      if (one.revents != 0) ready = one.fd;
    }
    return ready;
  }

  const int listener_ = socket(AF_INET, SOCK_STREAM, 0);
  std::array<int, 2> stop_ = {};
  sockaddr_in to_ = Loopback();
  size_t bytes_;
  const size_t more_;
  std::string address_;
  std::atomic<int> cuts_ = 0;
  std::thread thread_;
};

}  // namespace keymedic::agent

#endif  // KEYMEDIC_AGENT_CUTTING_RELAY_H_
