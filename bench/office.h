// SPDX-License-Identifier: Apache-2.0
//
// The plainest estate, for a lab: one site, its KMS host kms-1, and clients pc-001 and on, or
// with another prefix.
#ifndef KEYMEDIC_BENCH_OFFICE_H_
#define KEYMEDIC_BENCH_OFFICE_H_

#include <string>

#include "absl/strings/string_view.h"
#include "absl/strings/substitute.h"

namespace keymedic::bench {

// In the text form of keymedic.lab.v1.Estate; faults can be appended.
inline std::string OfficeEstate(size_t clients, absl::string_view prefix = "pc") {
  return absl::Substitute(R"(
name: "office"
sites { name: "office" dns_domain: "office.example" }
kms_hosts {
  name: "kms-1" site: "office" edition_id: "ServerStandard" build: 20348
  csvlk_family: "Windows Server 2022"
}
client_groups { prefix: "$1" count: $0 site: "office" edition_id: "Enterprise" build: 22631 }
)",
                          clients, prefix);
}

}  // namespace keymedic::bench

#endif  // KEYMEDIC_BENCH_OFFICE_H_
