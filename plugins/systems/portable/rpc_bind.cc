// SPDX-License-Identifier: Apache-2.0
#include "plugins/systems/portable/rpc_bind.h"

#include <cstdint>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace keymedic::systems {
namespace {

constexpr size_t kHeaderSize = 16;
constexpr uint8_t kFault = 3, kBindAck = 12, kBindNak = 13;
// The longest answer to a bind of one interface that is read; a real one has 60 bytes.
constexpr size_t kMostBytes = 5840;

// Numbers of one answer, in the byte order that its header names.
class Reader {
 public:
  explicit Reader(absl::string_view bytes)
      : bytes_(bytes), little_((static_cast<uint8_t>(bytes[4]) & 0x10) != 0) {}
  std::optional<uint16_t> U16(size_t offset) const {
    if (offset + 2 > bytes_.size()) return std::nullopt;
    const uint16_t a = static_cast<uint8_t>(bytes_[offset]);
    const uint16_t b = static_cast<uint8_t>(bytes_[offset + 1]);
    return static_cast<uint16_t>(little_ ? a | b << 8 : a << 8 | b);
  }

 private:
  absl::string_view bytes_;
  bool little_;
};

// The first line of what an unknown server said, for people.
std::string Shown(absl::string_view bytes) {
  std::string text;
  for (const char c : bytes.substr(0, 40)) {
    if (c == '\r' || c == '\n') break;
    text.push_back(absl::ascii_isprint(static_cast<unsigned char>(c)) ? c : '.');
  }
  return text;
}

BindVerdict NotRpc(absl::string_view bytes) {
  return {v1::PROBE_RESULT_NOT_RPC, absl::StrCat("answered \"", Shown(bytes), "\"")};
}

BindVerdict ReadBindAck(absl::string_view pdu) {
  const Reader reader(pdu);
  const BindVerdict damaged{v1::PROBE_RESULT_NOT_RPC,
                            absl::StrCat("a bind_ack of ", pdu.size(), " bytes that is cut off")};
  const auto address_length = reader.U16(24);
  if (!address_length) return damaged;
  const size_t results = (26 + *address_length + 3) / 4 * 4;
  const auto result = reader.U16(results + 4);
  const auto reason = reader.U16(results + 6);
  if (!result || !reason || pdu[results] == 0) return damaged;
  if (*result == 0) return {v1::PROBE_RESULT_KMS, "bind accepted"};
  if (*reason == 1) {
    return {v1::PROBE_RESULT_NOT_KMS, "bind rejected: this server does not offer the interface"};
  }
  return {v1::PROBE_RESULT_NOT_KMS,
          absl::StrCat("bind rejected: result ", *result, ", reason ", *reason)};
}

}  // namespace

std::string KmsBindPdu() {
  static constexpr uint8_t kPdu[72] = {
      5, 0, 11, 0x03, 0x10, 0, 0, 0,  // version 5.0, bind, first and last fragment, little endian
      72, 0, 0, 0, 1, 0, 0, 0,        // length, no authentication, call 1
      0xD0, 0x16, 0xD0, 0x16, 0, 0, 0, 0,  // fragments up to 5840 bytes, new association
      1, 0, 0, 0, 0, 0, 1, 0,              // one context with one transfer syntax
      // 51c82175-844e-4750-b0d8-ec255555bc06, version 1.0
      0x75, 0x21, 0xC8, 0x51, 0x4E, 0x84, 0x50, 0x47,  //
      0xB0, 0xD8, 0xEC, 0x25, 0x55, 0x55, 0xBC, 0x06, 1, 0, 0, 0,
      // 8a885d04-1ceb-11c9-9fe8-08002b104860 (NDR), version 2
      0x04, 0x5D, 0x88, 0x8A, 0xEB, 0x1C, 0xC9, 0x11,  //
      0x9F, 0xE8, 0x08, 0x00, 0x2B, 0x10, 0x48, 0x60, 2, 0, 0, 0};
  return std::string(reinterpret_cast<const char*>(kPdu), sizeof(kPdu));
}

std::optional<BindVerdict> ReadBindAnswer(absl::string_view bytes, bool ended) {
  if (bytes.empty()) {
    if (!ended) return std::nullopt;
    return BindVerdict{v1::PROBE_RESULT_RESET, "closed the connection without an answer"};
  }
  if (bytes[0] != 5 || (bytes.size() > 1 && static_cast<uint8_t>(bytes[1]) > 1)) {
    return NotRpc(bytes);
  }
  if (bytes.size() < kHeaderSize) {
    if (ended) return NotRpc(bytes);
    return std::nullopt;
  }
  const size_t length = *Reader(bytes).U16(8);
  if (length < kHeaderSize || length > kMostBytes) return NotRpc(bytes);
  if (bytes.size() < length && !ended) return std::nullopt;
  const absl::string_view pdu = bytes.substr(0, length);
  switch (const uint8_t type = static_cast<uint8_t>(pdu[2])) {
    case kBindAck:
      return ReadBindAck(pdu);
    case kBindNak:
      return BindVerdict{v1::PROBE_RESULT_NOT_KMS, "bind refused (bind_nak)"};
    case kFault:
      return BindVerdict{v1::PROBE_RESULT_NOT_KMS, "bind answered by a fault"};
    default:
      return BindVerdict{v1::PROBE_RESULT_NOT_RPC,
                         absl::StrCat("answered the bind by a message of type ", type)};
  }
}

}  // namespace keymedic::systems
