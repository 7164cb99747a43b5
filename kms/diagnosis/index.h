// SPDX-License-Identifier: Apache-2.0
//
// What an Estate knows besides the machines themselves: who shares a machine id, who is called
// what, what name servers say, who cannot reach whom. Kept up to date by Upsert and Remove, so that
// no rule ever walks the estate.
#ifndef KEYMEDIC_KMS_DIAGNOSIS_INDEX_H_
#define KEYMEDIC_KMS_DIAGNOSIS_INDEX_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/btree_set.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "kms/diagnosis/diagnosis.h"

namespace keymedic::kms {

// What machines see of one SRV target or probed host.
struct Target {
  absl::flat_hash_set<std::string> failing;              // machine ids whose probe of it fails
  absl::flat_hash_set<std::string> reaching;             // machine ids whose probe of it succeeds
  absl::flat_hash_map<std::string, uint32_t> listed_by;  // machine id -> SRV port it is told
  absl::flat_hash_set<std::string> unresolved_by;        // machine ids that find no address for it
  std::map<std::string, uint32_t> zones;  // SRV name -> how many machines see this target there
};

struct Estate::Index {
  absl::flat_hash_map<std::string, std::unique_ptr<MachineState>> machines;  // by id
  absl::flat_hash_map<std::string, absl::btree_set<std::string>> by_cmid;    // -> ids
  absl::flat_hash_map<std::string, absl::btree_set<std::string>>
      by_name;                                       // short and full, lower case -> ids
  absl::flat_hash_map<std::string, Target> targets;  // host as others name it, lower case
  absl::btree_set<std::string> hosts;                // ids of KMS hosts
  absl::flat_hash_set<std::string> directory_users;  // ids activated by the directory

  // All that others see of this machine, under its short and its full name.
  std::vector<const Target*> TargetsOf(const MachineState& machine) const;
};

// The names others may use for it, lower case: full if the domain is known, and short.
std::vector<std::string> NamesOf(const MachineState& machine);

}  // namespace keymedic::kms

#endif  // KEYMEDIC_KMS_DIAGNOSIS_INDEX_H_
