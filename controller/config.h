// SPDX-License-Identifier: Apache-2.0
//
// controller.toml: the packaged /etc/keymedic/controller.toml, or for an estate in a directory of
// its own the one that init writes there. Unknown keys are errors, so that a slip of the pen is not
// a silent default.
#ifndef KEYMEDIC_CONTROLLER_CONFIG_H_
#define KEYMEDIC_CONTROLLER_CONFIG_H_

#include <string>

#include "absl/status/statusor.h"
#include "controller/server.h"

namespace keymedic::controller {

inline constexpr char kPackagedConfigFile[] = "/etc/keymedic/controller.toml";

// As given on the command line; empty where it was not.
struct ConfigPlace {
  std::string config_file, data_dir;
  // An estate in a directory of its own has its settings there, unless they are elsewhere.
  bool own_directory() const { return config_file.empty() && !data_dir.empty(); }
  std::string file() const;
};

// A file that says nothing but what can be said.
std::string DefaultConfig();
// Defaults where the file says nothing or is not there; one that was named must be there.
absl::StatusOr<ServerOptions> LoadConfig(const ConfigPlace& place);

}  // namespace keymedic::controller

#endif  // KEYMEDIC_CONTROLLER_CONFIG_H_
