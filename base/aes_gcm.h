// SPDX-License-Identifier: Apache-2.0
//
// AES-256-GCM: hides a short text, and shows whether it was changed or moved. `context` says where
// it belongs (the key of its row, say): sealed for one place it does not open in another.
//
// Threads: any; nothing is shared. Errors never repeat a text or a key.
#ifndef KEYMEDIC_BASE_AES_GCM_H_
#define KEYMEDIC_BASE_AES_GCM_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/random.h"

namespace keymedic::aes_gcm {

inline constexpr size_t kKeyBytes = 32;

// Nonce (12 bytes, a new one from `random`), what was hidden, tag (16 bytes). kInvalidArgument: the
// key is of another length.
absl::StatusOr<std::string> Seal(absl::string_view key, absl::string_view text,
                                 absl::string_view context, Random& random);

// kDataLoss: sealed with another key or for another context, or changed since.
absl::StatusOr<std::string> Open(absl::string_view key, absl::string_view sealed,
                                 absl::string_view context);

}  // namespace keymedic::aes_gcm

#endif  // KEYMEDIC_BASE_AES_GCM_H_
