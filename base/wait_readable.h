// SPDX-License-Identifier: Apache-2.0
//
// Part of frames.cc that each system does in its own way.
#ifndef KEYMEDIC_BASE_WAIT_READABLE_H_
#define KEYMEDIC_BASE_WAIT_READABLE_H_

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace keymedic {

// Until a read of `fd` does not block, or has an error to tell. kDeadlineExceeded. On Windows,
// where a file descriptor cannot be waited for, kUnimplemented for any deadline but the infinite
// future.
absl::Status WaitReadable(int fd, absl::Time deadline);

}  // namespace keymedic

#endif  // KEYMEDIC_BASE_WAIT_READABLE_H_
