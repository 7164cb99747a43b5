// SPDX-License-Identifier: Apache-2.0
//
// How many files and connections a process may have open: by custom 1,024, which is few for one
// that a fleet connects to.
#ifndef KEYMEDIC_BASE_FILE_LIMIT_H_
#define KEYMEDIC_BASE_FILE_LIMIT_H_

#include <cstdint>

#include "absl/status/status.h"

namespace keymedic {

// Raises this process' limit to `wanted`, or as far as it may: kResourceExhausted, naming both. A
// limit that is high enough stays as it is.
absl::Status RaiseFileLimit(uint64_t wanted);

}  // namespace keymedic

#endif  // KEYMEDIC_BASE_FILE_LIMIT_H_
