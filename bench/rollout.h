// SPDX-License-Identifier: Apache-2.0
#ifndef KEYMEDIC_BENCH_ROLLOUT_H_
#define KEYMEDIC_BENCH_ROLLOUT_H_

#include <string>

#include "absl/status/status.h"

namespace keymedic::bench {

// One change on each of `agents` lab machines, all in one wave behind a canary: prints the seconds
// of the plan, and those from the start to the last verified machine. Floor: the bare server's
// time for as many exchanges of messages on as many streams.
absl::Status BenchRollout(const std::string& build, size_t agents);

}  // namespace keymedic::bench

#endif  // KEYMEDIC_BENCH_ROLLOUT_H_
