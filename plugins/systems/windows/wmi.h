// SPDX-License-Identifier: Apache-2.0
//
// A namespace of this machine's WMI. It is opened at the first use and again after WMI was lost, so
// an agent may start before WMI does.
//
// Threads: one at a time; what COM does happens on the ComThread, which several namespaces share.
// Calls are bounded: 20 s for a query; 180 s for a method, since Activate tries several hosts and
// waits 21 s for each that does not answer.
// Errors: kDeadlineExceeded and kUnavailable if WMI does not answer, kPermissionDenied,
// kUnimplemented if this Windows has no such namespace, class or method; each names what was asked
// and what to do. What an HRESULT of a method means is decided in WhoFailed (wmi_value.h): refusals
// of the licensing service (0xC004F069) are the answer of Call and no error.
#ifndef KEYMEDIC_PLUGINS_SYSTEMS_WINDOWS_WMI_H_
#define KEYMEDIC_PLUGINS_SYSTEMS_WINDOWS_WMI_H_

#include <memory>
#include <string>

#include "absl/time/time.h"
#include "plugins/systems/windows/com_thread.h"
#include "plugins/systems/windows/wmi_value.h"

namespace keymedic::systems {

struct WmiLimits {
  absl::Duration query = absl::Seconds(20);
  absl::Duration call = absl::Seconds(180);
};

// `name_space`: "ROOT\\CIMV2".
std::unique_ptr<Wmi> MakeWmi(std::shared_ptr<ComThread> thread, std::string name_space,
                             WmiLimits limits = {});

}  // namespace keymedic::systems

#endif  // KEYMEDIC_PLUGINS_SYSTEMS_WINDOWS_WMI_H_
