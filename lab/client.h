// SPDX-License-Identifier: Apache-2.0
//
// How a simulated client tries to activate: what it asks, in which order, what it logs, and when it
// tries again. Runs under the World's lock.
#ifndef KEYMEDIC_LAB_CLIENT_H_
#define KEYMEDIC_LAB_CLIENT_H_

#include <cstdint>

#include "absl/time/time.h"
#include "lab/landscape.h"
#include "lab/machine.h"

namespace keymedic::lab {

enum class Trigger { kTimer, kPerson };

// One attempt, with everything that follows from it on this machine and on the hosts it reaches.
// 0, or the HRESULT that a person would be told. Plans the next attempt.
uint32_t AttemptActivation(Landscape& landscape, Machine& machine, absl::Time now, Trigger trigger);

}  // namespace keymedic::lab

#endif  // KEYMEDIC_LAB_CLIENT_H_
