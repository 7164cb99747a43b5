// SPDX-License-Identifier: Apache-2.0
//
// Folding: what follows from a cause goes under it. Which code may follow from which, and where the
// cause stands, is one table; a chain of causes is followed to its root.
#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <tuple>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/ascii.h"
#include "kms/diagnosis/facts.h"

namespace keymedic::kms {
namespace {

enum class Where {
  kSameMachine,
  kItsHost,    // the KMS host that the machine asks
  kShortHost,  // the same, if its count is under what this machine needs
  kZoneHost,   // a KMS host in the machine's DNS domain
  kSameId,     // the first machine with the same client machine id
  kItsClones,  // the first of those machines that ask this host with one id
  kItsRecord,  // an SRV record that names the host that the machine asks
  kItsPool,    // a pool of hosts that this host belongs to
};

struct FoldRule {
  absl::string_view follower;
  Where where;
  absl::string_view cause;
};

// In order: the first cause that is there is taken.
constexpr FoldRule kRules[] = {
    {"CLIENT_DUPLICATE_CMID", Where::kSameId, "CLIENT_DUPLICATE_CMID"},
    {"CLIENT_DUPLICATE_CMID", Where::kItsClones, "CLIENT_DUPLICATE_CMID"},
    {"CLIENT_HOST_UNREACHABLE", Where::kItsHost, "HOST_SERVICE_STOPPED"},
    {"CLIENT_HOST_UNREACHABLE", Where::kItsHost, "HOST_FIREWALL_CLOSED"},
    {"CLIENT_HOST_UNREACHABLE", Where::kItsHost, "HOST_PORT_MISMATCH"},
    {"CLIENT_HOST_UNREACHABLE", Where::kItsHost, "HOST_UNREACHABLE"},
    {"CLIENT_HOST_UNREACHABLE", Where::kItsHost, "HOST_REQUEST_NOT_SEEN"},
    {"CLIENT_HOST_UNREACHABLE", Where::kSameMachine, "CLIENT_HOST_OVERRIDE"},
    {"CLIENT_HOST_UNREACHABLE", Where::kItsRecord, "DNS_SRV_STALE"},
    {"CLIENT_HOST_UNSANCTIONED", Where::kItsRecord, "DNS_SRV_UNSANCTIONED"},
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
    {"CLIENT_NEVER_ACTIVATED", Where::kShortHost, "HOST_COUNT_STUCK"},
    {"CLIENT_NEVER_ACTIVATED", Where::kShortHost, "HOST_COUNT_TOO_LOW"},
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
    {"HOST_REQUEST_NOT_SEEN", Where::kSameMachine, "HOST_SERVICE_STOPPED"},
    {"HOST_REQUEST_NOT_SEEN", Where::kSameMachine, "HOST_FIREWALL_CLOSED"},
    {"HOST_REQUEST_NOT_SEEN", Where::kSameMachine, "HOST_PORT_MISMATCH"},
    {"HOST_REQUEST_NOT_SEEN", Where::kSameMachine, "HOST_UNREACHABLE"},
    {"HOST_SRV_MISSING", Where::kSameMachine, "HOST_DNS_PUBLISH_FAILED"},
    {"HOST_SRV_MISSING", Where::kSameMachine, "HOST_DNS_PUBLISHING_OFF"},
    {"HOST_SRV_MISSING", Where::kSameMachine, "HOST_SERVICE_STOPPED"},
    {"HOST_NOT_LICENSED", Where::kSameMachine, "HOST_EDITION_CANNOT_HOST"},
    {"HOST_NOT_LICENSED", Where::kSameMachine, "HOST_ACTIVATION_LIMIT"},
    {"HOST_REQUESTS_FAILING", Where::kSameMachine, "HOST_KEY_MISMATCH"},
    {"HOST_KEY_MISMATCH", Where::kSameMachine, "HOST_EDITION_CANNOT_HOST"},
    {"HOST_KEY_MISMATCH", Where::kSameMachine, "HOST_SERVICE_OUTDATED"},
    {"HOST_COUNT_STUCK", Where::kItsClones, "CLIENT_DUPLICATE_CMID"},
    {"HOST_COUNT_TOO_LOW", Where::kSameMachine, "HOST_COUNT_STUCK"},
    {"HOST_COUNT_TOO_LOW", Where::kSameMachine, "HOST_FIREWALL_CLOSED"},
    {"HOST_COUNT_TOO_LOW", Where::kSameMachine, "HOST_SERVICE_STOPPED"},
    {"HOST_COUNT_TOO_LOW", Where::kSameMachine, "HOST_PORT_MISMATCH"},
    {"HOST_COUNT_TOO_LOW", Where::kSameMachine, "HOST_DNS_PUBLISH_FAILED"},
    {"HOST_COUNT_TOO_LOW", Where::kSameMachine, "HOST_DNS_PUBLISHING_OFF"},
    {"HOST_COUNT_TOO_LOW", Where::kItsPool, "HOST_COUNT_SPLIT"},
    {"HOST_COUNT_ZERO", Where::kSameMachine, "HOST_SERVICE_STOPPED"},
    {"HOST_COUNT_ZERO", Where::kSameMachine, "HOST_FIREWALL_CLOSED"},
    {"HOST_COUNT_ZERO", Where::kSameMachine, "HOST_PORT_MISMATCH"},
    {"HOST_COUNT_ZERO", Where::kSameMachine, "HOST_DNS_PUBLISH_FAILED"},
    {"HOST_COUNT_ZERO", Where::kSameMachine, "HOST_DNS_PUBLISHING_OFF"},
};

constexpr size_t kNone = static_cast<size_t>(-1);

class Folder {
 public:
  Folder(const Estate& estate, std::vector<v1::Finding>& findings);
  void Fold();

 private:
  // A machine whose finding is asked for its cause; the hosts it asks are looked up once.
  struct Follower {
    const MachineState& machine;
    std::optional<std::vector<std::string>> hosts;
  };

  size_t RootOf(size_t i, const std::vector<size_t>& cause) const;
  size_t CauseOf(size_t i) const;
  bool Explains(size_t cause, size_t follower) const;
  size_t Find(const FoldRule& rule, Follower& follower) const;
  size_t On(const std::string& machine_id, absl::string_view code) const;
  size_t OnFirst(const std::vector<std::string>& machine_ids, absl::string_view code) const;
  size_t OnSharers(absl::string_view cmid, absl::string_view code) const;
  size_t OnClones(const MachineState& host, absl::string_view code) const;
  size_t OnPool(const MachineState& host, absl::string_view code) const;
  size_t OnZone(const MachineState& machine, absl::string_view code) const;
  size_t OnRecord(const MachineState& machine, absl::string_view code) const;
  std::vector<std::string> HostsOf(const MachineState& machine) const;
  std::vector<std::string> ShortHosts(const MachineState& machine,
                                      const std::vector<std::string>& hosts) const;

  const Estate& estate_;
  std::vector<v1::Finding>& findings_;
  absl::flat_hash_map<std::string, std::vector<size_t>> by_machine_;
  // Of findings that are no machine's: by the zone, and by the host that a record names.
  absl::flat_hash_map<std::string, std::vector<size_t>> by_zone_, by_record_;
  absl::flat_hash_map<std::string, std::vector<std::string>> zone_hosts_;
};

Folder::Folder(const Estate& estate, std::vector<v1::Finding>& findings)
    : estate_(estate), findings_(findings) {
  const std::string arrow_text = " -> ";
  for (size_t i = 0; i < findings.size(); ++i) {
    const std::string& subject = findings[i].subject();
    if (!findings[i].machine_id().empty()) {
      by_machine_[findings[i].machine_id()].push_back(i);
    } else if (const size_t arrow = subject.find(arrow_text); arrow != std::string::npos) {
      by_record_[subject.substr(arrow + arrow_text.size())].push_back(i);
    } else {
      by_zone_[subject].push_back(i);
    }
  }
  for (const std::string& id : estate.index().hosts) {
    const MachineState* host = estate.Find(id);
    if (host->os.has_value() && !host->os->dns_domain().empty())
      zone_hosts_[HostKey(host->os->dns_domain())].push_back(id);
  }
}

void Folder::Fold() {
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

// Follows the chain; a ring, which the table does not make, would end somewhere on it.
size_t Folder::RootOf(size_t i, const std::vector<size_t>& cause) const {
  constexpr int kLongestChain = 8;
  size_t root = i;
  for (int steps = 0; cause[root] != kNone && steps < kLongestChain; ++steps) root = cause[root];
  return root;
}

size_t Folder::CauseOf(size_t i) const {
  const v1::Finding& finding = findings_[i];
  if (finding.machine_id().empty()) return kNone;
  const MachineState* machine = estate_.Find(finding.machine_id());
  if (machine == nullptr) return kNone;
  Follower follower{*machine, std::nullopt};
  for (const FoldRule& rule : kRules) {
    if (rule.follower != finding.code()) continue;
    const size_t found = Find(rule, follower);
    if (found != kNone && found != i && Explains(found, i)) return found;
  }
  return kNone;
}

// A mere notice hides no problem: a setting that is worth a word, or a count of nobody, explains
// only what is no more than that itself.
bool Folder::Explains(size_t cause, size_t follower) const {
  return findings_[cause].severity() >= v1::SEVERITY_WARNING ||
         findings_[follower].severity() < v1::SEVERITY_WARNING;
}

size_t Folder::Find(const FoldRule& rule, Follower& follower) const {
  const MachineState& machine = follower.machine;
  switch (rule.where) {
    case Where::kSameMachine:
      return On(machine.id, rule.cause);
    case Where::kItsHost:
      if (!follower.hosts.has_value()) follower.hosts = HostsOf(machine);
      return OnFirst(*follower.hosts, rule.cause);
    case Where::kShortHost:
      if (!follower.hosts.has_value()) follower.hosts = HostsOf(machine);
      return OnFirst(ShortHosts(machine, *follower.hosts), rule.cause);
    case Where::kZoneHost:
      return OnZone(machine, rule.cause);
    case Where::kSameId:
      return machine.client.has_value() ? OnSharers(machine.client->client_machine_id(), rule.cause)
                                        : kNone;
    case Where::kItsClones:
      return OnClones(machine, rule.cause);
    case Where::kItsRecord:
      return OnRecord(machine, rule.cause);
    case Where::kItsPool:
      return OnPool(machine, rule.cause);
  }
  return kNone;
}

size_t Folder::On(const std::string& machine_id, absl::string_view code) const {
  const auto it = by_machine_.find(machine_id);
  if (it == by_machine_.end()) return kNone;
  for (const size_t i : it->second) {
    if (findings_[i].code() == code) return i;
  }
  return kNone;
}

size_t Folder::OnFirst(const std::vector<std::string>& machine_ids, absl::string_view code) const {
  for (const std::string& id : machine_ids) {
    if (const size_t found = On(id, code); found != kNone) return found;
  }
  return kNone;
}

size_t Folder::OnSharers(absl::string_view cmid, absl::string_view code) const {
  const auto sharing = estate_.index().by_cmid.find(absl::AsciiStrToLower(cmid));
  return sharing == estate_.index().by_cmid.end() ? kNone : On(*sharing->second.begin(), code);
}

size_t Folder::OnClones(const MachineState& host, absl::string_view code) const {
  if (!host.host.has_value()) return kNone;
  for (const v1::RequestSummary& request : host.host->requests()) {
    if (request.machine_names_size() < 2) continue;
    if (const size_t found = OnSharers(request.client_machine_id(), code); found != kNone)
      return found;
  }
  return kNone;
}

size_t Folder::OnPool(const MachineState& host, absl::string_view code) const {
  for (const Target* target : estate_.index().TargetsOf(host)) {
    for (const auto& [zone, machines] : target->zones) {
      const auto it = by_zone_.find(zone);
      if (it == by_zone_.end()) continue;
      for (const size_t i : it->second) {
        if (findings_[i].code() == code) return i;
      }
    }
  }
  return kNone;
}

size_t Folder::OnZone(const MachineState& machine, absl::string_view code) const {
  std::vector<std::string> zones;
  if (machine.os.has_value() && !machine.os->dns_domain().empty())
    zones.push_back(HostKey(machine.os->dns_domain()));
  if (machine.names.has_value()) {
    for (const std::string& suffix : machine.names->suffixes()) zones.push_back(HostKey(suffix));
  }
  for (const std::string& zone : zones) {
    const auto hosts = zone_hosts_.find(zone);
    if (hosts == zone_hosts_.end()) continue;
    if (const size_t found = OnFirst(hosts->second, code); found != kNone) return found;
  }
  return kNone;
}

// Only who goes by DNS suffers from a record.
size_t Folder::OnRecord(const MachineState& machine, absl::string_view code) const {
  if (by_record_.empty()) return kNone;
  const Facts facts(estate_, machine, v1::Policy::default_instance(), absl::InfinitePast());
  if (facts.pinned) return kNone;
  const auto it = by_record_.find(HostKey(facts.host_name));
  if (it == by_record_.end()) return kNone;
  for (const size_t i : it->second) {
    if (findings_[i].code() == code) return i;
  }
  return kNone;
}

// The KMS hosts that a machine asks: the one it uses, else those it was probing.
std::vector<std::string> Folder::HostsOf(const MachineState& machine) const {
  const Facts facts(estate_, machine, v1::Policy::default_instance(), absl::InfinitePast());
  if (facts.host_machine != nullptr) return {facts.host_machine->id};
  std::vector<std::string> ids;
  if (!facts.host_name.empty()) return ids;
  if (machine.probes.has_value()) {
    for (const v1::Probe& probe : machine.probes->probes()) {
      if (const MachineState* host = estate_.FindByHostName(probe.host())) ids.push_back(host->id);
    }
  }
  // Nobody says which host it asks, and there is only one.
  if (ids.empty() && !estate_.index().pool.only_host.empty())
    ids.push_back(estate_.index().pool.only_host);
  return ids;
}

// Those whose count is too low for this machine: a server needs fewer than a desktop.
std::vector<std::string> Folder::ShortHosts(const MachineState& machine,
                                            const std::vector<std::string>& hosts) const {
  const int needed = machine.os.has_value() && machine.os->is_server() ? 5 : 25;
  std::vector<std::string> out;
  for (const std::string& id : hosts) {
    const MachineState* host = estate_.Find(id);
    if (host != nullptr && host->host.has_value() && host->host->has_current_count() &&
        host->host->current_count() < needed)
      out.push_back(id);
  }
  return out;
}

}  // namespace

std::vector<v1::Finding> Fold(const Estate& estate, std::vector<v1::Finding> findings) {
  Folder(estate, findings).Fold();
  // Sorting pointers: findings are large.
  std::vector<v1::Finding*> order;
  for (v1::Finding& finding : findings) order.push_back(&finding);
  std::stable_sort(order.begin(), order.end(), [](const v1::Finding* a, const v1::Finding* b) {
    const auto key = [](const v1::Finding& f) {
      return std::tuple(!f.cause_code().empty(), -static_cast<int>(f.severity()),
                        -f.affected_machines_size(), absl::string_view(f.code()),
                        absl::string_view(f.subject()));
    };
    return key(*a) < key(*b);
  });
  std::vector<v1::Finding> sorted;
  sorted.reserve(findings.size());
  for (v1::Finding* finding : order) sorted.push_back(std::move(*finding));
  return sorted;
}

}  // namespace keymedic::kms
