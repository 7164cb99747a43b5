// SPDX-License-Identifier: Apache-2.0
//
// The lab machine that a double stands for. Where it is says the registry of the throw-away prefix,
// HKLM\Software\KeyMedicDouble: Lab "127.0.0.1:41231", Machine "pc-001", and Fault, one thing that
// is wrong with this Windows (README.md lists them). Read anew at each use, so that a test may
// change it.
//
// Threads: any; one caller at a time talks to the lab.
// Errors: what the lab answers, and kFailedPrecondition if the registry names no lab.
#ifndef KEYMEDIC_TESTS_WINDOWS_DOUBLES_LAB_MACHINE_H_
#define KEYMEDIC_TESTS_WINDOWS_DOUBLES_LAB_MACHINE_H_

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "plugins/systems/systems.h"

namespace keymedic::doubles {

inline constexpr wchar_t kSettingsKey[] = L"Software\\KeyMedicDouble";

struct Settings {
  std::string lab, machine, fault;
};
Settings ReadSettings();

inline bool HasFault(absl::string_view fault) { return ReadSettings().fault == fault; }
// What stands behind "name=" if that is the fault; else empty.
std::string FaultValue(absl::string_view name);

absl::Status WithLabMachine(const std::function<absl::Status(systems::Systems&)>& use);

}  // namespace keymedic::doubles

#endif  // KEYMEDIC_TESTS_WINDOWS_DOUBLES_LAB_MACHINE_H_
