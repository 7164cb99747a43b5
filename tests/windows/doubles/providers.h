// SPDX-License-Identifier: Apache-2.0
//
// The classes of the double, and how the state of a lab machine becomes their rows.
#ifndef KEYMEDIC_TESTS_WINDOWS_DOUBLES_PROVIDERS_H_
#define KEYMEDIC_TESTS_WINDOWS_DOUBLES_PROVIDERS_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "plugins/systems/systems.h"
#include "tests/windows/doubles/wmi_model.h"

namespace keymedic::doubles {

// `old`: as Windows 7 has them.
std::vector<Provider> MakeLicensingProviders(bool old);
std::vector<Provider> MakeFirewallProviders();

// What WMI, or the service behind it, says when the lab cannot do or tell it.
HRESULT ToHresult(const absl::Status& status);

// A change: 0, the refusal of the licensing service, or what the lab's error means.
using Change = std::function<absl::StatusOr<systems::Hresult>(systems::Systems&)>;
HRESULT Do(const Change& change);

// Rules that were added through the firewall's own interface, not by Windows: WMI shows them by an
// identity that nobody chose, and their name is elsewhere.
bool IsAddedRule(const std::string& id);

}  // namespace keymedic::doubles

#endif  // KEYMEDIC_TESTS_WINDOWS_DOUBLES_PROVIDERS_H_
