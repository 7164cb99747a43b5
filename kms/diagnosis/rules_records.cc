// SPDX-License-Identifier: Apache-2.0
//
// What no single machine owns: SRV records that name a machine that is not there or that nobody
// allowed, and pools whose machines are spread too thin.
#include <algorithm>

#include "absl/algorithm/container.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "kms/diagnosis/builder.h"
#include "kms/diagnosis/index.h"

namespace keymedic::kms {
namespace {

bool IsSanctioned(const v1::Policy& policy, const std::string& host) {
  return absl::c_any_of(policy.kms_hosts(), [&](const std::string& known) {
    return absl::EqualsIgnoreCase(known, host) ||
           absl::EqualsIgnoreCase(known.substr(0, known.find('.')), host);
  });
}

void DiagnoseTarget(const Estate& estate, const std::string& host, const Target& target,
                    const v1::Policy& policy, std::vector<v1::Finding>& findings) {
  if (target.zones.empty() || !CloudOfHost(host).empty()) return;
  const bool known = estate.FindByHostName(host) != nullptr;
  const bool silent =
      target.reaching.empty() &&
      (!target.failing.empty() || target.unresolved_by.size() == target.listed_by.size());
  for (const auto& [zone, machines] : target.zones) {
    const std::string subject = absl::StrCat(zone, " -> ", host);
    if (!known && silent) {
      findings.push_back(
          FindingBuilder("DNS_SRV_STALE", subject)
              .Saw("dns", zone,
                   absl::StrCat("names ", host,
                                target.unresolved_by.empty() ? ", which does not answer"
                                                             : ", which has no address"))
              .Saw("dns", "machines that are told so", absl::StrCat(machines))
              .Why(absl::StrCat("remove the SRV record of ", zone, " that names ", host))
              .Build());
    } else if (!policy.kms_hosts().empty() && !IsSanctioned(policy, host)) {
      findings.push_back(
          FindingBuilder("DNS_SRV_UNSANCTIONED", subject)
              .Saw("dns", zone, absl::StrCat("names ", host))
              .Saw("policy", "kms_hosts",
                   absl::StrCat(policy.kms_hosts_size(), " hosts, and not this one"))
              .Why(absl::StrCat("find out who runs ", host, "; remove its SRV record of ", zone,
                                ", or name it in the policy"))
              .Build());
    }
  }
}

// Enough clients in all, too few for each host: the hosts of one zone share its clients.
void DiagnoseSplit(const Estate& estate, std::vector<v1::Finding>& findings) {
  constexpr int kThreshold = 25;
  std::map<std::string, std::vector<const MachineState*>> zones;
  for (const std::string& id : estate.index().hosts) {
    const MachineState* host = estate.Find(id);
    if (!host->host->has_current_count() || host->host->current_count() <= 0) continue;
    absl::btree_set<std::string> own;
    for (const Target* target : estate.index().TargetsOf(*host)) {
      for (const auto& [zone, machines] : target->zones) own.insert(zone);
    }
    for (const std::string& zone : own) zones[zone].push_back(host);
  }
  for (const auto& [zone, hosts] : zones) {
    int sum = 0;
    bool all_low = true;
    for (const MachineState* host : hosts) {
      sum += host->host->current_count();
      all_low = all_low && host->host->current_count() < kThreshold;
    }
    if (hosts.size() < 2 || !all_low || sum < kThreshold) continue;
    FindingBuilder builder("HOST_COUNT_SPLIT", zone);
    for (const MachineState* host : hosts)
      builder.Saw("kms_host", host->name, absl::StrCat("count ", host->host->current_count()));
    builder.NoTreatments();
    for (size_t i = 1; i < hosts.size(); ++i)
      builder.Treat("ensure_dns_publishing", {{"enabled", "false"}}, hosts[i]->id);
    findings.push_back(builder.Build());
  }
}

}  // namespace

std::vector<v1::Finding> DiagnoseRecords(const Estate& estate, const v1::Policy& policy,
                                         absl::Time) {
  std::vector<v1::Finding> findings;
  std::vector<std::string> hosts;
  for (const auto& [host, target] : estate.index().targets) hosts.push_back(host);
  std::sort(hosts.begin(), hosts.end());
  for (const std::string& host : hosts)
    DiagnoseTarget(estate, host, estate.index().targets.at(host), policy, findings);
  DiagnoseSplit(estate, findings);
  return findings;
}

}  // namespace keymedic::kms
