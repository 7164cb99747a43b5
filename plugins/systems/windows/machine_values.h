// SPDX-License-Identifier: Apache-2.0
//
// What the registry's texts about a machine mean. Pure; any thread.
#ifndef KEYMEDIC_PLUGINS_SYSTEMS_WINDOWS_MACHINE_VALUES_H_
#define KEYMEDIC_PLUGINS_SYSTEMS_WINDOWS_MACHINE_VALUES_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace keymedic::systems {

// By what the firmware says of itself; nothing if it says nothing.
std::optional<bool> IsVirtual(absl::string_view manufacturer, absl::string_view product);

// The registry calls Windows 11 "Windows 10".
std::string CaptionOf(std::string product_name, uint32_t build, bool is_server);

// Whom the time service follows, of its values Type and NtpServer.
struct TimeSource {
  bool domain = false;               // a domain controller
  std::vector<std::string> servers;  // by name, without their flags
};
TimeSource TimeSourceOf(absl::string_view type, absl::string_view ntp_server);

// Whole minutes in steps of 5, the nearest one.
int32_t SkewBucket(absl::Duration ahead);

}  // namespace keymedic::systems

#endif  // KEYMEDIC_PLUGINS_SYSTEMS_WINDOWS_MACHINE_VALUES_H_
