// SPDX-License-Identifier: Apache-2.0
//
// Faults of DNS records, and of pools: who finds which host, and how many it counts.
#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "kms/tables.h"
#include "lab/client.h"
#include "lab/fault_kinds.h"

namespace keymedic::lab {
namespace {

constexpr uint32_t kNobodysCount = 1207;
constexpr uint32_t kStandbyPriority = 20;
constexpr uint32_t kRogueBuilds[] = {9600, 14393, 17763};

uint32_t RefusalOf(const PlannedFault& fault) {
  return fault.fault.error() == 0 ? kDnsUpdateRefused : fault.fault.error();
}

void DenyPublish(Landscape& landscape, const PlannedFault& fault, absl::Time) {
  landscape.dns.RefuseUpdates(HostOf(landscape, fault).fqdn(), RefusalOf(fault));
  landscape.dns.RemoveSrv(HostOf(landscape, fault).fqdn());
}

void DenyPublishKeepRecord(Landscape& landscape, const PlannedFault& fault, absl::Time) {
  landscape.dns.RefuseUpdates(HostOf(landscape, fault).fqdn(), RefusalOf(fault));
}

void PublishingOff(Landscape& landscape, const PlannedFault& fault, absl::Time) {
  HostOf(landscape, fault).host->dns_publishing = false;
  landscape.dns.RemoveSrv(HostOf(landscape, fault).fqdn());
}

void LoseRecord(Landscape& landscape, const PlannedFault& fault, absl::Time) {
  landscape.dns.LoseUpdates(HostOf(landscape, fault).fqdn());
  landscape.dns.RemoveSrv(HostOf(landscape, fault).fqdn());
}

void LeaveStaleRecord(Landscape& landscape, const PlannedFault& fault, absl::Time) {
  const Machine& host = HostOf(landscape, fault);
  std::string gone = fault.fault.host();
  if (gone.empty()) gone = absl::StrCat("kms-retired.", host.domain);
  landscape.dns.AddSrv(host.domain, {gone, kms::kDefaultPort, 0, 0});
}

void AddRogueRecord(Landscape& landscape, const PlannedFault& fault, absl::Time now) {
  const Machine& host = HostOf(landscape, fault);
  const Machine& rogue = RogueHost(landscape, fault.fault, host.domain, now);
  landscape.dns.AddSrv(host.domain, {rogue.name, kms::kDefaultPort, 0, 0});
}

// Its record is only for when no other host answers, and nobody had to yet.
void StandBy(Landscape& landscape, const PlannedFault& fault, absl::Time now) {
  Machine& host = HostOf(landscape, fault);
  host.host->priority = kStandbyPriority;
  host.host->Forget();
  landscape.Publish(host, now);
  for (const auto& machine : landscape.machines()) {
    if (machine->client.found_host != host.fqdn()) continue;
    machine->client.remembers_found = false;
    machine->client.found_host.clear();
  }
}

// Clients of the host's site, at work already.
std::vector<Machine*> ClientsOfSite(Landscape& landscape, const Machine& host) {
  std::vector<Machine*> out;
  for (const auto& machine : landscape.machines()) {
    if (machine->site == host.site && machine->host == nullptr && machine->installed)
      out.push_back(machine.get());
  }
  return out;
}

void RebuildSite(Landscape& landscape, const PlannedFault& fault, absl::Time now) {
  Machine& host = HostOf(landscape, fault);
  host.host->Forget();
  for (Machine* const machine : ClientsOfSite(landscape, host)) Reinstall(landscape, *machine, now);
}

void CloneSite(Landscape& landscape, const PlannedFault& fault, absl::Time now) {
  Machine& host = HostOf(landscape, fault);
  host.host->Forget();
  const std::string id = host.random.Uuid();
  for (Machine* const machine : ClientsOfSite(landscape, host)) {
    Reinstall(landscape, *machine, now);
    if (machine->product.is_gvlk()) machine->client.machine_id = id;
  }
}

// Half of the clients met the one host first, half the other, and each stays with its own.
void SplitPool(Landscape& landscape, const PlannedFault& fault, absl::Time now) {
  Machine* const hosts[] = {&HostOf(landscape, fault), landscape.Find(fault.fault.host())};
  for (Machine* const host : hosts) host->host->Forget();
  size_t turn = 0;
  for (const auto& machine : landscape.machines()) {
    if (machine->domain != hosts[0]->domain || machine->host != nullptr || !machine->installed)
      continue;
    Reinstall(landscape, *machine, now);
    Machine& host = *hosts[turn++ % 2];
    machine->client.found_host = host.fqdn();
    machine->client.found_port = host.host->bound_port;
    machine->client.remembers_found = true;
  }
}

void MisreadCount(Landscape& landscape, const PlannedFault& fault, absl::Time) {
  HostOf(landscape, fault).host->misread_count = kNobodysCount;
}

constexpr FaultKind kKinds[] = {
    {"host_dns_publish_denied",
     "updates of the host's record are refused with `error` (0x80072338), and it is gone", true,
     kTouchesRecord, DenyPublish},
    {"host_dns_publish_failing", "the same, but the record that was there stays", true,
     kTouchesRecord, DenyPublishKeepRecord},
    {"host_dns_publishing_off", "publishing is disabled and the record is gone", true,
     kTouchesRecord, PublishingOff},
    {"srv_missing", "the host publishes, and its record never reaches those who ask", true,
     kTouchesRecord, LoseRecord},
    {"srv_stale", "the zone of the host has a record of a machine that is gone (`host`)", true, 0,
     LeaveStaleRecord},
    {"srv_rogue", "the zone of the host has a record of a host that nobody approved (`host`)", true,
     0, AddRogueRecord},
    {"host_standby", "the host's record has so low a priority that nobody asks it", true,
     kTouchesCount, StandBy},
    {"count_too_low", "the host and its site, fewer machines than the threshold, were set up anew",
     true, kTouchesCount, RebuildSite},
    {"count_stuck", "the host and its site were set up anew, from one image without sysprep", true,
     kTouchesCount, CloneSite},
    {"count_split",
     "the clients of the host's zone are spread over it and `host`: too few for each", true,
     kTouchesCount, SplitPool},
    {"host_count_misread", "the host's licensing service tells a count that no host can have", true,
     kTouchesCount, MisreadCount},
};

}  // namespace

void Reinstall(Landscape& landscape, Machine& machine, absl::Time now) {
  const std::string directory_object = machine.client.directory_object;
  const std::string cloud_host = kms::CloudOfHost(machine.client.registered_host).empty()
                                     ? ""
                                     : machine.client.registered_host;
  machine.client = ClientState();
  machine.client.directory_object = directory_object;
  machine.client.registered_host = cloud_host;
  machine.client.machine_id = machine.random.Uuid();
  machine.product = MakeClientProduct(machine, now);
  machine.application.Reset();
  landscape.PlanAttempt(machine, now + absl::Minutes(120 * machine.random.Uniform()));
}

bool RebuildsSite(const FaultKind& kind) {
  return kind.make == RebuildSite || kind.make == CloneSite || kind.make == SplitPool;
}

Machine& RogueHost(Landscape& landscape, const v1::Fault& fault, const std::string& domain,
                   absl::Time now) {
  const std::string name = fault.host().empty() ? absl::StrCat("kms-free.", domain) : fault.host();
  // Out on the Internet if the name is, else somewhere in the house.
  uint64_t hash = 7;
  for (const unsigned char c : name) hash = hash * 131 + c;
  const bool inside = absl::EndsWith(name, absl::StrCat(".", domain));
  const std::string network = inside ? absl::StrCat("10.253.", hash % 250) : "203.0.113";
  const std::string address = absl::StrCat(network, ".", hash / 250 % 250 + 1);
  return landscape.AddForeignHost(name, address, kRogueBuilds[hash % 3],
                                  now - absl::Hours(24) * static_cast<int64_t>(hash % 2000));
}

std::span<const FaultKind> RecordFaults() { return kKinds; }

}  // namespace keymedic::lab
