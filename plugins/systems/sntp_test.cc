// SPDX-License-Identifier: Apache-2.0
//
// The clock question against a time server on the loopback that can say what no real one would.
#include "plugins/systems/portable/sntp.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "absl/synchronization/mutex.h"
#include "plugins/systems/loopback.h"

namespace keymedic::systems {
namespace {

constexpr uint64_t kSecond = uint64_t{1} << 32;
// 2026-11-26 12:00:00, as the protocol counts.
constexpr uint64_t kNoon = 3988699200 * kSecond;
const absl::Time kNoonTime = absl::FromUnixSeconds(3988699200 - 2208988800);

void Put(std::string& packet, size_t offset, uint64_t value) {
  for (size_t i = 0; i < 8; ++i) packet[offset + i] = static_cast<char>(value >> (56 - 8 * i));
}

// A server whose clock says noon.
std::string GoodAnswer(const std::string& question) {
  std::string packet(48, '\0');
  packet[0] = 0x24;  // no leap second, version 4, server
  packet[1] = 3;     // stratum
  packet.replace(24, 8, question, 40, 8);
  Put(packet, 32, kNoon);
  Put(packet, 40, kNoon);
  return packet;
}

class SntpTest : public testing::Test {
 protected:
  // Changes what a good server says.
  using Change = std::function<void(std::string& packet)>;

  absl::StatusOr<absl::Duration> Ask(Change change, absl::Time asked = kNoonTime,
                                     absl::Time answered = kNoonTime,
                                     absl::Duration limit = kTestPatience) {
    server_.Start([this, change](const std::string& question) {
      absl::MutexLock lock(&mutex_);
      question_ = question;
      std::string packet = GoodAnswer(question);
      change(packet);
      return packet;
    });
    return SntpOffset("127.0.0.1", server_.port(), limit,
                      [&, n = 0]() mutable { return n++ == 0 ? asked : answered; });
  }
  absl::Status Failure(Change change) { return Ask(std::move(change)).status(); }
  // What is no answer to this question is as good as none.
  absl::Status Ignored(Change change) {
    return Ask(std::move(change), kNoonTime, kNoonTime, absl::Milliseconds(100)).status();
  }

  std::string Question() {
    absl::MutexLock lock(&mutex_);
    return question_;
  }

  absl::Mutex mutex_;
  std::string question_;
  DatagramServer server_;
};

const auto kAsItIs = [](std::string&) {};

TEST_F(SntpTest, AheadIsPositive) {
  const auto offset = Ask(kAsItIs, kNoonTime + absl::Seconds(90), kNoonTime + absl::Seconds(92));
  ASSERT_TRUE(offset.ok()) << offset.status();
  EXPECT_EQ(*offset, absl::Seconds(91)) << "the way there and back counts half";
  ASSERT_EQ(Question().size(), 48u);
  EXPECT_EQ(Question()[0], 0x23) << "version 4, client";
}

TEST_F(SntpTest, BehindIsNegative) {
  const auto offset = Ask(
      [](std::string& packet) {
        Put(packet, 32, kNoon + kSecond / 4);
        Put(packet, 40, kNoon + kSecond * 3 / 4);
      },
      kNoonTime - absl::Hours(5), kNoonTime - absl::Hours(5) + absl::Seconds(1));
  ASSERT_TRUE(offset.ok()) << offset.status();
  EXPECT_EQ(*offset, -absl::Hours(5));
}

TEST_F(SntpTest, After2036TheSecondsStartAgain) {
  const auto later = [](std::string& packet) {
    Put(packet, 32, 10 * kSecond);
    Put(packet, 40, 10 * kSecond);
  };
  const absl::Time now = absl::FromUnixSeconds((int64_t{1} << 32) - 2208988800);
  const auto offset = Ask(later, now, now);
  ASSERT_TRUE(offset.ok()) << offset.status();
  EXPECT_EQ(*offset, absl::Seconds(-10));
}

TEST_F(SntpTest, AKissOfDeathIsNamed) {
  const absl::Status status = Failure([](std::string& packet) {
    packet[1] = 0;
    packet.replace(12, 4, "RATE");
  });
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_NE(status.message().find("RATE"), absl::string_view::npos) << status;
  EXPECT_NE(status.message().find("127.0.0.1:"), absl::string_view::npos) << status;
}

TEST_F(SntpTest, AServerThatIsNotSynchronised) {
  EXPECT_TRUE(absl::IsUnavailable(Failure([](std::string& packet) { packet[1] = 16; })));
}

TEST_F(SntpTest, AServerInAlarm) {
  EXPECT_TRUE(absl::IsUnavailable(Failure([](std::string& packet) { packet[0] = '\xE4'; })));
}

TEST_F(SntpTest, AnAnswerWithoutATime) {
  EXPECT_TRUE(absl::IsUnavailable(Failure([](std::string& packet) { Put(packet, 40, 0); })));
}

TEST_F(SntpTest, AnAnswerToAnotherQuestionIsNotTaken) {
  EXPECT_TRUE(absl::IsDeadlineExceeded(Ignored([](std::string& packet) { packet[24] ^= 1; })));
}

TEST_F(SntpTest, ABroadcastIsNotTaken) {
  EXPECT_TRUE(absl::IsDeadlineExceeded(Ignored([](std::string& packet) { packet[0] = 0x25; })));
}

TEST_F(SntpTest, HalfAnAnswerIsNotTaken) {
  EXPECT_TRUE(absl::IsDeadlineExceeded(Ignored([](std::string& packet) { packet.resize(47); })));
}

TEST_F(SntpTest, EachQuestionHasANumberOfItsOwn) {
  ASSERT_TRUE(Ask(kAsItIs).ok());
  const std::string first = Question();
  ASSERT_TRUE(SntpOffset("127.0.0.1", server_.port(), kTestPatience).ok());
  EXPECT_NE(first.substr(40), Question().substr(40));
}

TEST(SntpServerTest, NobodyServes) {
  uint16_t port;
  {
    const DatagramServer gone;
    port = gone.port();
  }
  const absl::Status status = SntpOffset("127.0.0.1", port, absl::Milliseconds(200)).status();
  // A system may tell of the closed port, or say nothing of it.
  EXPECT_TRUE(absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status)) << status;
}

TEST(SntpServerTest, ANameThatCannotBe) {
  const absl::Status status = SntpOffset("", 123, kTestPatience).status();
  EXPECT_TRUE(absl::IsNotFound(status)) << status;
}

}  // namespace
}  // namespace keymedic::systems
