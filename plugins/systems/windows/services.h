// SPDX-License-Identifier: Apache-2.0
//
// Windows services through the service control manager. Any thread; Restart and Start wait, each at
// most 25 s for a service to stop and as long for it to start, so that a caller with a minute to
// spare hears of it.
// Errors: kNotFound for a service that does not exist, kFailedPrecondition for a disabled one,
// kDeadlineExceeded for one that neither stops nor starts, kPermissionDenied.
#ifndef KEYMEDIC_PLUGINS_SYSTEMS_WINDOWS_SERVICES_H_
#define KEYMEDIC_PLUGINS_SYSTEMS_WINDOWS_SERVICES_H_

#include <memory>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "plugins/systems/systems.h"

namespace keymedic::systems {

std::unique_ptr<Services> MakeWindowsServices();

// Nothing if it runs.
absl::Status StartWindowsService(absl::string_view name);

}  // namespace keymedic::systems

#endif  // KEYMEDIC_PLUGINS_SYSTEMS_WINDOWS_SERVICES_H_
