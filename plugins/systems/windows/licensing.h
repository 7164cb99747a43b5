// SPDX-License-Identifier: Apache-2.0
//
// The licensing service through its WMI classes: reads only what is needed of products that have a
// key, and changes by the methods that slmgr calls. It sees WMI and the registry through the parts
// that it is given, so it is tested without Windows.
//
// Threads: one. Errors are those of systems.h; kUnimplemented where the classes do not exist.
#ifndef KEYMEDIC_PLUGINS_SYSTEMS_WINDOWS_LICENSING_H_
#define KEYMEDIC_PLUGINS_SYSTEMS_WINDOWS_LICENSING_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "plugins/systems/systems.h"
#include "plugins/systems/windows/wmi_value.h"

namespace keymedic::systems {

// What the event log's service says of a channel.
struct ChannelState {
  uint64_t max_bytes = 0;
  bool full = false;  // it keeps its old records and drops new ones
  std::optional<absl::Time> oldest = std::nullopt;
};

struct LicensingParts {
  std::shared_ptr<Wmi> wmi;
  std::shared_ptr<const Clock> clock;
  std::function<absl::StatusOr<ChannelState>()> kms_log;
  // The lines of DnsDomainPublishList.
  std::function<std::vector<std::string>()> publish_list;
  // KeyManagementServiceVersion; empty: there shall be none.
  std::function<absl::Status(const std::string& version)> note_host_version;
  // A mark that is gone when Windows restarts; Windows itself does not tell of a rearm.
  std::function<absl::Status(bool pending)> mark_rearm;
  std::function<absl::StatusOr<bool>()> rearm_marked;
};

std::unique_ptr<LicensingSystem> MakeWindowsLicensing(LicensingParts parts);

}  // namespace keymedic::systems

#endif  // KEYMEDIC_PLUGINS_SYSTEMS_WINDOWS_LICENSING_H_
