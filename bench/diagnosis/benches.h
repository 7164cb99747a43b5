// SPDX-License-Identifier: Apache-2.0
//
// The figures of the diagnosis. Each function measures, prints its lines and says what was not as
// expected: a figure of work that was not done is none.
#ifndef KEYMEDIC_BENCH_DIAGNOSIS_BENCHES_H_
#define KEYMEDIC_BENCH_DIAGNOSIS_BENCHES_H_

#include <cstddef>

#include "absl/status/status.h"

namespace keymedic::bench {

// MB/s from bytes to machine states, for each kind of capture.
absl::Status BenchReaders(size_t megabytes);

}  // namespace keymedic::bench

#endif  // KEYMEDIC_BENCH_DIAGNOSIS_BENCHES_H_
