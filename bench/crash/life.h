// SPDX-License-Identifier: Apache-2.0
//
// The life of a process that can be killed at a chosen step. A step is what it does to the world
// outside: a write to its disk, a message, an act on its machine. Each seam of the process asks
// Step before it does one; from the fatal step on nothing leaves the process any more, so whatever
// its code still does in memory is as if it had not been.
//
// Threads: one.
#ifndef KEYMEDIC_BENCH_CRASH_LIFE_H_
#define KEYMEDIC_BENCH_CRASH_LIFE_H_

#include <cstdint>

namespace keymedic::bench {

class Life {
 public:
  // The step after `more` others is the one that is not taken. Replaces what was said before.
  void DieAfter(uint64_t more) { fatal_ = steps_ + more + 1; }
  void LiveOn() { fatal_ = 0; }

  bool Step() {
    if (dead_) return false;
    dead_ = ++steps_ == fatal_;
    return !dead_;
  }
  bool dead() const { return dead_; }

 private:
  uint64_t steps_ = 0;
  uint64_t fatal_ = 0;  // 0: none
  bool dead_ = false;
};

}  // namespace keymedic::bench

#endif  // KEYMEDIC_BENCH_CRASH_LIFE_H_
