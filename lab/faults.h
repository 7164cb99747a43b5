// SPDX-License-Identifier: Apache-2.0
//
// Faults by name. Each changes the world (a rule off, a record gone, a key swapped); what agents
// then see follows from the world's mechanics.
#ifndef KEYMEDIC_LAB_FAULTS_H_
#define KEYMEDIC_LAB_FAULTS_H_

#include <span>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "keymedic/lab/v1/estate.pb.h"
#include "lab/landscape.h"

namespace keymedic::lab {

struct PlannedFault;

struct FaultKind {
  absl::string_view name;
  absl::string_view what;  // one line for people: what it changes
  bool on_host;            // needs `target`; otherwise `machines`
  void (*make)(Landscape& landscape, const PlannedFault& fault, absl::Time now);
};
std::span<const FaultKind> FaultKinds();
const FaultKind* FindFaultKind(absl::string_view name);

struct PlannedFault {
  const FaultKind* kind = nullptr;
  v1::Fault fault;
  std::vector<std::string> machines;  // the host, or the clients that were chosen
};

// Which machine gets which fault: no client gets two. Depends on the estate alone.
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
