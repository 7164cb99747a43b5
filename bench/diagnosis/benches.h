// SPDX-License-Identifier: Apache-2.0
//
// The figures of the diagnosis. Each function measures, prints its lines and says what was not as
// expected: a figure of work that was not done is none.
#ifndef KEYMEDIC_BENCH_DIAGNOSIS_BENCHES_H_
#define KEYMEDIC_BENCH_DIAGNOSIS_BENCHES_H_

#include <cstddef>
#include <string>

#include "absl/status/status.h"

namespace keymedic::bench {

// MB/s from bytes to machine states, for each kind of capture, or for the one of that name.
absl::Status BenchReaders(size_t megabytes, const std::string& kind);

// Seconds from stored rows to the folded view of all machines, in memory and through SQLite.
absl::Status BenchEstate(size_t machines);

// Microseconds for one changed machine in estates of a thousand to `largest` machines.
absl::Status BenchChange(size_t largest, bool in_memory, bool in_sqlite);

}  // namespace keymedic::bench

#endif  // KEYMEDIC_BENCH_DIAGNOSIS_BENCHES_H_
