// SPDX-License-Identifier: Apache-2.0
//
// Faults by name. Each changes the world (a rule off, a record gone, a key swapped); what agents
// then see follows from the world's mechanics.
#ifndef KEYMEDIC_LAB_FAULTS_H_
#define KEYMEDIC_LAB_FAULTS_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "keymedic/lab/v1/estate.pb.h"
#include "lab/landscape.h"

namespace keymedic::lab {

struct PlannedFault;

// What a fault changes. A machine has at most one fault for each of these: of two, the second would
// undo the first.
enum Touches : uint32_t {
  kTouchesKey = 1 << 0,    // the key, and how far it is activated
  kTouchesWay = 1 << 1,    // which host a client asks; of a host: its address
  kTouchesNames = 1 << 2,  // name servers and suffixes
  kTouchesId = 1 << 3,     // the client machine id
  kTouchesClock = 1 << 4,
  kTouchesCaching = 1 << 5,
  kTouchesType = 1 << 6,      // AD, KMS, token
  kTouchesActivity = 1 << 7,  // whether it tries at all
  kTouchesAgent = 1 << 8,
  kTouchesFirewall = 1 << 9,
  kTouchesService = 1 << 10,
  kTouchesPort = 1 << 11,
  kTouchesRecord = 1 << 12,  // a host's publishing and its own record
  kTouchesLog = 1 << 13,
  kTouchesCount = 1 << 14,
  kTouchesNetwork = 1 << 15,
};
inline constexpr uint32_t kTouchesWholeClient =
    kTouchesKey | kTouchesWay | kTouchesId | kTouchesCaching | kTouchesType | kTouchesActivity;

struct FaultKind {
  absl::string_view name;
  absl::string_view what;  // one line for people: what it changes
  bool on_host;            // needs `target`; otherwise `machines`
  uint32_t touches;
  void (*make)(Landscape& landscape, const PlannedFault& fault, absl::Time now);
};
// In the order in which people are told of them.
std::span<const FaultKind> FaultKinds();
const FaultKind* FindFaultKind(absl::string_view name);

struct PlannedFault {
  const FaultKind* kind = nullptr;
  v1::Fault fault;
  std::vector<std::string> machines;  // the host, or the clients that were chosen
};

// Which machine gets which fault. A client gets a second one only of a fault that says
// `over_others`, and never two that touch the same. Depends on the estate alone.
struct FaultPlan {
  bool ok() const { return error.empty(); }
  std::vector<PlannedFault> faults;  // in the estate's order
  std::string error;                 // what is wrong with faults[error_index].error_field
  std::string error_field;
  int error_index = 0;
};
FaultPlan PlanFaults(const v1::Estate& estate);

}  // namespace keymedic::lab

#endif  // KEYMEDIC_LAB_FAULTS_H_
