// SPDX-License-Identifier: Apache-2.0
//
// Two clocks. What only computes is measured in time of this thread on its processor, which the
// other work of the machine does not lengthen; on a quiet machine both say the same. What waits for
// a disk is measured by the clock on the wall.
#ifndef KEYMEDIC_BENCH_DIAGNOSIS_TIMING_H_
#define KEYMEDIC_BENCH_DIAGNOSIS_TIMING_H_

#include <time.h>

#include <algorithm>

namespace keymedic::bench {

inline double SecondsOf(clockid_t clock) {
  timespec now;
  clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

class Stopwatch {
 public:
  explicit Stopwatch(clockid_t clock = CLOCK_THREAD_CPUTIME_ID)
      : clock_(clock), start_(SecondsOf(clock)) {}
  double Seconds() const { return SecondsOf(clock_) - start_; }

 private:
  const clockid_t clock_;
  const double start_;
};

// The best of a few rounds, in seconds.
template <typename Work>
double BestOf(int rounds, Work work) {
  double best = 0;
  for (int round = 0; round < rounds; ++round) {
    const Stopwatch watch;
    work();
    best = round == 0 ? watch.Seconds() : std::min(best, watch.Seconds());
  }
  return best;
}

}  // namespace keymedic::bench

#endif  // KEYMEDIC_BENCH_DIAGNOSIS_TIMING_H_
