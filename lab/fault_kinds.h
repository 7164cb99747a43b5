// SPDX-License-Identifier: Apache-2.0
//
// Between the files that make faults and faults.cc, which plans them.
#ifndef KEYMEDIC_LAB_FAULT_KINDS_H_
#define KEYMEDIC_LAB_FAULT_KINDS_H_

#include <cstdint>
#include <span>
#include <string>

#include "absl/time/time.h"
#include "lab/faults.h"

namespace keymedic::lab {

std::span<const FaultKind> HostKeyFaults();   // faults_host_key.cc
std::span<const FaultKind> HostPathFaults();  // faults_host.cc
std::span<const FaultKind> RecordFaults();    // faults_records.cc: DNS, and pools
std::span<const FaultKind> ClientFaults();    // faults_client.cc

inline Machine& HostOf(Landscape& landscape, const PlannedFault& fault) {
  return *landscape.Find(fault.machines[0]);
}

template <typename Change>
void ForEachClient(Landscape& landscape, const PlannedFault& fault, Change change) {
  for (const std::string& name : fault.machines) change(*landscape.Find(name));
}

// As set up anew by its edition's own client key: another machine id, an empty log.
void Reinstall(Landscape& landscape, Machine& machine, absl::Time now);

// Sets up anew all the clients of the host's site, whose number is under any threshold or whose ids
// are one: faults that are made on them before would be undone.
bool RebuildsSite(const FaultKind& kind);

// A live KMS host of nobody here, at `fault.host` or a made-up name in `domain`.
Machine& RogueHost(Landscape& landscape, const v1::Fault& fault, const std::string& domain,
                   absl::Time now);

}  // namespace keymedic::lab

#endif  // KEYMEDIC_LAB_FAULT_KINDS_H_
