// SPDX-License-Identifier: Apache-2.0
//
// Little-endian numbers in bytes of unknown origin. The caller has checked that they are there.
#ifndef KEYMEDIC_KMS_READERS_BYTES_H_
#define KEYMEDIC_KMS_READERS_BYTES_H_

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"

namespace keymedic::kms::readers {

template <typename Number>
Number LittleEndian(absl::string_view bytes, size_t at) {
  uint64_t number = 0;
  for (size_t i = 0; i < sizeof(Number); ++i) {
    number |= static_cast<uint64_t>(static_cast<uint8_t>(bytes[at + i])) << (8 * i);
  }
  return static_cast<Number>(number);
}

}  // namespace keymedic::kms::readers

#endif  // KEYMEDIC_KMS_READERS_BYTES_H_
