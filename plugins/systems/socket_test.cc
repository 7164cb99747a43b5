// SPDX-License-Identifier: Apache-2.0
#include "plugins/systems/portable/socket.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "plugins/systems/loopback.h"

namespace keymedic::systems {
namespace {

absl::Time Patience() { return absl::Now() + kTestPatience; }

absl::StatusOr<TcpSocket> Dial(uint16_t port, bool v6 = false) {
  const LoopbackAddress address(port, v6);
  return TcpSocket::Connect(address.get(), address.size, Patience());
}

TEST(TcpSocketTest, SendsAllAndTellsTheEndOfTheStream) {
  // More than the buffers of both ends hold, so that sending must wait for the reader.
  const std::string much(8 << 20, 'x');
  std::string received;
  const OneShotServer server([&](Peer& peer) {
    received = peer.Read(much.size());
    peer.Say("thanks");
  });
  auto socket = Dial(server.port());
  ASSERT_TRUE(socket.ok()) << socket.status();
  EXPECT_TRUE(socket->Send(much, Patience()).ok());
  std::string answer;
  while (answer.size() < 6) {
    const auto bytes = socket->Receive(Patience());
    ASSERT_TRUE(bytes.ok()) << bytes.status();
    answer += *bytes;
  }
  EXPECT_EQ(answer, "thanks");
  EXPECT_EQ(received, much);
  EXPECT_TRUE(absl::IsOutOfRange(socket->Receive(Patience()).status()));
}

TEST(TcpSocketTest, Refused) {
  uint16_t port;
  {
    const OneShotServer gone([](Peer&) {});
    port = gone.port();
  }
  const auto socket = Dial(port);
  EXPECT_TRUE(absl::IsUnavailable(socket.status())) << socket.status();
}

TEST(TcpSocketTest, Reset) {
  const OneShotServer server([](Peer& peer) {
    peer.Read(1);
    peer.ResetAtEnd();
  });
  auto socket = Dial(server.port());
  ASSERT_TRUE(socket.ok()) << socket.status();
  ASSERT_TRUE(socket->Send("x", Patience()).ok());
  const auto bytes = socket->Receive(Patience());
#ifdef _WIN32
  // Wine, waiting, takes the error away: a reset then looks like an end in order.
  if (absl::IsOutOfRange(bytes.status())) return;
#endif
  EXPECT_TRUE(absl::IsAborted(bytes.status())) << bytes.status();
}

TEST(TcpSocketTest, NoCallOutlastsItsDeadline) {
  absl::Notification over;
  const OneShotServer server([&](Peer&) { over.WaitForNotification(); });
  auto socket = Dial(server.port());
  ASSERT_TRUE(socket.ok()) << socket.status();
  const auto soon = [] { return absl::Now() + absl::Milliseconds(50); };
  EXPECT_TRUE(absl::IsDeadlineExceeded(socket->Receive(soon()).status()));
  EXPECT_TRUE(absl::IsDeadlineExceeded(socket->Receive(absl::InfinitePast()).status()));
  const absl::Status sent = socket->Send(std::string(64 << 20, 'x'), soon());
  EXPECT_TRUE(absl::IsDeadlineExceeded(sent)) << sent;
  over.Notify();
}

TEST(TcpSocketTest, AMovedSocketIsClosedOnce) {
  std::string rest = "?";
  {
    const OneShotServer server([&](Peer& peer) { rest = peer.ReadRest(); });
    auto first = Dial(server.port());
    ASSERT_TRUE(first.ok()) << first.status();
    TcpSocket second = *std::move(first);
    TcpSocket third = std::move(second);
    EXPECT_TRUE(third.Send("over", Patience()).ok());
  }
  EXPECT_EQ(rest, "over");
}

TEST(UdpSocketTest, OneAnswerToOneDatagram) {
  DatagramServer server;
  server.Start([](const std::string& question) { return question == "a" ? "b" : ""; });
  const LoopbackAddress address(server.port());
  auto socket = UdpSocket::Connect(address.get(), address.size);
  ASSERT_TRUE(socket.ok()) << socket.status();
  ASSERT_TRUE(socket->Send("a").ok());
  const auto answer = socket->Receive(Patience());
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(*answer, "b");
  ASSERT_TRUE(socket->Send("c").ok());
  EXPECT_TRUE(
      absl::IsDeadlineExceeded(socket->Receive(absl::Now() + absl::Milliseconds(50)).status()));
}

}  // namespace
}  // namespace keymedic::systems
