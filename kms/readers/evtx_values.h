// SPDX-License-Identifier: Apache-2.0
//
// The values of an event-log export, as the text that XML would have for them. Pure; the bytes are
// a stranger's.
#ifndef KEYMEDIC_KMS_READERS_EVTX_VALUES_H_
#define KEYMEDIC_KMS_READERS_EVTX_VALUES_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace keymedic::kms::readers {

enum EvtxType : uint8_t {
  kNull = 0x00,
  kString = 0x01,
  kAnsi = 0x02,
  kGuid = 0x0F,
  kFileTime = 0x11,
  kSystemTime = 0x12,
  kHex32 = 0x14,
  kHex64 = 0x15,
  kBinXml = 0x21,
  kArray = 0x80,  // flag
};

// What an element or an attribute holds, while it is read.
struct EvtxContent {
  std::string text;
  std::vector<std::string> items;  // of an array: the element is there once for each
  std::optional<absl::Time> time;
  bool omitted = false;  // its value is an optional one that is not there

  void Append(absl::string_view more);  // up to a bound
};

void AppendValue(uint8_t type, absl::string_view bytes, EvtxContent& content);

// The instant of a FILETIME; nothing for what is none.
std::optional<absl::Time> TimeOfFileTime(uint64_t ticks);

}  // namespace keymedic::kms::readers

#endif  // KEYMEDIC_KMS_READERS_EVTX_VALUES_H_
