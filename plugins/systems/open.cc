// SPDX-License-Identifier: Apache-2.0
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "base/status_macros.h"
#include "plugins/systems/lab/lab_in_process.h"
#include "plugins/systems/lab/unix_transport.h"
#include "plugins/systems/portable/portable.h"
#include "plugins/systems/systems.h"

namespace keymedic::systems {

absl::StatusOr<Systems> OpenSystems(absl::string_view system) {
  if (system == "local") return MakeLocalSystems();
  absl::string_view rest = system;
  const bool over_socket = absl::ConsumePrefix(&rest, "lab:unix:");
  if (!over_socket && !absl::ConsumePrefix(&rest, "lab:inprocess:")) {
    return absl::InvalidArgumentError(
        absl::StrCat("unknown system '", system,
                     "': use local, lab:unix:/path#machine or lab:inprocess:NAME#machine"));
  }
  const size_t hash = rest.rfind('#');
  if (hash == absl::string_view::npos || hash == 0 || hash + 1 == rest.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("the system '", system,
                     "' names no lab and machine: write them as LAB#MACHINE at its end"));
  }
  const absl::string_view lab = rest.substr(0, hash);
  std::string machine(rest.substr(hash + 1));
  if (over_socket) return MakeLabSystems(std::move(machine), MakeUnixTransport(std::string(lab)));
  KM_ASSIGN_OR_RETURN(LabTransport transport, FindInProcessLab(lab));
  return MakeLabSystems(std::move(machine), std::move(transport));
}

}  // namespace keymedic::systems
