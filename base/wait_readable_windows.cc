// SPDX-License-Identifier: Apache-2.0
#include "base/wait_readable.h"

namespace keymedic {

absl::Status WaitReadable(int, absl::Time deadline) {
  if (deadline == absl::InfiniteFuture()) return absl::OkStatus();
  return absl::UnimplementedError(
      "a frame cannot be waited for with a deadline on Windows; read it without one");
}

}  // namespace keymedic
