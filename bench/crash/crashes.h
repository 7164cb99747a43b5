// SPDX-License-Identifier: Apache-2.0
//
// Does a command change its machine once, whatever dies? Remediations of estates whose processes
// are killed: first one process at each step that it takes in turn, then everyone at random.
//
// Errors: of the disk under `dir`; a remediation that does not end.
#ifndef KEYMEDIC_BENCH_CRASH_CRASHES_H_
#define KEYMEDIC_BENCH_CRASH_CRASHES_H_

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "bench/crash/administrator.h"

namespace keymedic::bench {

using Progress = std::function<void(const Tally& so_far)>;

// Kills the process called `victim` at its first step, then (all being well again) at its second,
// and so on until a whole remediation takes fewer steps. Nobody else dies.
absl::StatusOr<Tally> KillAtEachStep(const std::string& dir, const std::string& victim,
                                     const Progress& progress);

// Kills controller, agents and plugins at random until there were `crashes`.
absl::StatusOr<Tally> KillAtRandom(const std::string& dir, uint64_t seed, uint64_t crashes,
                                   const Progress& progress);

}  // namespace keymedic::bench

#endif  // KEYMEDIC_BENCH_CRASH_CRASHES_H_
