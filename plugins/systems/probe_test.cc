// SPDX-License-Identifier: Apache-2.0
//
// The endpoint probe against small servers on loopback ports of the kernel's choice.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <string>
#include <thread>

#include "absl/synchronization/notification.h"
#include "plugins/systems/dns_responder.h"
#include "plugins/systems/portable/portable.h"
#include "plugins/systems/portable/rpc_bind.h"

namespace keymedic::systems {
namespace {

// Listens, serves one connection by `serve`, ends.
class OneShotServer {
 public:
  explicit OneShotServer(std::function<void(int)> serve, bool v6 = false) {
    sockaddr_storage storage{};
    socklen_t size;
    if (v6) {
      auto& address = reinterpret_cast<sockaddr_in6&>(storage);
      address.sin6_family = AF_INET6;
      address.sin6_addr = in6addr_loopback;
      size = sizeof(address);
    } else {
      auto& address = reinterpret_cast<sockaddr_in&>(storage);
      address.sin_family = AF_INET;
      address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      size = sizeof(address);
    }
    fd_ = socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    usable_ = fd_ >= 0 && bind(fd_, reinterpret_cast<sockaddr*>(&storage), size) == 0 &&
              listen(fd_, 1) == 0;
    if (!usable_) return;
    getsockname(fd_, reinterpret_cast<sockaddr*>(&storage), &size);
    port_ = ntohs(v6 ? reinterpret_cast<sockaddr_in6&>(storage).sin6_port
                     : reinterpret_cast<sockaddr_in&>(storage).sin_port);
    thread_ = std::thread([this, serve = std::move(serve)] {
      const int connection = accept(fd_, nullptr, nullptr);
      if (connection < 0) return;
      serve(connection);
      close(connection);
    });
  }
  ~OneShotServer() {
    if (fd_ >= 0) shutdown(fd_, SHUT_RDWR);  // ends an accept that nobody came to
    if (thread_.joinable()) thread_.join();
    if (fd_ >= 0) close(fd_);
  }
  uint32_t port() const { return port_; }
  bool usable() const { return usable_; }

 private:
  int fd_ = -1;
  bool usable_ = false;
  uint32_t port_ = 0;
  std::thread thread_;
};

std::string ReadAll(int fd, size_t size) {
  std::string got(size, '\0');
  return recv(fd, got.data(), size, MSG_WAITALL) == static_cast<ssize_t>(size) ? got : "";
}

void Say(int fd, const std::string& bytes) { send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL); }

std::string Header(uint8_t type, uint16_t length) {
  std::string pdu{5, 0, static_cast<char>(type), 3, 0x10, 0, 0, 0};
  pdu += {static_cast<char>(length), static_cast<char>(length >> 8), 0, 0, 1, 0, 0, 0};
  return pdu;
}

// What a Windows host answers: secondary address "1688", one result.
std::string BindAck(uint8_t result, uint8_t reason) {
  std::string pdu = Header(12, 60);
  pdu += std::string("\xD0\x16\xD0\x16\x01\x00\x00\x00", 8);
  pdu += std::string(
      "\x05\x00"
      "1688\0",
      7);
  pdu += std::string(1, '\0');
  pdu += std::string("\x01\0\0\0", 4);
  pdu += std::string{static_cast<char>(result), 0, static_cast<char>(reason), 0};
  pdu += std::string(20, '\0');
  return pdu;
}

v1::Probe ProbeAt(uint32_t port, const std::string& host = "127.0.0.1",
                  absl::Duration limit = absl::Seconds(20)) {
  return MakePortableProbe(limit)->Bind(host, port);
}

v1::Probe ProbeServer(std::function<void(int)> serve) {
  const OneShotServer server(std::move(serve));
  return ProbeAt(server.port());
}

TEST(ProbeTest, AKmsInterfaceListensAndGetsOneBindAndNothingElse) {
  std::string received, rest;
  {
    const OneShotServer server([&](int fd) {
      received = ReadAll(fd, 72);
      Say(fd, BindAck(0, 0));
      char c;
      while (recv(fd, &c, 1, 0) == 1) rest.push_back(c);
    });
    const v1::Probe probe = ProbeAt(server.port());
    EXPECT_EQ(probe.result(), v1::PROBE_RESULT_KMS) << probe.detail();
    EXPECT_EQ(probe.host(), "127.0.0.1");
    EXPECT_EQ(probe.port(), server.port());
  }
  EXPECT_EQ(received, KmsBindPdu());
  EXPECT_EQ(rest, "");
}

TEST(ProbeTest, AnAnswerInPiecesIsPutTogether) {
  const auto probe = ProbeServer([](int fd) {
    ReadAll(fd, 72);
    for (const char c : BindAck(0, 0)) Say(fd, std::string(1, c));
  });
  EXPECT_EQ(probe.result(), v1::PROBE_RESULT_KMS) << probe.detail();
}

TEST(ProbeTest, TheInterfaceIsNotOffered) {
  const auto probe = ProbeServer([](int fd) {
    ReadAll(fd, 72);
    Say(fd, BindAck(2, 1));
  });
  EXPECT_EQ(probe.result(), v1::PROBE_RESULT_NOT_KMS) << probe.detail();
}

TEST(ProbeTest, BindNak) {
  const auto probe = ProbeServer([](int fd) {
    ReadAll(fd, 72);
    Say(fd, Header(13, 20) + std::string(4, '\0'));
  });
  EXPECT_EQ(probe.result(), v1::PROBE_RESULT_NOT_KMS) << probe.detail();
}

TEST(ProbeTest, AWebServer) {
  const auto probe = ProbeServer([](int fd) {
    ReadAll(fd, 72);
    Say(fd, "HTTP/1.1 400 Bad Request\r\n\r\n");
  });
  EXPECT_EQ(probe.result(), v1::PROBE_RESULT_NOT_RPC);
  EXPECT_EQ(probe.detail(), "answered \"HTTP/1.1 400 Bad Request\"");
}

TEST(ProbeTest, Garbage) {
  const auto probe = ProbeServer([](int fd) {
    ReadAll(fd, 72);
    Say(fd, std::string("\x05\x00\x0c\x03\x10\0\0\0\xff\xff", 10) + std::string(500, '\xee'));
  });
  EXPECT_EQ(probe.result(), v1::PROBE_RESULT_NOT_RPC) << probe.detail();
}

TEST(ProbeTest, Reset) {
  const auto probe = ProbeServer([](int fd) {
    ReadAll(fd, 72);
    const linger now{1, 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));  // close() then resets
  });
  EXPECT_EQ(probe.result(), v1::PROBE_RESULT_RESET) << probe.detail();
}

TEST(ProbeTest, ClosedWithoutAnAnswer) {
  const auto probe = ProbeServer([](int fd) { ReadAll(fd, 72); });
  EXPECT_EQ(probe.result(), v1::PROBE_RESULT_RESET) << probe.detail();
}

TEST(ProbeTest, SilentServer) {
  absl::Notification probed;
  const OneShotServer server([&](int) { probed.WaitForNotification(); });
  const auto probe = ProbeAt(server.port(), "127.0.0.1", absl::Milliseconds(100));
  probed.Notify();
  EXPECT_EQ(probe.result(), v1::PROBE_RESULT_TIMEOUT) << probe.detail();
}

TEST(ProbeTest, NobodyListens) {
  uint32_t port;
  {
    const OneShotServer gone([](int) {});
    port = gone.port();
  }
  EXPECT_EQ(ProbeAt(port).result(), v1::PROBE_RESULT_REFUSED);
}

TEST(ProbeTest, ByNameAndOverIpv6) {
  const auto serve = [](int fd) {
    ReadAll(fd, 72);
    Say(fd, BindAck(0, 0));
  };
  {
    const OneShotServer server(serve);
    EXPECT_EQ(ProbeAt(server.port(), "localhost").result(), v1::PROBE_RESULT_KMS);
  }
  const OneShotServer server(serve, true);
  if (!server.usable()) GTEST_SKIP() << "this machine has no IPv6 loopback";
  EXPECT_EQ(ProbeAt(server.port(), "::1").result(), v1::PROBE_RESULT_KMS);
}

TEST(ProbeTest, ANameWithoutAddress) {
  DnsResponder dns;
  dns.Start();
  const auto probe = MakePortableProbe(absl::Seconds(20), {.servers = dns.server()})
                         ->Bind("gone.contoso.example", 1688);
  EXPECT_EQ(probe.result(), v1::PROBE_RESULT_UNRESOLVED);
  EXPECT_EQ(probe.detail(), "no address (0x8007232b)");
}

TEST(ProbeTest, PortsThatAreNone) {
  EXPECT_EQ(ProbeAt(0).result(), v1::PROBE_RESULT_UNRESOLVED);
  EXPECT_EQ(ProbeAt(70000).result(), v1::PROBE_RESULT_UNRESOLVED);
}

// Whatever a server sends, in whatever pieces: a verdict at the end, never a read past it.
TEST(BindAnswerTest, EveryPrefixAndEveryDamagedByteHasAVerdict) {
  const std::string good = BindAck(0, 0);
  for (size_t n = 0; n < good.size(); ++n) {
    EXPECT_FALSE(ReadBindAnswer(good.substr(0, n), false).has_value()) << n;
    ASSERT_TRUE(ReadBindAnswer(good.substr(0, n), true).has_value()) << n;
    EXPECT_NE(ReadBindAnswer(good.substr(0, n), true)->result, v1::PROBE_RESULT_UNSPECIFIED);
    for (const char damage : {'\0', '\x7f', '\xff'}) {
      std::string bad = good;
      bad[n] = damage;
      ASSERT_TRUE(ReadBindAnswer(bad, true).has_value()) << n;
    }
  }
  EXPECT_EQ(ReadBindAnswer(good, false)->result, v1::PROBE_RESULT_KMS);
}

}  // namespace
}  // namespace keymedic::systems
