// SPDX-License-Identifier: Apache-2.0
//
// The service sppsvc of a lab machine: one that does nothing, but tells the lab when it was
// started, because that is when a KMS host's new key and port come into use. What the lab does not
// learn is that it was disabled or stopped.
#ifndef KEYMEDIC_TESTS_WINDOWS_DOUBLES_SPPSVC_DOUBLE_H_
#define KEYMEDIC_TESTS_WINDOWS_DOUBLES_SPPSVC_DOUBLE_H_

#include <string>

#include "absl/status/status.h"
#include "plugins/systems/systems.h"

namespace keymedic::doubles {

// Installs `program` with the argument "service", or changes the one that is there, and leaves it
// as `state` says. The lab hears nothing of this start.
absl::Status InstallSppsvc(const std::wstring& program, const systems::Services::State& state);

// The service itself; returns when it was stopped. An exit code.
int RunSppsvc();

}  // namespace keymedic::doubles

#endif  // KEYMEDIC_TESTS_WINDOWS_DOUBLES_SPPSVC_DOUBLE_H_
