// SPDX-License-Identifier: Apache-2.0
//
// The endpoint probe against small servers on loopback ports of the kernel's choice.
#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "absl/synchronization/notification.h"
#include "plugins/systems/dns_responder.h"
#include "plugins/systems/loopback.h"
#include "plugins/systems/portable/portable.h"
#include "plugins/systems/portable/rpc_bind.h"

namespace keymedic::systems {
namespace {

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

v1::Probe ProbeServer(std::function<void(Peer&)> serve) {
  const OneShotServer server(std::move(serve));
  return ProbeAt(server.port());
}

TEST(ProbeTest, AKmsInterfaceListensAndGetsOneBindAndNothingElse) {
  std::string received, rest;
  {
    const OneShotServer server([&](Peer& peer) {
      received = peer.Read(72);
      peer.Say(BindAck(0, 0));
      rest = peer.ReadRest();
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
  const auto probe = ProbeServer([](Peer& peer) {
    peer.Read(72);
    for (const char c : BindAck(0, 0)) peer.Say(std::string(1, c));
  });
  EXPECT_EQ(probe.result(), v1::PROBE_RESULT_KMS) << probe.detail();
}

TEST(ProbeTest, TheInterfaceIsNotOffered) {
  const auto probe = ProbeServer([](Peer& peer) {
    peer.Read(72);
    peer.Say(BindAck(2, 1));
  });
  EXPECT_EQ(probe.result(), v1::PROBE_RESULT_NOT_KMS) << probe.detail();
}

TEST(ProbeTest, BindNak) {
  const auto probe = ProbeServer([](Peer& peer) {
    peer.Read(72);
    peer.Say(Header(13, 20) + std::string(4, '\0'));
  });
  EXPECT_EQ(probe.result(), v1::PROBE_RESULT_NOT_KMS) << probe.detail();
}

TEST(ProbeTest, AWebServer) {
  const auto probe = ProbeServer([](Peer& peer) {
    peer.Read(72);
    peer.Say("HTTP/1.1 400 Bad Request\r\n\r\n");
  });
  EXPECT_EQ(probe.result(), v1::PROBE_RESULT_NOT_RPC);
  EXPECT_EQ(probe.detail(), "answered \"HTTP/1.1 400 Bad Request\"");
}

TEST(ProbeTest, Garbage) {
  const auto probe = ProbeServer([](Peer& peer) {
    peer.Read(72);
    peer.Say(std::string("\x05\x00\x0c\x03\x10\0\0\0\xff\xff", 10) + std::string(500, '\xee'));
  });
  EXPECT_EQ(probe.result(), v1::PROBE_RESULT_NOT_RPC) << probe.detail();
}

TEST(ProbeTest, Reset) {
  const auto probe = ProbeServer([](Peer& peer) {
    peer.Read(72);
    peer.ResetAtEnd();
  });
  EXPECT_EQ(probe.result(), v1::PROBE_RESULT_RESET) << probe.detail();
}

TEST(ProbeTest, ClosedWithoutAnAnswer) {
  const auto probe = ProbeServer([](Peer& peer) { peer.Read(72); });
  EXPECT_EQ(probe.result(), v1::PROBE_RESULT_RESET) << probe.detail();
}

TEST(ProbeTest, SilentServer) {
  absl::Notification probed;
  const OneShotServer server([&](Peer&) { probed.WaitForNotification(); });
  const auto probe = ProbeAt(server.port(), "127.0.0.1", absl::Milliseconds(100));
  probed.Notify();
  EXPECT_EQ(probe.result(), v1::PROBE_RESULT_TIMEOUT) << probe.detail();
}

TEST(ProbeTest, NobodyListens) {
  uint32_t port;
  {
    const OneShotServer gone([](Peer&) {});
    port = gone.port();
  }
  EXPECT_EQ(ProbeAt(port).result(), v1::PROBE_RESULT_REFUSED);
}

TEST(ProbeTest, ByNameAndOverIpv6) {
  const auto serve = [](Peer& peer) {
    peer.Read(72);
    peer.Say(BindAck(0, 0));
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
