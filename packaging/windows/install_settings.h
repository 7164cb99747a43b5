// SPDX-License-Identifier: Apache-2.0
//
// What an administrator tells the installer on its command line, and the files that the agent
// then finds: enroll.toml, by which it joins a controller (agent/waiting_enrolment.h), and
// agent.toml, its configuration (agent/config.h). Names and labels stand in the latter, as the
// agent tells them at every connection, and not at the first alone.
//
// Pure; any thread. No error and no description repeats the token.
#ifndef KEYMEDIC_PACKAGING_WINDOWS_INSTALL_SETTINGS_H_
#define KEYMEDIC_PACKAGING_WINDOWS_INSTALL_SETTINGS_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace keymedic::installer {

struct InstallSettings {
  std::string controller;  // KEYMEDIC_CONTROLLER; once checked, with a port
  std::string token;       // KEYMEDIC_TOKEN
  std::string group;       // KEYMEDIC_GROUP: the label `group`
  std::string name;        // KEYMEDIC_NAME
  // Of this run of the installer, in the first line of each file that it writes: what it undoes is
  // its own, and not the same text of an earlier one.
  std::string mark = {};
};

// Without blanks around, the controller with its port. kInvalidArgument names the property and what
// to write. Empty ones were not given.
absl::StatusOr<InstallSettings> CheckSettings(const InstallSettings& given);

// One text for the way from one part of the installer to the other, and back.
std::string Pack(const InstallSettings& settings);
InstallSettings Unpack(absl::string_view packed);

// What the files hold; empty: there is nothing to write.
std::string EnrolmentFile(const InstallSettings& settings);
std::string AgentFile(const InstallSettings& settings);
bool DifferOnlyInMark(absl::string_view one, absl::string_view other);

}  // namespace keymedic::installer

#endif  // KEYMEDIC_PACKAGING_WINDOWS_INSTALL_SETTINGS_H_
