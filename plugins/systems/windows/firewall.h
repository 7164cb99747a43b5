// SPDX-License-Identifier: Apache-2.0
//
// The Windows firewall: read and switched through its WMI classes, by identities that are never
// translated. Rules of our own are made and removed through INetFwPolicy2, whose way of making one
// is documented; they carry names that begin with "KeyMedic-", and no other rule is made or
// removed.
//
// Threads: one; COM happens on the ComThread. Errors are those of systems.h.
#ifndef KEYMEDIC_PLUGINS_SYSTEMS_WINDOWS_FIREWALL_H_
#define KEYMEDIC_PLUGINS_SYSTEMS_WINDOWS_FIREWALL_H_

#include <memory>

#include "plugins/systems/systems.h"
#include "plugins/systems/windows/com_thread.h"
#include "plugins/systems/windows/wmi_value.h"

namespace keymedic::systems {

// `wmi`: ROOT\StandardCimv2.
std::unique_ptr<Firewall> MakeWindowsFirewall(std::shared_ptr<ComThread> thread,
                                              std::unique_ptr<Wmi> wmi);

}  // namespace keymedic::systems

#endif  // KEYMEDIC_PLUGINS_SYSTEMS_WINDOWS_FIREWALL_H_
