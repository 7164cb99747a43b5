// SPDX-License-Identifier: Apache-2.0
//
// What no single machine owns: SRV records that name a machine that is not there or that nobody
// allowed, pools whose machines are spread too thin, and what is going to expire.
#include <algorithm>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "kms/diagnosis/builder.h"
#include "kms/diagnosis/facts.h"
#include "kms/diagnosis/forecast_machine.h"
#include "kms/diagnosis/index.h"

namespace keymedic::kms {
namespace {

bool IsAllowed(const v1::Policy& policy, const std::string& host, const MachineState* machine) {
  if (IsSanctioned(policy, host)) return true;
  return machine != nullptr && absl::c_any_of(NamesOf(*machine), [&](const std::string& name) {
           return IsSanctioned(policy, name);
         });
}

v1::Finding StaleRecord(const std::string& zone, const std::string& host, const Target& target,
                        uint32_t machines) {
  return FindingBuilder("DNS_SRV_STALE", absl::StrCat(zone, " -> ", host))
      .Saw("dns", zone,
           absl::StrCat(
               "names ", host,
               target.unresolved_by.empty() ? ", which does not answer" : ", which has no address"))
      .Saw("dns", "machines that are told so", absl::StrCat(machines))
      .Why(absl::StrCat("remove the SRV record of ", zone, " that names ", host))
      .Build();
}

v1::Finding UnsanctionedRecord(const std::string& zone, const std::string& host,
                               const Target& target, const v1::Policy& policy) {
  FindingBuilder builder("DNS_SRV_UNSANCTIONED", absl::StrCat(zone, " -> ", host));
  builder.Saw("dns", zone, absl::StrCat("names ", host));
  for (const auto& [address, answers] : target.addresses) builder.Saw("dns", host, address);
  if (!policy.kms_hosts().empty()) {
    builder.Saw("policy", "kms_hosts",
                absl::StrCat(policy.kms_hosts_size(), " hosts, and not this one"));
  }
  return builder
      .Why(absl::StrCat("find out who runs ", host, "; remove its SRV record of ", zone,
                        ", or name it in the policy"))
      .Build();
}

// A name, or what it stands for, that is a cloud's own endpoint.
bool IsCloud(const std::string& host, const Target& target) {
  return !CloudOfHost(host).empty() || absl::c_any_of(target.addresses, [](const auto& row) {
    return !CloudOfHost(row.first).empty();
  });
}

bool IsPublic(const std::string& host, const Target& target) {
  return IsPublicAddress(host) || absl::c_any_of(target.addresses, [](const auto& row) {
           return IsPublicAddress(row.first);
         });
}

void DiagnoseTarget(const Estate& estate, const std::string& host, const Target& target,
                    const v1::Policy& policy, std::vector<v1::Finding>& findings) {
  if (target.zones.empty() || IsCloud(host, target)) return;
  const MachineState* machine = FindHost(estate, host);
  // A machine that is known but no host any more is as gone as one that is not known.
  const bool known = machine != nullptr && estate.index().hosts.contains(machine->id);
  const bool silent =
      target.reaching.empty() &&
      (!target.failing.empty() || target.unresolved_by.size() == target.listed_by.size());
  // Without a list every host of one's own is allowed, and none on the Internet is one's own.
  const bool allowed = IsAllowed(policy, host, machine) &&
                       (!policy.kms_hosts().empty() || known || !IsPublic(host, target));
  for (const auto& [zone, machines] : target.zones) {
    if (!known && silent) {
      findings.push_back(StaleRecord(zone, host, target, machines));
    } else if (!allowed) {
      findings.push_back(UnsanctionedRecord(zone, host, target, policy));
    }
  }
}

using Hosts = std::vector<const MachineState*>;

// The hosts that share the clients of each zone, as far as their counts are known: those that DNS
// names there and, where nobody asked it, those that publish there.
std::map<std::string, Hosts> HostsByZone(const Estate& estate) {
  std::map<std::string, Hosts> zones;
  for (const absl::string_view id : estate.index().hosts) {
    const MachineState* host = estate.Find(id);
    if (!host->host.has_value() || CountOf(*host->host).value_or(0) == 0) continue;
    absl::btree_set<std::string> own;
    for (const Target* target : estate.index().TargetsOf(*host)) {
      for (const auto& [zone, machines] : target->zones) own.insert(zone);
    }
    for (const std::string& domain : PublishedDomainsOf(*host)) {
      const auto zone = estate.index().zones.find(domain);
      const bool asked = zone != estate.index().zones.end() && zone->second.asked();
      if (!asked && host->host->dns_publishing()) own.insert(absl::StrCat("_vlmcs._tcp.", domain));
    }
    for (const std::string& zone : own) zones[zone].push_back(host);
  }
  return zones;
}

// What the clients that ask these hosts require; desktops, if nobody knows.
int ThresholdOf(const Hosts& hosts) {
  int required = 0;
  for (const MachineState* host : hosts) required = std::max(required, RequiredCount(*host->host));
  return required == 0 ? kDesktopThreshold : required;
}

// The machines that all of them have counted: who asked two of them is in both counts.
int MachinesOf(const Hosts& hosts) {
  int sum = 0;
  size_t logged = 0;
  absl::btree_set<std::string> ids;
  for (const MachineState* host : hosts) {
    sum += host->host->current_count();
    logged += host->host->requests_size();
    for (const v1::RequestSummary& request : host->host->requests()) {
      if (IsMachineId(request.client_machine_id()))
        ids.insert(absl::AsciiStrToLower(request.client_machine_id()));
    }
  }
  // A log that holds less than the count says nothing of the rest.
  return static_cast<int>(logged) < sum ? sum : std::min<int>(sum, ids.size());
}

// Enough clients in all, too few for each host: the hosts of one zone share its clients.
void DiagnoseSplit(const Estate& estate, std::vector<v1::Finding>& findings) {
  for (auto& [zone, hosts] : HostsByZone(estate)) {
    const int threshold = ThresholdOf(hosts);
    const bool all_low = absl::c_all_of(
        hosts, [&](const MachineState* host) { return host->host->current_count() < threshold; });
    if (hosts.size() < 2 || !all_low || MachinesOf(hosts) < threshold) continue;
    // The one that has most stays in DNS.
    absl::c_stable_sort(hosts, [](const MachineState* a, const MachineState* b) {
      return a->host->current_count() > b->host->current_count();
    });
    FindingBuilder builder("HOST_COUNT_SPLIT", zone);
    builder.NoTreatments();
    for (const MachineState* host : hosts) {
      builder.Saw("kms_host", host->name,
                  absl::StrCat("count ", host->host->current_count(), " of ", threshold));
      if (host != hosts.front())
        builder.Treat("ensure_dns_publishing", {{"enabled", "false"}}, host->id);
    }
    findings.push_back(builder.Build());
  }
}

// Different machines get different answers for one name, and nothing says who is right.
void DiagnoseZones(const Estate& estate, std::vector<v1::Finding>& findings) {
  std::vector<std::string> domains;
  for (const auto& [domain, zone] : estate.index().zones) {
    if (zone.served > 0 && !zone.unserved.empty()) domains.push_back(domain);
  }
  std::sort(domains.begin(), domains.end());
  for (const std::string& domain : domains) {
    const Zone& zone = estate.index().zones.at(domain);
    const std::string name = absl::StrCat("_vlmcs._tcp.", domain);
    findings.push_back(
        FindingBuilder("EVIDENCE_CONTRADICTORY", name)
            .Saw("dns", "machines that are told of records", absl::StrCat(zone.served))
            .Saw("dns", "machines that are told of none",
                 absl::StrCat(zone.unserved.size(), ", one is ",
                              estate.Find(*zone.unserved.begin())->name))
            .Build());
  }
}

// The first to expire first; seconds and id.
std::vector<std::pair<int64_t, absl::string_view>> ExpiringBefore(const Estate& estate,
                                                                  int64_t until) {
  std::vector<std::pair<int64_t, absl::string_view>> expiring;
  for (const auto& [day, ids] : estate.index().expiries) {
    if (day > until / kSecondsOfDay) break;
    for (const absl::string_view id : ids) {
      const MachineState& machine = *estate.Find(id);
      const int64_t seconds = PrimaryProduct(*machine.licensing)->expires_at().seconds();
      if (seconds < until) expiring.emplace_back(seconds, id);
    }
  }
  std::sort(expiring.begin(), expiring.end());
  return expiring;
}

// Machines that leave Licensed within the policy's days if nothing changes. One machine alone has
// findings of its own that say so.
void DiagnoseExpiry(const Estate& estate, const v1::Policy& policy, absl::Time now,
                    std::vector<v1::Finding>& findings) {
  if (estate.size() < 2) return;
  constexpr size_t kNamesShown = 5;
  const int64_t days = policy.expiry_ahead_days() == 0 ? 30 : policy.expiry_ahead_days();
  const int64_t until = absl::ToUnixSeconds(now) + days * kSecondsOfDay;
  absl::btree_set<std::string> names;
  FindingBuilder builder("ESTATE_EXPIRY_AHEAD", "estate");
  Outlooks outlooks(estate, policy, now);
  for (const auto& [seconds, id] : ExpiringBefore(estate, until)) {
    const MachineState& machine = *estate.Find(id);
    if (!outlooks.LeavesLicensed(machine)) continue;
    const std::string& name = machine.name;
    if (names.size() < kNamesShown)
      builder.Saw("licensing", name,
                  absl::StrCat("licensed until ",
                               absl::FormatTime("%Y-%m-%d", absl::FromUnixSeconds(seconds),
                                                absl::UTCTimeZone())));
    names.insert(name);
  }
  if (names.empty()) return;
  v1::Finding finding =
      builder.Saw("licensing", "machines", absl::StrCat(names.size(), " within ", days, " days"))
          .Build();
  finding.mutable_affected_machines()->Assign(names.begin(), names.end());
  findings.push_back(std::move(finding));
}

}  // namespace

std::vector<v1::Finding> DiagnoseRecords(const Estate& estate, const v1::Policy& policy,
                                         absl::Time now) {
  std::vector<v1::Finding> findings;
  std::vector<std::string> hosts;
  for (const auto& [host, target] : estate.index().targets) hosts.push_back(host);
  std::sort(hosts.begin(), hosts.end());
  for (const std::string& host : hosts)
    DiagnoseTarget(estate, host, estate.index().targets.at(host), policy, findings);
  DiagnoseSplit(estate, findings);
  DiagnoseZones(estate, findings);
  DiagnoseExpiry(estate, policy, now, findings);
  return findings;
}

}  // namespace keymedic::kms
