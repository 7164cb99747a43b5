// SPDX-License-Identifier: Apache-2.0
//
// Folding: what follows from a cause goes under it. Which code may follow from which, and where the
// cause stands, is one table; a chain of causes is followed to its root.
#include <algorithm>
#include <map>
#include <set>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "kms/diagnosis/facts.h"

namespace keymedic::kms {
namespace {

enum class Where {
  kSameMachine,
  kItsHost,   // the KMS host that the machine asks
  kZoneHost,  // a KMS host in the machine's DNS domain
  kSameId,    // the first machine with the same client machine id
};

struct FoldRule {
  absl::string_view follower;
  Where where;
  absl::string_view cause;
};

// In order: the first cause that is there is taken.
constexpr FoldRule kRules[] = {
    {"CLIENT_DUPLICATE_CMID", Where::kSameId, "CLIENT_DUPLICATE_CMID"},
    {"CLIENT_HOST_UNREACHABLE", Where::kItsHost, "HOST_SERVICE_STOPPED"},
    {"CLIENT_HOST_UNREACHABLE", Where::kItsHost, "HOST_FIREWALL_CLOSED"},
    {"CLIENT_HOST_UNREACHABLE", Where::kItsHost, "HOST_PORT_MISMATCH"},
    {"CLIENT_HOST_UNREACHABLE", Where::kItsHost, "HOST_UNREACHABLE"},
    {"CLIENT_HOST_UNREACHABLE", Where::kItsHost, "HOST_REQUEST_NOT_SEEN"},
    {"CLIENT_HOST_UNREACHABLE", Where::kSameMachine, "CLIENT_HOST_OVERRIDE"},
    {"CLIENT_HOST_UNREACHABLE", Where::kSameMachine, "CLIENT_HOST_UNSANCTIONED"},
    {"CLIENT_HOST_KEY_MISMATCH", Where::kItsHost, "HOST_EDITION_CANNOT_HOST"},
    {"CLIENT_HOST_KEY_MISMATCH", Where::kItsHost, "HOST_KEY_MISMATCH"},
    {"CLIENT_HOST_KEY_MISMATCH", Where::kItsHost, "HOST_SERVICE_OUTDATED"},
    {"CLIENT_COUNT_TOO_LOW", Where::kItsHost, "HOST_COUNT_STUCK"},
    {"CLIENT_COUNT_TOO_LOW", Where::kItsHost, "HOST_COUNT_TOO_LOW"},
    {"CLIENT_COUNT_TOO_LOW", Where::kItsHost, "HOST_COUNT_ZERO"},
    {"CLIENT_MAK_UNTIL_COUNT", Where::kItsHost, "HOST_COUNT_TOO_LOW"},
    {"CLIENT_DNS_NO_SRV", Where::kZoneHost, "HOST_SERVICE_STOPPED"},
    {"CLIENT_DNS_NO_SRV", Where::kZoneHost, "HOST_DNS_PUBLISH_FAILED"},
    {"CLIENT_DNS_NO_SRV", Where::kZoneHost, "HOST_DNS_PUBLISHING_OFF"},
    {"CLIENT_DNS_NO_SRV", Where::kZoneHost, "HOST_SRV_MISSING"},
    {"CLIENT_NEVER_ACTIVATED", Where::kItsHost, "HOST_SERVICE_STOPPED"},
    {"CLIENT_NEVER_ACTIVATED", Where::kItsHost, "HOST_FIREWALL_CLOSED"},
    {"CLIENT_NEVER_ACTIVATED", Where::kItsHost, "HOST_NOT_LICENSED"},
    {"CLIENT_GRACE_EXPIRING", Where::kSameMachine, "CLIENT_NEVER_ACTIVATED"},
    {"CLIENT_GRACE_EXPIRING", Where::kItsHost, "HOST_FIREWALL_CLOSED"},
    {"CLIENT_NOT_LICENSED", Where::kSameMachine, "CLIENT_NEVER_ACTIVATED"},
    {"CLIENT_NOT_LICENSED", Where::kSameMachine, "CLIENT_GRACE_EXPIRING"},
    {"CLIENT_NOT_LICENSED", Where::kItsHost, "HOST_FIREWALL_CLOSED"},
    {"CLIENT_RENEWAL_OVERDUE", Where::kItsHost, "HOST_SERVICE_STOPPED"},
    {"CLIENT_RENEWAL_OVERDUE", Where::kItsHost, "HOST_FIREWALL_CLOSED"},
    {"HOST_UNREACHABLE", Where::kSameMachine, "HOST_SERVICE_STOPPED"},
    {"HOST_UNREACHABLE", Where::kSameMachine, "HOST_FIREWALL_CLOSED"},
    {"HOST_UNREACHABLE", Where::kSameMachine, "HOST_PORT_MISMATCH"},
    {"HOST_REQUEST_NOT_SEEN", Where::kSameMachine, "HOST_FIREWALL_CLOSED"},
    {"HOST_REQUEST_NOT_SEEN", Where::kSameMachine, "HOST_UNREACHABLE"},
    {"HOST_SRV_MISSING", Where::kSameMachine, "HOST_DNS_PUBLISH_FAILED"},
    {"HOST_SRV_MISSING", Where::kSameMachine, "HOST_DNS_PUBLISHING_OFF"},
    {"HOST_SRV_MISSING", Where::kSameMachine, "HOST_SERVICE_STOPPED"},
    {"HOST_NOT_LICENSED", Where::kSameMachine, "HOST_EDITION_CANNOT_HOST"},
    {"HOST_NOT_LICENSED", Where::kSameMachine, "HOST_ACTIVATION_LIMIT"},
    {"HOST_REQUESTS_FAILING", Where::kSameMachine, "HOST_KEY_MISMATCH"},
    {"HOST_COUNT_STUCK", Where::kSameMachine, "CLIENT_DUPLICATE_CMID"},
    {"HOST_COUNT_TOO_LOW", Where::kSameMachine, "HOST_COUNT_STUCK"},
    {"HOST_COUNT_TOO_LOW", Where::kSameMachine, "HOST_FIREWALL_CLOSED"},
    {"HOST_COUNT_TOO_LOW", Where::kSameMachine, "HOST_SERVICE_STOPPED"},
    {"HOST_COUNT_TOO_LOW", Where::kSameMachine, "HOST_PORT_MISMATCH"},
    {"HOST_COUNT_TOO_LOW", Where::kSameMachine, "HOST_DNS_PUBLISH_FAILED"},
    {"HOST_COUNT_TOO_LOW", Where::kSameMachine, "HOST_DNS_PUBLISHING_OFF"},
    {"HOST_COUNT_ZERO", Where::kSameMachine, "HOST_SERVICE_STOPPED"},
    {"HOST_COUNT_ZERO", Where::kSameMachine, "HOST_FIREWALL_CLOSED"},
    {"HOST_COUNT_ZERO", Where::kSameMachine, "HOST_PORT_MISMATCH"},
    {"HOST_COUNT_ZERO", Where::kSameMachine, "HOST_DNS_PUBLISH_FAILED"},
    {"HOST_COUNT_ZERO", Where::kSameMachine, "HOST_DNS_PUBLISHING_OFF"},
};

class Folder {
 public:
  Folder(const Estate& estate, std::vector<v1::Finding>& findings)
      : estate_(estate), findings_(findings) {
    for (size_t i = 0; i < findings.size(); ++i) {
      if (!findings[i].machine_id().empty())
        by_machine_[{findings[i].machine_id(), findings[i].code()}] = i;
    }
    for (const std::string& id : estate.index().hosts) {
      const MachineState* host = estate.Find(id);
      if (host->os.has_value() && !host->os->dns_domain().empty())
        zone_hosts_[absl::AsciiStrToLower(host->os->dns_domain())].push_back(id);
    }
  }

  void Fold() {
    std::vector<size_t> cause(findings_.size());
    for (size_t i = 0; i < findings_.size(); ++i) cause[i] = CauseOf(i);
    std::map<size_t, std::set<std::string>> affected, codes;
    for (size_t i = 0; i < findings_.size(); ++i) {
      const size_t root = RootOf(i, cause);
      if (!findings_[i].machine_id().empty()) affected[root].insert(findings_[i].subject());
      if (root == i) continue;
      findings_[i].set_cause_code(findings_[root].code());
      findings_[i].set_cause_subject(findings_[root].subject());
      if (findings_[i].code() != findings_[root].code()) codes[root].insert(findings_[i].code());
    }
    for (const auto& [root, machines] : affected)
      findings_[root].mutable_affected_machines()->Assign(machines.begin(), machines.end());
    for (const auto& [root, folded] : codes)
      findings_[root].mutable_folded_codes()->Assign(folded.begin(), folded.end());
  }

 private:
  static constexpr size_t kNone = static_cast<size_t>(-1);

  // Follows the chain; a ring (which the table does not make) would end where it began.
  size_t RootOf(size_t i, const std::vector<size_t>& cause) const {
    size_t root = i;
    for (int steps = 0; cause[root] != kNone && steps < 8; ++steps) root = cause[root];
    return root;
  }

  size_t CauseOf(size_t i) const {
    const v1::Finding& finding = findings_[i];
    if (finding.machine_id().empty()) return kNone;
    const MachineState* machine = estate_.Find(finding.machine_id());
    if (machine == nullptr) return kNone;
    for (const FoldRule& rule : kRules) {
      if (rule.follower != finding.code()) continue;
      const size_t found = Find(rule, *machine);
      if (found != kNone && found != i && Explains(findings_[found], finding)) return found;
    }
    return kNone;
  }

  // A notice about a setting explains no failure: only a dead host's override does.
  static bool Explains(const v1::Finding& cause, const v1::Finding& follower) {
    return cause.code() != "CLIENT_HOST_OVERRIDE" || cause.severity() >= v1::SEVERITY_WARNING;
  }

  size_t On(const std::string& machine_id, absl::string_view code) const {
    const auto it = by_machine_.find(std::pair(machine_id, std::string(code)));
    return it == by_machine_.end() ? kNone : it->second;
  }

  size_t Find(const FoldRule& rule, const MachineState& machine) const {
    switch (rule.where) {
      case Where::kSameMachine:
        return On(machine.id, rule.cause);
      case Where::kItsHost: {
        for (const std::string& id : HostsOf(machine)) {
          if (const size_t found = On(id, rule.cause); found != kNone) return found;
        }
        return kNone;
      }
      case Where::kZoneHost: {
        for (const std::string& zone : ZonesOf(machine)) {
          const auto hosts = zone_hosts_.find(zone);
          if (hosts == zone_hosts_.end()) continue;
          for (const std::string& id : hosts->second) {
            if (const size_t found = On(id, rule.cause); found != kNone) return found;
          }
        }
        return kNone;
      }
      case Where::kSameId: {
        const auto sharing = estate_.index().by_cmid.find(
            absl::AsciiStrToLower(machine.client->client_machine_id()));
        return sharing == estate_.index().by_cmid.end() ? kNone
                                                        : On(*sharing->second.begin(), rule.cause);
      }
    }
    return kNone;
  }

  // The KMS hosts that this machine asks: the one it uses, else those it is told of and cannot
  // reach.
  std::vector<std::string> HostsOf(const MachineState& machine) const {
    const Facts facts(estate_, machine, v1::Policy::default_instance(), absl::InfinitePast());
    std::vector<std::string> ids;
    if (facts.host_machine != nullptr) return {facts.host_machine->id};
    if (machine.probes.has_value()) {
      for (const v1::Probe& probe : machine.probes->probes()) {
        if (const MachineState* host = estate_.FindByHostName(probe.host()))
          ids.push_back(host->id);
      }
    }
    // Nobody says which host it asks, and there is only one.
    const auto& hosts = estate_.index().hosts;
    if (ids.empty() && facts.host_name.empty() && hosts.size() == 1) ids.push_back(*hosts.begin());
    return ids;
  }

  static std::vector<std::string> ZonesOf(const MachineState& machine) {
    std::vector<std::string> zones;
    if (machine.os.has_value() && !machine.os->dns_domain().empty())
      zones.push_back(absl::AsciiStrToLower(machine.os->dns_domain()));
    if (machine.names.has_value()) {
      for (const std::string& suffix : machine.names->suffixes())
        zones.push_back(absl::AsciiStrToLower(suffix));
    }
    return zones;
  }

  const Estate& estate_;
  std::vector<v1::Finding>& findings_;
  absl::flat_hash_map<std::pair<std::string, std::string>, size_t> by_machine_;
  absl::flat_hash_map<std::string, std::vector<std::string>> zone_hosts_;
};

}  // namespace

std::vector<v1::Finding> Fold(const Estate& estate, std::vector<v1::Finding> findings) {
  Folder(estate, findings).Fold();
  std::stable_sort(findings.begin(), findings.end(),
                   [](const v1::Finding& a, const v1::Finding& b) {
                     const auto key = [](const v1::Finding& f) {
                       return std::tuple(!f.cause_code().empty(), -static_cast<int>(f.severity()),
                                         -f.affected_machines_size());
                     };
                     return std::tuple_cat(key(a), std::tie(a.code(), a.subject())) <
                            std::tuple_cat(key(b), std::tie(b.code(), b.subject()));
                   });
  return findings;
}

}  // namespace keymedic::kms
