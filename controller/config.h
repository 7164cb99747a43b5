// SPDX-License-Identifier: Apache-2.0
//
// controller.toml in the data directory: written by init, read by run. Unknown keys are errors, so
// that a slip of the pen is not a silent default.
#ifndef KEYMEDIC_CONTROLLER_CONFIG_H_
#define KEYMEDIC_CONTROLLER_CONFIG_H_

#include <string>

#include "absl/status/statusor.h"
#include "controller/server.h"

namespace keymedic::controller {

std::string DefaultConfig();
// Defaults where the file says nothing or is not there.
absl::StatusOr<ServerOptions> LoadConfig(const std::string& data_dir);

}  // namespace keymedic::controller

#endif  // KEYMEDIC_CONTROLLER_CONFIG_H_
