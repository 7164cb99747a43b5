// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/files.h"
#include "plugins/systems/portable/portable.h"

namespace keymedic::systems {
namespace {

std::string OsCaption() {
  if (const auto release = ReadFile("/etc/os-release", 64 << 10); release.ok()) {
    for (absl::string_view line : absl::StrSplit(*release, '\n')) {
      if (!absl::ConsumePrefix(&line, "PRETTY_NAME=")) continue;
      absl::ConsumePrefix(&line, "\"");
      absl::ConsumeSuffix(&line, "\"");
      return std::string(line);
    }
  }
  utsname name{};
  return uname(&name) == 0 ? absl::StrCat(name.sysname, " ", name.release) : "unknown";
}

absl::Status NoVolumeActivation(absl::string_view what) {
  return absl::UnimplementedError(
      absl::StrCat(what, ": ", OsCaption(),
                   " has no volume activation; run the agent on Windows, or on a lab machine"));
}

std::vector<std::string> OwnAddresses() {
  std::vector<std::string> addresses;
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return addresses;
  for (const ifaddrs* entry = list; entry != nullptr; entry = entry->ifa_next) {
    if (entry->ifa_addr == nullptr || (entry->ifa_flags & IFF_LOOPBACK) != 0) continue;
    const int family = entry->ifa_addr->sa_family;
    const void* raw = nullptr;
    if (family == AF_INET) raw = &reinterpret_cast<sockaddr_in*>(entry->ifa_addr)->sin_addr;
    if (family == AF_INET6) raw = &reinterpret_cast<sockaddr_in6*>(entry->ifa_addr)->sin6_addr;
    char text[INET6_ADDRSTRLEN];
    if (raw != nullptr && inet_ntop(family, raw, text, sizeof(text)) != nullptr) {
      addresses.emplace_back(text);
    }
  }
  freeifaddrs(list);
  std::sort(addresses.begin(), addresses.end());
  addresses.erase(std::unique(addresses.begin(), addresses.end()), addresses.end());
  return addresses;
}

class PortableMachine final : public Machine {
 public:
  absl::StatusOr<v1::OsSection> Os() override {
    char host[256] = "";
    if (gethostname(host, sizeof(host) - 1) != 0) {
      return absl::UnavailableError("this machine does not tell its name (gethostname)");
    }
    const std::pair<std::string, std::string> name = absl::StrSplit(host, absl::MaxSplits('.', 1));
    v1::OsSection os;
    os.set_computer_name(name.first);
    if (!name.second.empty()) os.set_dns_domain(name.second);
    os.set_caption(OsCaption());
    os.set_is_server(false);
    os.set_utc_offset_minutes(static_cast<int32_t>(
        absl::ToInt64Minutes(absl::Seconds(absl::LocalTimeZone().At(absl::Now()).offset))));
    for (std::string& address : OwnAddresses()) os.add_addresses(std::move(address));
    return os;
  }
  absl::Status SynchroniseClock() override { return NoVolumeActivation("set the clock"); }
  absl::Status Restart() override { return NoVolumeActivation("restart the machine"); }
};

class UnavailableLicensing final : public LicensingSystem {
 public:
  absl::StatusOr<v1::LicensingSection> Licensing() override { return No(); }
  absl::StatusOr<v1::KmsClientSection> Client() override { return No(); }
  absl::StatusOr<v1::KmsHostSection> Host() override { return No(); }
  absl::StatusOr<Hresult> InstallKey(const ProductKey&) override { return No(); }
  absl::StatusOr<Hresult> Activate(absl::string_view) override { return No(); }
  absl::StatusOr<Hresult> SetKmsHost(absl::string_view, uint32_t) override { return No(); }
  absl::StatusOr<Hresult> ClearKmsHost() override { return No(); }
  absl::StatusOr<Hresult> SetHostCaching(bool) override { return No(); }
  absl::StatusOr<Hresult> SetActivationType(v1::ActivationType) override { return No(); }
  absl::StatusOr<Hresult> SetListeningPort(uint32_t) override { return No(); }
  absl::StatusOr<Hresult> SetDnsPublishing(bool) override { return No(); }
  absl::StatusOr<Hresult> Rearm() override { return No(); }
  absl::StatusOr<bool> RearmPending() override { return No(); }

 private:
  static absl::Status No() { return NoVolumeActivation("licensing"); }
};

class UnavailableEventLog final : public EventLog {
 public:
  absl::StatusOr<Batch> Read(absl::string_view, uint64_t, size_t) override { return No(); }
  absl::Status SetMaxBytes(absl::string_view, uint64_t) override { return No(); }

 private:
  static absl::Status No() { return NoVolumeActivation("event log"); }
};

class UnavailableFirewall final : public Firewall {
 public:
  absl::StatusOr<v1::FirewallSection> Read(uint32_t) override { return No(); }
  absl::Status SetRuleEnabled(absl::string_view, bool) override { return No(); }
  absl::Status AddInboundRule(const v1::FirewallRule&) override { return No(); }
  absl::Status RemoveRule(absl::string_view) override { return No(); }

 private:
  static absl::Status No() { return NoVolumeActivation("firewall"); }
};

class UnavailableServices final : public Services {
 public:
  absl::StatusOr<State> Query(absl::string_view) override { return No(); }
  absl::Status SetDisabled(absl::string_view, bool) override { return No(); }
  absl::Status Restart(absl::string_view) override { return No(); }

 private:
  static absl::Status No() { return NoVolumeActivation("services"); }
};

}  // namespace

std::unique_ptr<Machine> MakePortableMachine() { return std::make_unique<PortableMachine>(); }
std::unique_ptr<LicensingSystem> MakeUnavailableLicensing() {
  return std::make_unique<UnavailableLicensing>();
}
std::unique_ptr<EventLog> MakeUnavailableEventLog() {
  return std::make_unique<UnavailableEventLog>();
}
std::unique_ptr<Firewall> MakeUnavailableFirewall() {
  return std::make_unique<UnavailableFirewall>();
}
std::unique_ptr<Services> MakeUnavailableServices() {
  return std::make_unique<UnavailableServices>();
}

Systems MakeLocalSystems(const ResolverOptions& resolver) {
  Systems systems;
  systems.machine = MakePortableMachine();
  systems.licensing = MakeUnavailableLicensing();
  systems.events = MakeUnavailableEventLog();
  systems.firewall = MakeUnavailableFirewall();
  systems.names = MakePortableNames(resolver);
  systems.services = MakeUnavailableServices();
  systems.probe = MakePortableProbe(absl::Seconds(5), resolver);
  return systems;
}

}  // namespace keymedic::systems
