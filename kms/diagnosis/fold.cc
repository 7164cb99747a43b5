// SPDX-License-Identifier: Apache-2.0
//
// Folding: what follows from a cause goes under it; a chain of causes is followed to its root.
#include <algorithm>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/container/flat_hash_map.h"
#include "absl/strings/ascii.h"
#include "kms/diagnosis/facts.h"
#include "kms/diagnosis/fold_counts.h"
#include "kms/diagnosis/fold_rules.h"

namespace keymedic::kms {
namespace {

constexpr size_t kNone = static_cast<size_t>(-1);

// That it asks; 0: not known. Who is told a host and no port asks on the usual one.
uint32_t PortOf(const Facts& facts) {
  return facts.pinned && facts.host_port == 0 ? kDefaultPort : facts.host_port;
}

class Folder {
 public:
  Folder(const Estate& estate, std::vector<v1::Finding>& findings);
  void Fold();

 private:
  // The hosts that a machine depends on.
  struct Uses {
    std::vector<std::string> hosts;  // ids; the one it asks first
    bool asked_known = false;        // the first is the one it asks, and not one that it might ask
    bool reaches_one = false;        // by its own probe
    std::vector<std::string> reached;  // ids of those that its probes reach
    bool has_another = false;  // that one, which DNS names, is not the one that it remembers
    bool cut_off = false;      // it does not reach a host that has no cause of its own
    uint32_t port = 0;         // that it asks; 0: not known
  };
  // A machine whose finding is asked for its cause; the hosts it depends on are looked up once.
  struct Follower {
    const v1::Finding& finding;
    const MachineState& machine;
    std::optional<Uses> uses;
  };
  // What the causes are shown by besides their own evidence.
  struct Shown {
    const v1::Evidence* evidence;
    const v1::Finding* of;
  };

  // The host that it asks, or else those that it might.
  static std::vector<std::string> Asked(const Uses& uses) {
    if (uses.asked_known) return {uses.hosts.front()};
    return uses.hosts;
  }
  size_t RootOf(size_t i, const std::vector<size_t>& cause) const;
  size_t CauseOf(size_t i);
  bool Explains(size_t cause, size_t follower) const;
  size_t Find(const FoldRule& rule, Follower& follower) const;
  size_t On(absl::string_view machine_id, absl::string_view code) const;
  size_t OnFirst(const std::vector<std::string>& machine_ids, absl::string_view code) const;
  size_t OnCured(const v1::Finding& follower, absl::string_view code) const;
  size_t OnSharers(absl::string_view cmid, absl::string_view code) const;
  size_t OnClones(const MachineState& host, absl::string_view code) const;
  size_t OnPool(const MachineState& host, absl::string_view code) const;
  size_t OnZone(const MachineState& machine, absl::string_view code) const;
  size_t OnRecord(const MachineState& machine, absl::string_view code) const;
  Uses UsesOf(const MachineState& machine) const;
  size_t OnPath(const Uses& uses, absl::string_view code) const;
  size_t OnKey(const MachineState& machine, const Uses& uses, absl::string_view code) const;
  bool IsAskedWhereItListens(const MachineState& host) const;
  bool HasPathCause(const std::string& host) const;
  void AlsoSuffers(size_t follower, const Uses& uses, size_t cause);
  void ShowFollowers(const std::vector<size_t>& root);
  std::vector<std::string> ShortHosts(const MachineState& machine, const Uses& uses) const;

  const Estate& estate_;
  std::vector<v1::Finding>& findings_;
  absl::flat_hash_map<std::string, std::vector<size_t>> by_machine_;
  // Of findings that are no machine's: by the zone, and by the host that a record names.
  absl::flat_hash_map<std::string, std::vector<size_t>> by_zone_, by_record_;
  // Other causes that stand in a follower's way, besides its own: cause, follower.
  std::vector<std::pair<size_t, size_t>> also_;
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
}

void Folder::Fold() {
  std::vector<size_t> cause(findings_.size()), root(findings_.size());
  for (size_t i = 0; i < findings_.size(); ++i) cause[i] = CauseOf(i);
  std::map<size_t, std::set<std::string>> affected, codes;
  for (size_t i = 0; i < findings_.size(); ++i) {
    root[i] = RootOf(i, cause);
    if (!findings_[i].machine_id().empty()) affected[root[i]].insert(findings_[i].subject());
    if (root[i] == i) continue;
    findings_[i].set_cause_code(findings_[root[i]].code());
    findings_[i].set_cause_subject(findings_[root[i]].subject());
    if (findings_[i].code() != findings_[root[i]].code())
      codes[root[i]].insert(findings_[i].code());
  }
  for (const auto& [other, follower] : also_)
    affected[RootOf(other, cause)].insert(findings_[follower].subject());
  for (const auto& [at, machines] : affected)
    findings_[at].mutable_affected_machines()->Assign(machines.begin(), machines.end());
  for (const auto& [at, folded] : codes)
    findings_[at].mutable_folded_codes()->Assign(folded.begin(), folded.end());
  ShowFollowers(root);
}

// The newest of what followers on other machines show, newest first among the cause's own.
void Folder::ShowFollowers(const std::vector<size_t>& root) {
  constexpr size_t kMostShown = 5;
  const auto at = [](const Shown& shown) { return shown.evidence->at().seconds(); };
  std::map<size_t, std::vector<Shown>> newest;
  for (size_t i = 0; i < findings_.size(); ++i) {
    if (root[i] == i || findings_[i].subject() == findings_[root[i]].subject()) continue;
    std::vector<Shown>& shown = newest[root[i]];
    for (const v1::Evidence& evidence : findings_[i].evidence()) {
      if (!evidence.has_at()) continue;
      const Shown one{&evidence, &findings_[i]};
      if (shown.size() == kMostShown && at(shown.back()) >= at(one)) continue;
      if (shown.size() == kMostShown) shown.pop_back();
      shown.insert(std::upper_bound(shown.begin(), shown.end(), one,
                                    [&](const Shown& a, const Shown& b) { return at(a) > at(b); }),
                   one);
    }
  }
  for (const auto& [cause, shown] : newest) {
    auto& evidence = *findings_[cause].mutable_evidence();
    for (const Shown& one : shown) {
      v1::Evidence& added = *evidence.Add();
      added = *one.evidence;
      if (added.machine().empty()) added.set_machine(one.of->subject());
    }
    std::stable_sort(evidence.begin(), evidence.end(),
                     [](const v1::Evidence& a, const v1::Evidence& b) {
                       return a.at().seconds() > b.at().seconds();
                     });
  }
}

// Follows the chain; a ring, which the table does not make, would end somewhere on it.
size_t Folder::RootOf(size_t i, const std::vector<size_t>& cause) const {
  constexpr int kLongestChain = 8;
  size_t root = i;
  for (int steps = 0; cause[root] != kNone && steps < kLongestChain; ++steps) root = cause[root];
  return root;
}

size_t Folder::CauseOf(size_t i) {
  const v1::Finding& finding = findings_[i];
  if (finding.machine_id().empty()) return kNone;
  const MachineState* machine = estate_.Find(finding.machine_id());
  if (machine == nullptr) return kNone;
  Follower follower{finding, *machine, std::nullopt};
  for (const FoldRule& rule : kFoldRules) {
    if (rule.follower != finding.code()) continue;
    const size_t found = Find(rule, follower);
    if (found == kNone || found == i || !Explains(found, i)) continue;
    if (rule.where == Where::kItsPath) AlsoSuffers(i, *follower.uses, found);
    return found;
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
    case Where::kItsCure:
      return OnCured(follower.finding, rule.cause);
    case Where::kItsHost:
    case Where::kItsPath:
    case Where::kItsKey:
    case Where::kShortHost:
      if (!follower.uses.has_value()) follower.uses = UsesOf(machine);
      if (rule.where == Where::kItsPath) return OnPath(*follower.uses, rule.cause);
      if (rule.where == Where::kItsKey) return OnKey(machine, *follower.uses, rule.cause);
      return OnFirst(rule.where == Where::kItsHost ? Asked(*follower.uses)
                                                   : ShortHosts(machine, *follower.uses),
                     rule.cause);
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
    case Where::kAwaited:
      return IsAwaited(estate_, machine, rule.cause) ? On(machine.id, rule.cause) : kNone;
    case Where::kLacked:
      return ClonesFillCount(estate_, machine) ? On(machine.id, rule.cause) : kNone;
    case Where::kWrongPort:
      return IsAskedWhereItListens(machine) ? kNone : On(machine.id, rule.cause);
  }
  return kNone;
}

size_t Folder::On(absl::string_view machine_id, absl::string_view code) const {
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

size_t Folder::OnCured(const v1::Finding& follower, absl::string_view code) const {
  const size_t found = On(follower.machine_id(), code);
  if (found == kNone) return kNone;
  const bool cured = absl::c_all_of(follower.treatments(), [&](const v1::Treatment& wanted) {
    return absl::c_any_of(findings_[found].treatments(), [&](const v1::Treatment& treatment) {
      return treatment.action() == wanted.action() && treatment.machine_id() == wanted.machine_id();
    });
  });
  return cured ? found : kNone;
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

// Where others are told of records, what keeps a host's own record out explains nothing.
size_t Folder::OnZone(const MachineState& machine, absl::string_view code) const {
  for (const std::string& domain : DomainsOf(machine)) {
    const auto zone = estate_.index().zones.find(domain);
    if (zone == estate_.index().zones.end() || zone->second.served > 0) continue;
    for (const absl::string_view id : zone->second.hosts) {
      if (const size_t found = On(id, code); found != kNone) return found;
    }
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

bool Folder::HasPathCause(const std::string& host) const {
  return std::any_of(std::begin(kPathCauses), std::end(kPathCauses),
                     [&](absl::string_view code) { return On(host, code) != kNone; });
}

// Who is pinned depends on that host alone. All others go on to the next one that DNS names.
Folder::Uses Folder::UsesOf(const MachineState& machine) const {
  const Facts facts(estate_, machine, v1::Policy::default_instance(), absl::InfinitePast());
  Uses uses;
  uses.reaches_one = facts.host_alive;
  uses.port = PortOf(facts);
  uses.asked_known = facts.host_machine != nullptr;
  uses.has_another = facts.host_alive && !facts.pinned && !facts.IsOffered(facts.host_name);
  if (uses.asked_known) uses.hosts.push_back(facts.host_machine->id);
  if (facts.pinned) return uses;
  const auto add = [&](const std::string& name) -> const MachineState* {
    const MachineState* host = FindHost(estate_, name);
    if (host == nullptr || !estate_.index().hosts.contains(host->id)) return nullptr;
    if (std::find(uses.hosts.begin(), uses.hosts.end(), host->id) == uses.hosts.end())
      uses.hosts.push_back(host->id);
    return host;
  };
  if (machine.probes.has_value()) {
    for (const v1::Probe& probe : machine.probes->probes()) {
      if (!facts.IsOffered(probe.host())) continue;
      const MachineState* host = add(probe.host());
      if (host != nullptr && probe.result() == v1::PROBE_RESULT_KMS)
        uses.reached.push_back(host->id);
      const bool fails =
          probe.result() != v1::PROBE_RESULT_KMS && probe.result() != v1::PROBE_RESULT_UNSPECIFIED;
      uses.cut_off = uses.cut_off || (fails && host != nullptr && !HasPathCause(host->id));
    }
  }
  if (const v1::SrvAnswer* answer = facts.answer_in_use()) {
    for (const v1::SrvRecord& record : answer->records()) add(record.target());
  }
  // Nobody says which host it asks, and there is only one.
  const std::string& only = estate_.index().pool.only_host;
  if (uses.hosts.empty() && facts.host_name.empty() && !only.empty()) uses.hosts.push_back(only);
  return uses;
}

size_t Folder::OnPath(const Uses& uses, absl::string_view code) const {
  if (uses.reaches_one || uses.cut_off) return kNone;
  for (const std::string& id : uses.hosts) {
    const size_t found = On(id, code);
    if (found == kNone) continue;
    // Who asks the port on which the host listens is not stopped by what others were told.
    if (code == "HOST_PORT_MISMATCH" && uses.port != 0 &&
        uses.port == ListeningPort(*estate_.Find(id)))
      continue;
    return found;
  }
  return kNone;
}

// Its way to each of its other hosts is closed, too.
void Folder::AlsoSuffers(size_t follower, const Uses& uses, size_t cause) {
  for (const std::string& id : uses.hosts) {
    for (const absl::string_view code : kPathCauses) {
      const size_t other = On(id, code);
      if (other == kNone) continue;
      if (other != cause) also_.emplace_back(other, follower);
      break;
    }
  }
}

// Does a host key cover any product of this machine that is not licensed? Then the key is not why.
size_t Folder::OnKey(const MachineState& machine, const Uses& uses, absl::string_view code) const {
  if (uses.has_another) return kNone;
  for (const std::string& id : Asked(uses)) {
    const size_t found = On(id, code);
    if (found == kNone || !machine.licensing.has_value()) continue;
    for (const v1::Product& product : machine.licensing->products()) {
      if (product.status() == v1::LICENSE_STATUS_LICENSED) continue;
      const Sku* sku = FindSku(product.activation_id());
      if (sku != nullptr && sku->role == SkuRole::kClient &&
          !IsCoveredBy(*estate_.Find(id), sku->family))
        return found;
    }
  }
  return kNone;
}

// Does anybody fail to reach it on the port on which it listens?
bool Folder::IsAskedWhereItListens(const MachineState& host) const {
  const uint32_t port = ListeningPort(host);
  const auto is_asked_by = [&](absl::string_view id) {
    const MachineState* machine = id == host.id ? nullptr : estate_.Find(id);
    if (machine == nullptr) return false;
    const Facts facts(estate_, *machine, v1::Policy::default_instance(), absl::InfinitePast());
    return facts.host_machine == &host && PortOf(facts) == port;
  };
  for (const Target* target : estate_.index().TargetsOf(host)) {
    if (std::any_of(target->failing.begin(), target->failing.end(), is_asked_by) ||
        std::any_of(target->unanswered.begin(), target->unanswered.end(), is_asked_by))
      return true;
  }
  return false;
}

// Those whose count is too low for this machine: a server needs fewer than a desktop.
std::vector<std::string> Folder::ShortHosts(const MachineState& machine, const Uses& uses) const {
  const int needed = machine.os.has_value() && machine.os->is_server() ? 5 : 25;
  std::vector<std::string> out;
  // Whoever answers it, in place of the host that it asks, or of those that it might: one of them
  // that counts enough would do.
  const bool asked_answers =
      uses.asked_known && absl::c_linear_search(uses.reached, uses.hosts.front());
  const bool by_answer = !asked_answers && !uses.reached.empty();
  for (const std::string& id : by_answer ? uses.reached : Asked(uses)) {
    const MachineState* host = estate_.Find(id);
    const std::optional<int> count =
        host != nullptr && host->host.has_value() ? CountOf(*host->host) : std::nullopt;
    if (count.has_value() && *count < needed) {
      out.push_back(id);
    } else if (by_answer) {
      return {};
    }
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
