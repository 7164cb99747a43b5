// SPDX-License-Identifier: Apache-2.0
//
// Estates as they come: several sites and zones, pools around their thresholds, machines of many
// editions, and faults of every kind, several to a pool. Pure: the same options, the same estate.
#ifndef KEYMEDIC_LAB_GENERATE_H_
#define KEYMEDIC_LAB_GENERATE_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "keymedic/lab/v1/estate.pb.h"

namespace keymedic::lab {

struct GenerateOptions {
  uint32_t machines = 500;  // hosts and clients together: 30 to 5000
  uint64_t seed = 1;
  std::string faults = "all";  // "all", "none", or names with commas between them
};

// kInvalidArgument for a number out of range, or a fault that is not known.
absl::StatusOr<v1::Estate> GenerateEstate(const GenerateOptions& options);

// As a file that ParseEstate takes.
std::string EstateText(const v1::Estate& estate);

}  // namespace keymedic::lab

#endif  // KEYMEDIC_LAB_GENERATE_H_
