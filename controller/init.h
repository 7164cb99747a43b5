// SPDX-License-Identifier: Apache-2.0
//
// `keymedic-controller init`: a new estate, made by a person or by the first start of the service.
#ifndef KEYMEDIC_CONTROLLER_INIT_H_
#define KEYMEDIC_CONTROLLER_INIT_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "controller/config.h"

namespace keymedic::controller {

// Prints what to do next. Run by root in a directory of another user, it makes the estate as that
// user, who will serve it. `names`, if there are none: what this machine is called. `if_needed`: an
// estate that is there is no error, and then nothing is said; the one line otherwise.
absl::Status InitializeEstate(const ConfigPlace& place, std::vector<std::string> names,
                              bool if_needed);

}  // namespace keymedic::controller

#endif  // KEYMEDIC_CONTROLLER_INIT_H_
