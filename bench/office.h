// SPDX-License-Identifier: Apache-2.0
//
// The plainest estate, for a lab: one site, its KMS host kms-1, and clients pc-001 and on.
#ifndef KEYMEDIC_BENCH_OFFICE_H_
#define KEYMEDIC_BENCH_OFFICE_H_

#include <string>

#include "absl/strings/substitute.h"

namespace keymedic::bench {

// In the text form of keymedic.lab.v1.Estate; faults can be appended.
inline std::string OfficeEstate(size_t clients) {
  return absl::Substitute(R"(
name: "office"
sites { name: "office" dns_domain: "office.example" }
kms_hosts {
  name: "kms-1" site: "office" edition_id: "ServerStandard" build: 20348
  csvlk_family: "Windows Server 2022"
}
client_groups { prefix: "pc" count: $0 site: "office" edition_id: "Enterprise" build: 22631 }
)",
                          clients);
}

}  // namespace keymedic::bench

#endif  // KEYMEDIC_BENCH_OFFICE_H_
