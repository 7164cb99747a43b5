// SPDX-License-Identifier: Apache-2.0
//
// From the obstacle that a client meets to the statements that name it.
#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "kms/tables.h"
#include "lab/truth_teller.h"

namespace keymedic::lab {

std::vector<std::string> TruthTeller::ZonesOf(const Machine& machine) const {
  if (!machine.client.lookup_domain.empty()) return {machine.client.lookup_domain};
  return machine.suffixes;
}

TruthTeller::Causes TruthTeller::CausesOf(const Machine& machine, const Obstacle& obstacle) const {
  using Kind = Obstacle::Kind;
  const Machine* const host = obstacle.connection.host;
  switch (obstacle.kind) {
    case Kind::kServiceDisabled:
      return {Plain(machine)};
    case Kind::kNotGenuine:
      return {{"CLIENT_NON_GENUINE", machine.name}};
    case Kind::kForeignKey:
      return {};  // licensed for good, or the key itself is what is wrong
    case Kind::kWrongEdition:
      return {{"CLIENT_KEY_WRONG_EDITION", machine.name}};
    case Kind::kTypeLimited:
      return {{"CLIENT_ACTIVATION_TYPE_LIMITED", machine.name}};
    case Kind::kNoNameServer:
      return {{"CLIENT_DNS_NO_SERVER", machine.name}};
    case Kind::kNoRecord:
      return CausesOfNoRecord(machine);
    case Kind::kNoContact:
      return CausesOfSilence(machine, obstacle);
    case Kind::kClock:
      return {{"CLIENT_CLOCK_SKEW", machine.name}};
    case Kind::kKeyGroup: {
      Causes out;
      if (!kms::HostKeyCovers(host->host->csvlk_family, machine.product.family))
        out.insert({"HOST_KEY_MISMATCH", host->name});
      if (!KnowsFamily(host->build, host->revision, machine.product.family))
        out.insert({"HOST_SERVICE_OUTDATED", host->name});
      if (host_truths_.at(host).unsupported) out.insert({"HOST_EDITION_CANNOT_HOST", host->name});
      return out;
    }
    case Kind::kCount:
      return CausesOfLowCount(*host);
  }
  return {};
}

TruthTeller::Causes TruthTeller::OfRecords(absl::string_view code, const Machine& machine,
                                           const std::string& target) const {
  Causes out;
  for (const std::string& zone : ZonesOf(machine)) {
    const std::string name = absl::StrCat("_vlmcs._tcp.", zone);
    for (const Srv& record : landscape_.dns.LookupSrv(name)) {
      if (record.target == target)
        out.insert({std::string(code), absl::StrCat(name, " -> ", absl::AsciiStrToLower(target))});
    }
  }
  return out;
}

TruthTeller::Causes TruthTeller::CausesOfSilence(const Machine& machine,
                                                 const Obstacle& obstacle) const {
  const bool unresolved = obstacle.connection.result == Reached::kUnresolved;
  if (machine.no_name_server && unresolved) return {{"CLIENT_DNS_NO_SERVER", machine.name}};
  const Statement own{"CLIENT_HOST_UNREACHABLE", machine.name};
  const Machine* const host = landscape_.FindHost(obstacle.host);
  const auto found = host_truths_.find(host);
  if (found == host_truths_.end()) {
    Causes out;
    if (machine.outbound_blocked) out.insert(own);  // beside the host that is gone
    if (!machine.client.registered_host.empty()) {
      out.insert({"CLIENT_HOST_OVERRIDE", machine.name});
      return out;
    }
    out.merge(OfRecords("DNS_SRV_STALE", machine, obstacle.host));
    return out.empty() ? Causes{own} : out;
  }
  const HostTruth& truth = found->second;
  Causes out;
  const std::string& name = host->name;
  if (truth.stopped) out.insert({"HOST_SERVICE_STOPPED", name});
  if (truth.closed) out.insert({"HOST_FIREWALL_CLOSED", name});
  if (obstacle.port != host->host->bound_port) out.insert({"HOST_PORT_MISMATCH", name});
  if (truth.cannot_host) out.insert({"HOST_EDITION_CANNOT_HOST", name});
  if (truth.used_up) out.insert({"HOST_ACTIVATION_LIMIT", name});
  if (truth.unlicensed) out.insert({"HOST_NOT_LICENSED", name});
  const bool host_shows_it = !out.empty();
  if (machine.outbound_blocked) out.insert(own);  // beside what keeps all others out
  if (host_shows_it && !truth.adrift) return out;
  // Requests get lost on the way; from outside, a client that sends none out looks the same.
  out.insert({"HOST_REQUEST_NOT_SEEN", name});
  if (truth.adrift || !machine.outbound_blocked) out.insert({"HOST_UNREACHABLE", name});
  if (!truth.adrift) out.insert(own);  // others get through
  return out;
}

TruthTeller::Causes TruthTeller::CausesOfNoRecord(const Machine& machine) const {
  if (!machine.client.lookup_domain.empty()) return {{"CLIENT_LOOKUP_DOMAIN_WRONG", machine.name}};
  Causes out;
  for (const Machine* const host : hosts_) {
    std::vector<std::string> domains = host->host->publish_domains;
    domains.push_back(host->domain);
    const bool serves_it = std::any_of(domains.begin(), domains.end(), [&](const auto& domain) {
      return std::find(machine.suffixes.begin(), machine.suffixes.end(), domain) !=
             machine.suffixes.end();
    });
    if (!serves_it) continue;
    const HostTruth& truth = host_truths_.at(host);
    if (truth.publish_failed) out.insert({"HOST_DNS_PUBLISH_FAILED", host->name});
    if (truth.publishing_off) out.insert({"HOST_DNS_PUBLISHING_OFF", host->name});
    if (truth.record_lost) out.insert({"HOST_SRV_MISSING", host->name});
    if (truth.stopped) out.insert({"HOST_SERVICE_STOPPED", host->name});
    if (truth.unlicensed) out.insert({"HOST_NOT_LICENSED", host->name});
  }
  if (out.empty()) out.insert({"CLIENT_DNS_NO_SRV", machine.name});
  return out;
}

TruthTeller::Causes TruthTeller::CausesOfLowCount(const Machine& host) const {
  const HostTruth& truth = host_truths_.at(&host);
  const std::string& name = host.name;
  Causes out;
  if (truth.stuck) {
    out.insert({"HOST_COUNT_STUCK", name});
    for (const auto& [id, machines] : by_id_) {
      if (machines.size() < 2) continue;
      for (const Machine* const clone : machines)
        out.insert({"CLIENT_DUPLICATE_CMID", clone->name});
    }
  }
  if (truth.split) {
    for (const auto& [domain, records] : landscape_.dns.Records()) {
      for (const Srv& record : records) {
        if (landscape_.FindHost(record.target) == &host)
          out.insert({"HOST_COUNT_SPLIT", absl::StrCat("_vlmcs._tcp.", domain)});
      }
    }
  }
  if (truth.IsHidden()) {
    if (truth.publish_failed) out.insert({"HOST_DNS_PUBLISH_FAILED", name});
    if (truth.publishing_off) out.insert({"HOST_DNS_PUBLISHING_OFF", name});
    if (truth.record_lost) out.insert({"HOST_SRV_MISSING", name});
  }
  // Those who ask on a wrong port would fill it.
  if (truth.pinned_wrong > 0 && truth.count + truth.pinned_wrong >= truth.threshold)
    out.insert({"HOST_PORT_MISMATCH", name});
  if (truth.rejects) out.insert({"HOST_KEY_MISMATCH", name});
  if (truth.outdated) out.insert({"HOST_SERVICE_OUTDATED", name});
  if (!truth.stuck && !truth.split) out.insert({"HOST_COUNT_TOO_LOW", name});
  return out;
}

}  // namespace keymedic::lab
