// SPDX-License-Identifier: Apache-2.0
//
// Captures as large as people bring them: an Application log of thousands of foreign events with a
// few of the licensing service, in each form in which Windows exports it, and one file with the
// reports of thousands of machines. The same arguments give the same bytes.
#ifndef KEYMEDIC_BENCH_DIAGNOSIS_CAPTURES_H_
#define KEYMEDIC_BENCH_DIAGNOSIS_CAPTURES_H_

#include <string>
#include <vector>

namespace keymedic::bench {

struct Capture {
  std::string kind;  // "text", "xml", …
  std::string file;
  size_t machines = 0;  // that the file shows
};

std::vector<Capture> LargeCaptures(size_t bytes_each);

}  // namespace keymedic::bench

#endif  // KEYMEDIC_BENCH_DIAGNOSIS_CAPTURES_H_
