// SPDX-License-Identifier: Apache-2.0
#include "bench/diagnosis/world.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace keymedic::bench {
namespace {

constexpr char kWindows[] = "55c92734-d682-4d71-983e-d6ec3f16059f";
constexpr char kOffice[] = "0ff1ce15-a989-479d-af46-f275c6370663";
constexpr char kEnterprise[] = "73111121-5638-40f6-bc11-f1d7b0d64300";
constexpr size_t kLargestPool = 25'000;
constexpr size_t kSiteSize = 500;  // half of what the faults' numbers go through

// What is wrong with a machine; the numbers are of a thousand.
enum class Fault {
  kNone,
  kUnreachable,
  kCountTooLow,
  kMak,
  kNoSrv,
  kStalePin,
  kRetail,
  kCachingOff,
  kClone,
  kSameName
};

Fault FaultOf(size_t machine) {
  const size_t dice = machine * 7919 % 1000;
  if (dice < 20) return Fault::kUnreachable;
  if (dice < 30) return Fault::kCountTooLow;
  if (dice < 45) return Fault::kMak;
  if (dice < 55) return Fault::kNoSrv;
  if (dice < 65) return Fault::kStalePin;
  if (dice < 75) return Fault::kRetail;
  if (dice < 85) return Fault::kCachingOff;
  if (dice < 95) return Fault::kClone;
  if (dice < 100) return Fault::kSameName;
  return Fault::kNone;
}

void Set(absl::Time time, google::protobuf::Timestamp* at) {
  at->set_seconds(absl::ToUnixSeconds(time));
}

std::string MachineIdOf(size_t machine) {
  // Clones come from one image, five of them in a row of a thousand.
  const size_t first = FaultOf(machine) == Fault::kClone ? machine / 1000 * 1000 : machine;
  return absl::StrFormat("%08x-6a6a-49ec-92b8-%012x", first * 2654435761u & 0xFFFFFFFF, first);
}

// Of a host's key.
std::string PidOf(size_t host) {
  return absl::StrFormat("03612-00206-568-%06u-03-1033-20348.0000-0612026", host % 1'000'000);
}

// Spread over the week that a renewal takes.
absl::Time LastRenewal(size_t machine) {
  return kNow - absl::Minutes(static_cast<int64_t>(machine * 31 % 10'080));
}

v1::Section Pack(const char* name, const google::protobuf::Message& payload) {
  v1::Section section;
  section.set_name(name);
  section.set_type(payload.GetDescriptor()->full_name());
  section.set_payload(payload.SerializeAsString());
  section.set_sha256(std::string(32, '\x5a'));
  Set(kNow, section.mutable_collected_at());
  return section;
}

}  // namespace

World::World(size_t machines) : machines_(machines), large_(std::min(machines / 2, kLargestPool)) {}

std::string World::Site::Zone() const {
  return number == 0 ? "contoso.example" : absl::StrCat("site", number, ".contoso.example");
}

World::Site World::SiteOf(size_t machine) const {
  if (machine < large_) return {0, 0, large_, 2};
  const size_t site = (machine - large_) / kSiteSize;
  const size_t first = large_ + site * kSiteSize;
  return {site + 1, first, std::min(kSiteSize, machines_ - first), 1};
}

std::string World::IdOf(size_t machine) const {
  return absl::StrFormat("%08x-1d1d-4000-8000-%012x", machine * 2246822519u & 0xFFFFFFFF, machine);
}

size_t World::NumberOf(absl::string_view id) const {
  uint64_t number = 0;
  (void)absl::SimpleHexAtoi(id.substr(id.rfind('-') + 1), &number);
  return number;
}

std::string World::NameOf(size_t machine) const {
  if (IsHost(machine)) return absl::StrFormat("kms%06u", machine);
  // The second of two that bear one name.
  const bool twin = FaultOf(machine) == Fault::kSameName && machine > 0 && !IsHost(machine - 1);
  return absl::StrFormat("pc-%07u", twin ? machine - 1 : machine);
}

bool World::IsHost(size_t machine) const {
  const Site site = SiteOf(machine);
  return machine < site.first + site.hosts;
}

bool World::IsWell(size_t machine) const { return FaultOf(machine) == Fault::kNone; }

std::string World::FullName(size_t machine, const Site& site) const {
  return absl::StrCat(NameOf(machine), ".", site.Zone());
}

v1::OsSection World::Os(size_t machine, const Site& site) const {
  const bool host = IsHost(machine);
  v1::OsSection os;
  os.set_computer_name(NameOf(machine));
  os.set_dns_domain(site.Zone());
  os.set_caption(host ? "Microsoft Windows Server 2022 Standard"
                      : "Microsoft Windows 11 Enterprise");
  os.set_edition_id(host ? "ServerStandard" : "Enterprise");
  os.set_build(host ? 20348 : 22631);
  os.set_revision(2322);
  os.set_is_server(host);
  os.set_is_virtual(machine % 3 == 0);
  os.add_addresses(
      absl::StrFormat("10.%u.%u.%u", machine >> 16 & 255, machine >> 8 & 255, machine & 255));
  os.set_clock_skew_minutes(0);
  os.set_clock_source("controller");
  return os;
}

v1::LicensingSection World::ClientLicensing(size_t machine, absl::Time renewed) const {
  const Fault fault = FaultOf(machine);
  v1::LicensingSection licensing;
  licensing.set_service_version("10.0.22631.2322");
  licensing.set_windows_rearms_left(1000);
  v1::Product& windows = *licensing.add_products();
  windows.set_activation_id(kEnterprise);
  windows.set_application_id(kWindows);
  windows.set_name("Windows(R), Enterprise edition");
  const char* channel = fault == Fault::kMak      ? "VOLUME_MAK"
                        : fault == Fault::kRetail ? "RETAIL"
                                                  : "VOLUME_KMSCLIENT";
  windows.set_channel(channel);
  windows.set_description(absl::StrCat("Windows(R) Operating System, ", channel, " channel"));
  windows.set_key_channel(fault == Fault::kMak      ? "Volume:MAK"
                          : fault == Fault::kRetail ? "Retail"
                                                    : "Volume:GVLK");
  windows.set_partial_key(fault == Fault::kMak || fault == Fault::kRetail ? "8HV2C" : "2YT43");
  windows.set_extended_pid("00329-00000-00003-AA314-03-1033-22631.0000-0612026");
  windows.set_rearms_left(1000);
  windows.set_genuine(true);
  if (fault == Fault::kUnreachable || fault == Fault::kCountTooLow || fault == Fault::kNoSrv) {
    windows.set_status(v1::LICENSE_STATUS_NOTIFICATION);
    windows.set_status_reason(0xC004F074);
  } else {
    windows.set_status(v1::LICENSE_STATUS_LICENSED);
    if (fault == Fault::kMak || fault == Fault::kRetail) {
      windows.set_permanent(true);
    } else {
      Set(renewed + absl::Hours(24 * 180), windows.mutable_expires_at());
    }
  }
  if (machine % 2 == 0) {
    v1::Product& office = *licensing.add_products();
    office.set_activation_id("fbdb3e18-a8ef-4fb3-9183-dffd60bd0984");
    office.set_application_id(kOffice);
    office.set_name("Office 21, Office21ProPlus2021VL_KMS_Client_AE edition");
    office.set_description("Office 21, VOLUME_KMSCLIENT channel");
    office.set_channel("VOLUME_KMSCLIENT");
    office.set_key_channel("Volume:GVLK");
    office.set_partial_key("6F7TH");
    office.set_status(v1::LICENSE_STATUS_LICENSED);
    Set(renewed + absl::Hours(24 * 180), office.mutable_expires_at());
  }
  return licensing;
}

v1::KmsClientSection World::Client(size_t machine, const Site& site, absl::Time renewed) const {
  const Fault fault = FaultOf(machine);
  const std::string host = FullName(site.first + machine % site.hosts, site);
  v1::KmsClientSection client;
  client.set_client_machine_id(MachineIdOf(machine));
  client.set_registered_host(fault == Fault::kStalePin ? absl::StrCat("old-kms.", site.Zone())
                                                       : "");
  if (fault == Fault::kStalePin) client.set_registered_port(1688);
  client.set_host_caching(fault != Fault::kCachingOff);
  client.set_activation_type(v1::ACTIVATION_TYPE_ALL);
  client.set_activation_interval_minutes(120);
  client.set_renewal_interval_minutes(10'080);
  if (fault == Fault::kMak || fault == Fault::kRetail) return client;
  if (fault != Fault::kNoSrv) {
    client.set_discovered_host(host);
    client.set_discovered_port(1688);
    client.set_host_extended_pid(PidOf(site.first + machine % site.hosts));
  }
  v1::ActivationAttempt& attempt = *client.add_attempts();
  attempt.set_source_event(fault == Fault::kNoSrv ? 8198 : 12288);
  attempt.set_client_machine_id(client.client_machine_id());
  attempt.set_activation_id(kEnterprise);
  attempt.set_required_count(25);
  Set(renewed, attempt.mutable_at());
  if (fault != Fault::kNoSrv) {
    attempt.set_host(fault == Fault::kStalePin ? client.registered_host() : host);
    attempt.set_port(1688);
  }
  switch (fault) {
    case Fault::kUnreachable:
    case Fault::kStalePin:
      attempt.set_error(0xC004F074);
      attempt.set_answered(false);
      break;
    case Fault::kCountTooLow:
      attempt.set_error(0xC004F038);
      attempt.set_answered(true);
      attempt.set_count(12);
      break;
    case Fault::kNoSrv:
      attempt.set_error(0x8007232B);
      break;
    default:
      attempt.set_error(0);
      attempt.set_answered(true);
      attempt.set_bound(true);
      attempt.set_count(50);
      client.set_last_activation_type(v1::ACTIVATION_TYPE_KMS);
      Set(renewed, client.mutable_last_activation_at());
  }
  return client;
}

v1::NamesSection World::Names(size_t machine, const Site& site) const {
  v1::NamesSection names;
  names.set_no_name_server(false);
  v1::SrvAnswer& answer = *names.add_answers();
  answer.set_name(absl::StrCat("_vlmcs._tcp.", site.Zone()));
  if (FaultOf(machine) == Fault::kNoSrv) {
    answer.set_error(0x8007232B);
    return names;
  }
  for (size_t host = site.first; host < site.first + site.hosts; ++host) {
    v1::SrvRecord& record = *answer.add_records();
    record.set_target(FullName(host, site));
    record.set_port(1688);
    record.set_resolved(true);
    record.add_addresses(
        absl::StrFormat("10.%u.%u.%u", host >> 16 & 255, host >> 8 & 255, host & 255));
  }
  return names;
}

v1::ProbesSection World::Probes(const Site& site, size_t machine, bool reached) const {
  v1::ProbesSection probes;
  const Fault fault = FaultOf(machine);
  if (fault == Fault::kNoSrv) return probes;
  for (size_t host = site.first; host < site.first + site.hosts; ++host) {
    v1::Probe& probe = *probes.add_probes();
    probe.set_host(fault == Fault::kStalePin ? absl::StrCat("old-kms.", site.Zone())
                                             : FullName(host, site));
    probe.set_port(1688);
    probe.set_result(reached ? v1::PROBE_RESULT_KMS : v1::PROBE_RESULT_TIMEOUT);
    probe.set_detail(reached ? "" : "no answer within 5 s");
    if (fault == Fault::kStalePin) break;
  }
  return probes;
}

v1::LicensingSection World::HostLicensing(size_t machine) const {
  v1::LicensingSection licensing;
  licensing.set_service_version("10.0.20348.2322");
  v1::Product& product = *licensing.add_products();
  product.set_application_id(kWindows);
  product.set_name("Windows(R), ServerStandard edition");
  product.set_description("Windows(R) Operating System, VOLUME_KMS_WS22 channel");
  product.set_channel("VOLUME_KMS_WS22");
  product.set_partial_key("7XKJP");
  product.set_status(v1::LICENSE_STATUS_LICENSED);
  product.set_permanent(true);
  product.set_extended_pid(PidOf(machine));
  return licensing;
}

v1::KmsHostSection World::Host(size_t machine, const Site& site, size_t asked) const {
  v1::KmsHostSection host;
  host.set_enabled(true);
  host.set_listening_port(1688);
  host.set_dns_publishing(true);
  host.set_current_count(50);
  host.set_total_requests(1'000'000 + asked);
  host.set_failed_requests(0);
  host.set_service_running(true);
  host.set_service_disabled(false);
  host.set_log_hours_held(24 * 30);
  v1::DnsPublication& publication = *host.add_publications();
  publication.set_domain(site.Zone());
  for (size_t client = site.first + site.hosts; client < site.first + site.size; ++client) {
    if (client % site.hosts != machine % site.hosts) continue;
    const Fault fault = FaultOf(client);
    const bool silent = fault != Fault::kNone && fault != Fault::kCachingOff &&
                        fault != Fault::kClone && fault != Fault::kSameName;
    if (silent) continue;
    v1::RequestSummary& request = *host.add_requests();
    request.set_client_machine_id(MachineIdOf(client));
    request.add_machine_names(FullName(client, site));
    request.set_activation_id(kEnterprise);
    request.set_required_count(25);
    Set(LastRenewal(client), request.mutable_last_at());
  }
  if (host.requests_size() > 0) {
    v1::RequestSummary& last =
        *host.mutable_requests(static_cast<int>(asked % host.requests_size()));
    Set(kNow + absl::Seconds(static_cast<int64_t>(asked)), last.mutable_last_at());
  }
  return host;
}

std::vector<v1::Section> World::SectionsOf(size_t machine) const {
  const Site site = SiteOf(machine);
  std::vector<v1::Section> sections;
  sections.push_back(Pack("os", Os(machine, site)));
  if (IsHost(machine)) {
    v1::FirewallSection firewall;
    firewall.set_enabled(true);
    firewall.set_active_profile("domain");
    v1::FirewallRule& rule = *firewall.add_rules();
    rule.set_id("SPPSVC-In-TCP");
    rule.set_enabled(true);
    rule.set_inbound_allow(true);
    rule.add_tcp_ports(1688);
    sections.push_back(Pack("firewall", firewall));
    sections.push_back(Pack("kms_host", Host(machine, site, 0)));
    sections.push_back(Pack("licensing", HostLicensing(machine)));
    sections.push_back(Pack("names", Names(machine, site)));
    return sections;
  }
  const absl::Time renewed = LastRenewal(machine);
  sections.push_back(Pack("kms_client", Client(machine, site, renewed)));
  sections.push_back(Pack("licensing", ClientLicensing(machine, renewed)));
  sections.push_back(Pack("names", Names(machine, site)));
  const Fault fault = FaultOf(machine);
  sections.push_back(Pack(
      "probes", Probes(site, machine, fault != Fault::kUnreachable && fault != Fault::kStalePin)));
  return sections;
}

v1::Section World::ChangeOfClient(size_t machine, size_t step) const {
  const Site site = SiteOf(machine);
  if (step % 10 == 9) return Pack("probes", Probes(site, machine, step / 10 % 2 == 0));
  const absl::Time renewed = LastRenewal(machine) + absl::Seconds(static_cast<int64_t>(step));
  if (step % 2 == 0) return Pack("kms_client", Client(machine, site, renewed));
  return Pack("licensing", ClientLicensing(machine, renewed));
}

v1::Section World::ChangeOfHost(size_t machine, size_t step) const {
  return Pack("kms_host", Host(machine, SiteOf(machine), step));
}

}  // namespace keymedic::bench
