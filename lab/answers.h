// SPDX-License-Identifier: Apache-2.0
//
// What a simulated machine tells who looks at it: its state in the section messages, as the
// systems' seams give it. Looking changes nothing. Runs under the World's lock.
#ifndef KEYMEDIC_LAB_ANSWERS_H_
#define KEYMEDIC_LAB_ANSWERS_H_

#include "absl/time/time.h"
#include "keymedic/lab/v1/machine.pb.h"
#include "lab/landscape.h"

namespace keymedic::lab {

// Everything but acts. The status of the response is kNotFound for what this machine has not.
v1::MachineResponse Answer(Landscape& landscape, Machine& machine,
                           const v1::MachineRequest& request, absl::Time now);

}  // namespace keymedic::lab

#endif  // KEYMEDIC_LAB_ANSWERS_H_
