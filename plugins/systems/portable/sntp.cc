// SPDX-License-Identifier: Apache-2.0
#include "plugins/systems/portable/sntp.h"

#include <optional>
#include <random>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "plugins/systems/portable/resolver.h"
#include "plugins/systems/portable/socket.h"

namespace keymedic::systems {
namespace {

constexpr size_t kPacketSize = 48;
constexpr size_t kReferenceId = 12, kOriginate = 24, kReceive = 32, kTransmit = 40;
constexpr int kClient = 3, kServer = 4, kVersion = 4, kNoTime = 3;
constexpr int64_t kFrom1900To1970 = 2208988800;

uint64_t Number(absl::string_view packet, size_t offset) {
  uint64_t value = 0;
  for (const char c : packet.substr(offset, 8)) value = value << 8 | static_cast<uint8_t>(c);
  return value;
}

// Seconds since 1900 and a binary fraction. With the first bit clear it is 2036 or later.
absl::Time TimeOf(uint64_t timestamp) {
  const int64_t seconds = static_cast<int64_t>(timestamp >> 32);
  const int64_t era = seconds & 0x80000000 ? 0 : int64_t{1} << 32;
  const double fraction = static_cast<double>(timestamp & 0xFFFFFFFF) / 4294967296.0;
  return absl::FromUnixSeconds(seconds + era - kFrom1900To1970) + absl::Seconds(fraction);
}

std::string Question(uint64_t nonce) {
  std::string packet(kPacketSize, '\0');
  packet[0] = static_cast<char>(kVersion << 3 | kClient);
  for (size_t i = 0; i < 8; ++i) packet[kTransmit + i] = static_cast<char>(nonce >> (56 - 8 * i));
  return packet;
}

// What a server with stratum 0 says of itself: RATE, DENY, INIT.
std::string KissCode(absl::string_view packet) {
  std::string code;
  for (const char c : packet.substr(kReferenceId, 4)) {
    if (absl::ascii_isgraph(static_cast<unsigned char>(c))) code.push_back(c);
  }
  return code.empty() ? "without a reason" : code;
}

struct Answer {
  absl::Time received, sent;  // by the server's clock
};

// Nothing: no answer to this question.
std::optional<absl::StatusOr<Answer>> ReadAnswer(absl::string_view packet, uint64_t nonce) {
  if (packet.size() < kPacketSize || (packet[0] & 7) != kServer ||
      Number(packet, kOriginate) != nonce) {
    return std::nullopt;
  }
  const int leap = static_cast<uint8_t>(packet[0]) >> 6;
  const int stratum = static_cast<uint8_t>(packet[1]);
  if (stratum == 0) {
    return absl::UnavailableError(absl::StrCat("it sends us away (", KissCode(packet), ")"));
  }
  if (leap == kNoTime || stratum > 15) {
    return absl::UnavailableError("its own clock is not synchronised");
  }
  if (Number(packet, kTransmit) == 0 || Number(packet, kReceive) == 0) {
    return absl::UnavailableError("it answers without a time");
  }
  return Answer{TimeOf(Number(packet, kReceive)), TimeOf(Number(packet, kTransmit))};
}

absl::StatusOr<absl::Duration> Ask(const Address& address, absl::Time deadline,
                                   const std::function<absl::Time()>& clock) {
  KM_ASSIGN_OR_RETURN(UdpSocket socket,
                      UdpSocket::Connect(reinterpret_cast<const sockaddr*>(&address.storage),
                                         static_cast<int>(address.size)));
  std::random_device random;
  const uint64_t nonce = static_cast<uint64_t>(random()) << 32 | random();
  const absl::Time asked = clock();
  KM_RETURN_IF_ERROR(socket.Send(Question(nonce)));
  while (true) {
    KM_ASSIGN_OR_RETURN(const std::string packet, socket.Receive(deadline));
    const absl::Time answered = clock();
    const auto answer = ReadAnswer(packet, nonce);
    if (!answer) continue;
    KM_RETURN_IF_ERROR(answer->status());
    return ((asked - (*answer)->received) + (answered - (*answer)->sent)) / 2;
  }
}

}  // namespace

absl::StatusOr<absl::Duration> SntpOffset(absl::string_view server, uint16_t port,
                                          absl::Duration limit,
                                          const std::function<absl::Time()>& clock) {
  const absl::Time deadline = absl::Now() + limit;
  const AddressAnswer name = Resolver({}).LookupAddresses(server, port, limit);
  if (name.addresses.empty()) {
    return absl::NotFoundError(absl::StrCat("time server ", server, " has no address (0x",
                                            absl::Hex(name.error, absl::kZeroPad8), ")"));
  }
  auto offset = Ask(name.addresses.front(), deadline, clock);
  if (offset.ok()) return offset;
  // A closed port is told as a refusal or as a reset.
  const auto code = absl::IsDeadlineExceeded(offset.status()) ? absl::StatusCode::kDeadlineExceeded
                                                              : absl::StatusCode::kUnavailable;
  return absl::Status(
      code, absl::StrCat("time server ", server, ":", port, ": ", offset.status().message()));
}

}  // namespace keymedic::systems
