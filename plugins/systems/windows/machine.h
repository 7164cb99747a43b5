// SPDX-License-Identifier: Apache-2.0
//
// This Windows machine: what it is, how far its clock is from the one that its time service
// follows, and its restart.
//
// Threads: one. Os asks the time server at most every 15 minutes, and always after the clock was
// set. Errors are those of systems.h.
#ifndef KEYMEDIC_PLUGINS_SYSTEMS_WINDOWS_MACHINE_H_
#define KEYMEDIC_PLUGINS_SYSTEMS_WINDOWS_MACHINE_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "plugins/systems/systems.h"

namespace keymedic::systems {

// How far this machine is ahead of a time server.
using MeasureSkew = std::function<absl::StatusOr<absl::Duration>(const std::string& server)>;

std::unique_ptr<Machine> MakeWindowsMachine(MeasureSkew measure);

}  // namespace keymedic::systems

#endif  // KEYMEDIC_PLUGINS_SYSTEMS_WINDOWS_MACHINE_H_
