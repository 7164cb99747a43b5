// SPDX-License-Identifier: Apache-2.0
//
// Time is passed in. Production code takes a Clock; tests and the lab bring their own.
// All implementations may be called from any thread.
#ifndef KEYMEDIC_BASE_CLOCK_H_
#define KEYMEDIC_BASE_CLOCK_H_

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace keymedic {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual absl::Time Now() const = 0;
};

class SystemClock final : public Clock {
 public:
  absl::Time Now() const override { return absl::Now(); }
};

}  // namespace keymedic

#endif  // KEYMEDIC_BASE_CLOCK_H_
