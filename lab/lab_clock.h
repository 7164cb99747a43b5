// SPDX-License-Identifier: Apache-2.0
//
// Time in a lab: as in the world outside, or faster.
#ifndef KEYMEDIC_LAB_LAB_CLOCK_H_
#define KEYMEDIC_LAB_LAB_CLOCK_H_

#include "base/clock.h"

namespace keymedic::lab {

// Begins at the instant at which it is made, and passes `speed` times as fast as `real`, which
// outlives it. May be called from any thread.
class LabClock final : public Clock {
 public:
  LabClock(const Clock& real, double speed) : real_(real), speed_(speed), start_(real.Now()) {}
  absl::Time Now() const override { return start_ + (real_.Now() - start_) * speed_; }

 private:
  const Clock& real_;
  const double speed_;
  const absl::Time start_;
};

}  // namespace keymedic::lab

#endif  // KEYMEDIC_LAB_LAB_CLOCK_H_
