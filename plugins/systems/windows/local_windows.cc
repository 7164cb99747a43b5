// SPDX-License-Identifier: Apache-2.0
#include <memory>
#include <string>
#include <utility>

#include "base/clock.h"
#include "base/status_macros.h"
#include "plugins/systems/portable/portable.h"
#include "plugins/systems/portable/sntp.h"
#include "plugins/systems/windows/com_thread.h"
#include "plugins/systems/windows/event_log.h"
#include "plugins/systems/windows/firewall.h"
#include "plugins/systems/windows/licensing.h"
#include "plugins/systems/windows/machine.h"
#include "plugins/systems/windows/registry.h"
#include "plugins/systems/windows/services.h"
#include "plugins/systems/windows/wmi.h"

namespace keymedic::systems {
namespace {

constexpr char kKmsChannel[] = "Key Management Service";
constexpr char kLicensingKey[] =
    "SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion\\SoftwareProtectionPlatform";
constexpr char kLicensingKey32[] =
    "SOFTWARE\\Wow6432Node\\Microsoft\\Windows NT\\CurrentVersion\\SoftwareProtectionPlatform";
constexpr char kOwnKey[] = "SOFTWARE\\KeyMedic";
constexpr char kRearmMark[] = "RearmPending";
constexpr uint16_t kNtpPort = 123;
constexpr absl::Duration kNtpLimit = absl::Seconds(2);

LicensingParts MakeParts(std::shared_ptr<ComThread> thread) {
  LicensingParts parts;
  parts.wmi = MakeWmi(std::move(thread), "ROOT\\CIMV2");
  parts.clock = std::make_shared<SystemClock>();
  parts.kms_log = [] { return ReadChannelState(kKmsChannel); };
  parts.publish_list = [] { return RegistryLines(kLicensingKey, "DnsDomainPublishList"); };
  parts.note_host_version = [](const std::string& version) -> absl::Status {
    constexpr char kValue[] = "KeyManagementServiceVersion";
    KM_RETURN_IF_ERROR(SetRegistryText(kLicensingKey, kValue, version));
    return SetRegistryText(kLicensingKey32, kValue, version);
  };
  parts.mark_rearm = [](bool pending) { return SetRegistryMark(kOwnKey, kRearmMark, pending); };
  parts.rearm_marked = [] { return HasRegistryMark(kOwnKey, kRearmMark); };
  return parts;
}

}  // namespace

Systems MakeLocalSystems(const ResolverOptions& resolver) {
  // One that hangs does not take the other along.
  const auto licensing = std::make_shared<ComThread>();
  const auto firewall = std::make_shared<ComThread>();
  Systems systems;
  systems.machine = MakeWindowsMachine(
      [](const std::string& server) { return SntpOffset(server, kNtpPort, kNtpLimit); });
  systems.licensing = MakeWindowsLicensing(MakeParts(licensing));
  systems.events = MakeWindowsEventLog();
  systems.firewall = MakeWindowsFirewall(firewall, MakeWmi(firewall, "ROOT\\StandardCimv2"));
  systems.names = MakePortableNames(resolver);
  systems.services = MakeWindowsServices();
  systems.probe = MakePortableProbe(absl::Seconds(5), resolver);
  return systems;
}

}  // namespace keymedic::systems
