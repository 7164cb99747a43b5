// SPDX-License-Identifier: Apache-2.0
#ifndef KEYMEDIC_BASE_HASH_H_
#define KEYMEDIC_BASE_HASH_H_

#include <string>

#include "absl/strings/string_view.h"
#include "google/protobuf/message_lite.h"

namespace keymedic {

std::string Sha256(absl::string_view data);     // 32 bytes
std::string Sha256Hex(absl::string_view data);  // 64 lower case digits
// Compares secrets or their hashes without telling by its duration where they differ.
bool ConstantTimeEqual(absl::string_view a, absl::string_view b);
// Same message, same bytes (map fields in key order): what section hashes and plan hashes are over.
std::string SerializeDeterministic(const google::protobuf::MessageLite& message);

}  // namespace keymedic

#endif  // KEYMEDIC_BASE_HASH_H_
