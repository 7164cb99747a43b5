// SPDX-License-Identifier: Apache-2.0
//
// What an administrator, or a treatment, does to a simulated machine: one act of
// keymedic.lab.v1.Act, named as the method of the seam that it stands for (the list stands in
// plugins/systems/lab/lab_systems.h). Runs under the World's lock.
#ifndef KEYMEDIC_LAB_CHANGES_H_
#define KEYMEDIC_LAB_CHANGES_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "keymedic/lab/v1/machine.pb.h"
#include "lab/landscape.h"

namespace keymedic::lab {

// 0, or the HRESULT with which the licensing service refused. kNotFound (rule, service),
// kAlreadyExists (rule), kFailedPrecondition (not a host, service disabled), kUnimplemented
// (no such method).
absl::StatusOr<uint32_t> Act(Landscape& landscape, Machine& machine, const v1::Act& act,
                             absl::Time now);

}  // namespace keymedic::lab

#endif  // KEYMEDIC_LAB_CHANGES_H_
