// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <tuple>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "kms/diagnosis/facts.h"
#include "kms/diagnosis/index.h"

namespace keymedic::kms {
namespace {

enum class Wire { kAdd, kRemove };

// Ids in the order in which they came, each once.
class Touched {
 public:
  void Add(const std::string& id) {
    if (seen_.insert(id).second) ids_.push_back(id);
  }
  void AddAll(const Ids& ids) {
    for (const std::string& id : ids) Add(id);
  }
  std::vector<std::string> Take() { return std::move(ids_); }

 private:
  std::vector<std::string> ids_;
  absl::flat_hash_set<std::string> seen_;
};

void Put(Ids& ids, const std::string& id, Wire wire) {
  if (wire == Wire::kAdd) {
    ids.insert(id);
  } else {
    ids.erase(id);
  }
}

template <typename Map>
void PutAt(Map& map, const typename Map::key_type& key, const std::string& id, Wire wire) {
  const auto it = map.try_emplace(key).first;
  Put(it->second, id, wire);
  if (it->second.empty()) map.erase(it);
}

template <typename Map>
void Tally(Map& map, const typename Map::key_type& key, Wire wire) {
  const auto it = map.try_emplace(key, 0).first;
  it->second += wire == Wire::kAdd ? 1 : -1;
  if (it->second == 0) map.erase(it);
}

bool UsesDirectory(const MachineState& machine) {
  return machine.client.has_value() &&
         (!machine.client->activation_object().empty() ||
          machine.client->last_activation_type() == v1::ACTIVATION_TYPE_DIRECTORY);
}

bool UsesMak(const v1::Product* primary) {
  return primary != nullptr && ChannelOf(*primary) == Channel::kMak;
}

// The family of the client key of a product that waits for a host; empty: it does not, or that is
// not known.
absl::string_view WaitingFamily(const v1::Product& product) {
  if (product.is_addon() || product.status() == v1::LICENSE_STATUS_LICENSED ||
      product.status() == v1::LICENSE_STATUS_UNSPECIFIED || product.activation_id().empty() ||
      ChannelOf(product) != Channel::kKmsClient)
    return "";
  const Sku* sku = FindSku(product.activation_id());
  return sku == nullptr ? absl::string_view() : sku->family;
}

const v1::ActivationAttempt* NewestAttempt(const MachineState& machine) {
  return machine.client.has_value() && !machine.client->attempts().empty()
             ? &machine.client->attempts(0)
             : nullptr;
}

bool HasNoSrv(const MachineState& machine) {
  if (machine.names.has_value() && IsToldNoSrv(*machine.names)) return true;
  if (machine.licensing.has_value() && IsNoSrv(StateError(*machine.licensing))) return true;
  const v1::ActivationAttempt* attempt = NewestAttempt(machine);
  return attempt != nullptr && IsNoSrv(attempt->error());
}

void WireUse(Target& used, const MachineState& machine, Wire wire) {
  Put(used.users, machine.id, wire);
  if (!machine.licensing.has_value()) return;
  for (const v1::Product& product : machine.licensing->products()) {
    const absl::string_view family = WaitingFamily(product);
    if (!family.empty()) Tally(used.waiting, family, wire);
  }
}

// What a machine says of others, in or out of the index; one way for both, so that nothing stays
// behind. Gives the keys of the targets that it spoke of.
absl::btree_set<std::string> WireTargets(Estate::Index& index, const MachineState& machine,
                                         Wire wire) {
  absl::btree_set<std::string> keys;
  const std::string& id = machine.id;
  auto target = [&](const std::string& host) -> Target& {
    const std::string key = HostKey(host);
    keys.insert(key);
    return index.targets[key];
  };
  if (machine.probes.has_value()) {
    for (const v1::Probe& probe : machine.probes->probes()) {
      if (probe.result() == v1::PROBE_RESULT_UNSPECIFIED) continue;
      Target& probed = target(probe.host());
      Put(probe.result() == v1::PROBE_RESULT_KMS ? probed.reaching : probed.failing, id, wire);
    }
  }
  if (machine.names.has_value()) {
    for (const v1::SrvAnswer& answer : machine.names->answers()) {
      for (const v1::SrvRecord& record : answer.records()) {
        Target& listed = target(record.target());
        Put(listed.listed_by, id, wire);
        Tally(listed.srv_ports, record.port(), wire);
        Tally(listed.zones, HostKey(answer.name()), wire);
        if (record.resolved() && record.addresses().empty()) Put(listed.unresolved_by, id, wire);
        for (const std::string& address : record.addresses())
          Tally(listed.addresses, HostKey(address), wire);
      }
    }
  }
  if (machine.client.has_value() && !machine.client->registered_host().empty()) {
    const uint32_t port = machine.client->registered_port();
    PutAt(target(machine.client->registered_host()).pinned, port == 0 ? kDefaultPort : port, id,
          wire);
  }
  if (machine.client.has_value() && !IsKmsHost(machine)) {
    if (const absl::string_view host = HostInUse(*machine.client).first; !host.empty())
      WireUse(target(std::string(host)), machine, wire);
  }
  const v1::ActivationAttempt* attempt = NewestAttempt(machine);
  if (attempt != nullptr && attempt->source_event() == 12288 && !attempt->host().empty()) {
    const bool silent = attempt->has_answered() && !attempt->answered();
    if (silent || IsNoContact(attempt->error())) Put(target(attempt->host()).unanswered, id, wire);
  }
  return keys;
}

template <typename Change>
void ChangeZone(Estate::Index& index, const std::string& domain, Change change) {
  const auto it = index.zones.try_emplace(domain).first;
  change(it->second);
  if (it->second.empty()) index.zones.erase(it);
}

void WireZones(Estate::Index& index, const MachineState& machine, bool is_host, bool on_mak,
               Wire wire) {
  const std::string& id = machine.id;
  if (machine.names.has_value()) {
    absl::btree_set<std::string> served, unserved;  // a machine may ask for one name twice
    for (const v1::SrvAnswer& answer : machine.names->answers()) {
      if (!answer.records().empty()) {
        served.insert(DomainOf(answer.name()));
      } else if (answer.error() == 0 || IsNoSrv(answer.error())) {
        unserved.insert(DomainOf(answer.name()));
      }
    }
    for (const std::string& domain : served)
      ChangeZone(index, domain, [&](Zone& z) { z.served += wire == Wire::kAdd ? 1 : -1; });
    for (const std::string& domain : unserved)
      ChangeZone(index, domain, [&](Zone& z) { Put(z.unserved, id, wire); });
  }
  if (on_mak) {
    for (const std::string& domain : DomainsOf(machine))
      ChangeZone(index, domain, [&](Zone& z) { Put(z.mak_users, id, wire); });
  }
  if (!is_host) return;
  for (const std::string& domain : PublishedDomainsOf(machine))
    ChangeZone(index, domain, [&](Zone& z) { Put(z.hosts, id, wire); });
}

// What ties a host to its clients beyond its names, and a client to the host that activated it.
void WirePids(Estate::Index& index, const MachineState& machine, Wire wire) {
  if (machine.licensing.has_value()) {
    for (const v1::Product& product : machine.licensing->products()) {
      if (ChannelOf(product) != Channel::kKmsHost) continue;
      if (const std::string pid = PidKey(product.extended_pid()); !pid.empty())
        PutAt(index.host_pids, pid, machine.id, wire);
    }
  }
  if (machine.client.has_value()) {
    if (const std::string pid = PidKey(machine.client->host_extended_pid()); !pid.empty())
      PutAt(index.pid_users, pid, machine.id, wire);
  }
  if (!machine.host.has_value()) return;
  for (const v1::RequestSummary& request : machine.host->requests()) {
    if (request.machine_names_size() < 2) continue;
    for (const std::string& name : request.machine_names())
      PutAt(index.named_clones, ShortName(name), machine.id, wire);
  }
}

void WireMachine(Estate::Index& index, const MachineState& machine, Wire wire, Touched& touched) {
  const std::string& id = machine.id;
  for (const std::string& name : NamesOf(machine)) PutAt(index.by_name, name, id, wire);
  if (machine.client.has_value() && IsMachineId(machine.client->client_machine_id()))
    PutAt(index.by_cmid, absl::AsciiStrToLower(machine.client->client_machine_id()), id, wire);
  const v1::Product* primary =
      machine.licensing.has_value() ? PrimaryProduct(*machine.licensing) : nullptr;
  const bool is_host = IsKmsHost(machine);
  if (is_host) Put(index.hosts, id, wire);
  WireZones(index, machine, is_host, UsesMak(primary), wire);
  WirePids(index, machine, wire);
  if (UsesDirectory(machine)) Put(index.directory_users, id, wire);
  if (UsesMak(primary)) Put(index.mak_users, id, wire);
  if (HasNoSrv(machine)) Put(index.without_srv, id, wire);
  if (primary != nullptr && primary->status() == v1::LICENSE_STATUS_LICENSED &&
      primary->has_expires_at()) {
    const std::pair entry(primary->expires_at().seconds(), id);
    if (wire == Wire::kAdd) {
      index.expiries.insert(entry);
    } else {
      index.expiries.erase(entry);
    }
  }
  for (const std::string& key : WireTargets(index, machine, wire)) {
    const auto it = index.targets.find(key);
    if (it->second.empty()) index.targets.erase(it);
    // Those hosts whose findings look at this target.
    const auto named = index.by_name.find(key);
    if (named == index.by_name.end()) continue;
    for (const std::string& owner : named->second) {
      if (index.hosts.contains(owner)) touched.Add(owner);
    }
  }
}

// What others' findings say of a machine.
struct Identity {
  std::string cmid, shown;
  std::vector<std::string> names;
  bool is_host = false;

  bool operator==(const Identity&) const = default;
};

Identity IdentityOf(const MachineState& machine) {
  Identity identity{"", machine.name, NamesOf(machine), IsKmsHost(machine)};
  if (machine.client.has_value())
    identity.cmid = absl::AsciiStrToLower(machine.client->client_machine_id());
  return identity;
}

// Those whose findings speak of a machine that came, went or changed its identity.
void TouchOthers(const Estate::Index& index, const std::string& id, const Identity& identity,
                 Touched& touched) {
  if (const auto it = index.by_cmid.find(identity.cmid); it != index.by_cmid.end()) {
    // The first of those that share an id speaks of all, all others of the first only: a crowd of
    // clones that comes one by one costs each of them once.
    const Ids& sharing = it->second;
    if (id <= *sharing.begin()) {
      touched.AddAll(sharing);
    } else {
      touched.Add(*sharing.begin());
    }
  }
  for (const std::string& name : identity.names) {
    if (const auto named = index.named_clones.find(ShortName(name));
        named != index.named_clones.end())
      touched.AddAll(named->second);
    const auto it = index.targets.find(name);
    if (it == index.targets.end()) continue;
    touched.AddAll(it->second.users);
    touched.AddAll(it->second.failing);
    touched.AddAll(it->second.reaching);
    touched.AddAll(it->second.unanswered);
    for (const auto& [port, ids] : it->second.pinned) touched.AddAll(ids);
  }
}

constexpr int kEnough = 25;  // more in a pool changes nothing for anybody

// What others' findings say of one machine's domains.
struct ZoneView {
  bool served = false, unserved = false;
  size_t mak_users = 0;
  std::optional<int> best_count;

  bool operator==(const ZoneView&) const = default;
};
using ZoneViews = std::map<std::string, ZoneView>;

// The domains that a machine speaks of or belongs to.
void AddDomains(const MachineState& machine, ZoneViews& views) {
  if (machine.names.has_value()) {
    for (const v1::SrvAnswer& answer : machine.names->answers()) views[DomainOf(answer.name())];
  }
  for (std::string& domain : DomainsOf(machine)) views[std::move(domain)];
  for (std::string& domain : PublishedDomainsOf(machine)) views[std::move(domain)];
}

std::optional<int> BestCount(const Estate::Index& index, const Ids& hosts) {
  std::optional<int> best;
  for (const std::string& id : hosts) {
    const MachineState& host = *index.machines.at(id);
    if (!host.host.has_value() || !host.host->has_current_count()) continue;
    const int count = std::clamp(host.host->current_count(), 0, kEnough);
    best = std::max(best.value_or(0), count);
  }
  return best;
}

void View(Estate::Index& index, ZoneViews& views) {
  for (auto& [domain, view] : views) {
    const auto it = index.zones.find(domain);
    view = ZoneView();
    if (it == index.zones.end()) continue;
    const Zone& zone = it->second;
    view = {zone.served > 0, !zone.unserved.empty(),
            std::min<size_t>(zone.mak_users.size(), kEnough), zone.best_count};
  }
}

void UpdateZones(Estate::Index& index, const ZoneViews& before, bool host_changed,
                 Touched& touched) {
  if (host_changed) {
    for (const auto& [domain, view] : before) {
      if (const auto it = index.zones.find(domain); it != index.zones.end())
        it->second.best_count = BestCount(index, it->second.hosts);
    }
  }
  ZoneViews after = before;
  View(index, after);
  for (const auto& [domain, view] : before) {
    const ZoneView& now = after.at(domain);
    const auto it = index.zones.find(domain);
    if (view == now || it == index.zones.end()) continue;
    if (view.served != now.served) touched.AddAll(it->second.unserved);
    if (view.served != now.served || view.unserved != now.unserved)
      touched.AddAll(it->second.hosts);
    if (view.best_count != now.best_count || view.mak_users != now.mak_users)
      touched.AddAll(it->second.mak_users);
  }
}

// What a host says of clients that it rejected, and with which key it activates.
struct HostWord {
  absl::btree_set<std::tuple<std::string, uint32_t, int64_t>> rejected;
  absl::btree_set<std::string> pids;
};

HostWord WordOf(const MachineState& machine) {
  HostWord word;
  if (machine.licensing.has_value()) {
    for (const v1::Product& product : machine.licensing->products()) {
      if (ChannelOf(product) == Channel::kKmsHost) word.pids.insert(product.extended_pid());
    }
  }
  if (!machine.host.has_value()) return word;
  for (const v1::RequestSummary& request : machine.host->requests()) {
    if (request.last_error() == 0) continue;
    word.rejected.emplace(absl::AsciiStrToLower(request.client_machine_id()), request.last_error(),
                          request.last_at().seconds());
  }
  return word;
}

void TouchByWord(const Estate::Index& index, const HostWord& was, const HostWord& is,
                 Touched& touched) {
  const auto touch = [&](const HostWord& one, const HostWord& other) {
    for (const auto& row : one.rejected) {
      if (other.rejected.contains(row)) continue;
      const auto it = index.by_cmid.find(std::get<0>(row));
      if (it != index.by_cmid.end()) touched.AddAll(it->second);
    }
  };
  touch(was, is);
  touch(is, was);
  if (was.pids == is.pids) return;
  for (const auto& [pid, users] : index.pid_users) {
    const auto changed = [&](const std::string& full) { return PidKey(full) == pid; };
    if (!index.host_pids.contains(pid) || absl::c_any_of(was.pids, changed) ||
        absl::c_any_of(is.pids, changed))
      touched.AddAll(users);
  }
}

Pool PoolOf(const Estate::Index& index) {
  Pool pool;
  pool.best_count = BestCount(index, index.hosts);
  pool.mak_users = static_cast<int>(std::min<size_t>(index.mak_users.size(), kEnough));
  pool.directory = !index.directory_users.empty();
  if (index.hosts.size() == 1) pool.only_host = *index.hosts.begin();
  return pool;
}

void UpdatePool(Estate::Index& index, Touched& touched) {
  const Pool before = std::exchange(index.pool, PoolOf(index));
  const Pool& now = index.pool;
  if (before.best_count != now.best_count || before.mak_users != now.mak_users)
    touched.AddAll(index.mak_users);
  if (before.directory != now.directory) touched.AddAll(index.hosts);
  if (before.only_host != now.only_host) touched.AddAll(index.without_srv);
}

}  // namespace

Estate::Estate() : index_(std::make_unique<Index>()) {}
Estate::~Estate() = default;
Estate::Estate(Estate&&) noexcept = default;
Estate& Estate::operator=(Estate&&) noexcept = default;

std::vector<std::string> Estate::Upsert(MachineState state) {
  Touched touched;
  touched.Add(state.id);
  std::unique_ptr<MachineState>& slot = index_->machines[state.id];
  const std::optional<Identity> was =
      slot == nullptr ? std::nullopt : std::optional(IdentityOf(*slot));
  ZoneViews zones;
  HostWord word;
  bool host_changed = IsKmsHost(state);
  AddDomains(state, zones);
  if (slot != nullptr) {
    AddDomains(*slot, zones);
    word = WordOf(*slot);
    host_changed = host_changed || IsKmsHost(*slot);
  }
  View(*index_, zones);
  if (slot != nullptr) WireMachine(*index_, *slot, Wire::kRemove, touched);
  slot = std::make_unique<MachineState>(std::move(state));
  WireMachine(*index_, *slot, Wire::kAdd, touched);
  const Identity is = IdentityOf(*slot);
  if (was != is) {
    if (was.has_value()) TouchOthers(*index_, slot->id, *was, touched);
    TouchOthers(*index_, slot->id, is, touched);
  }
  UpdateZones(*index_, zones, host_changed, touched);
  TouchByWord(*index_, word, WordOf(*slot), touched);
  UpdatePool(*index_, touched);
  return touched.Take();
}

std::vector<std::string> Estate::Remove(absl::string_view id) {
  Touched touched;
  touched.Add(std::string(id));
  const auto it = index_->machines.find(id);
  if (it == index_->machines.end()) return touched.Take();
  const std::unique_ptr<MachineState> gone = std::move(it->second);
  index_->machines.erase(it);
  ZoneViews zones;
  AddDomains(*gone, zones);
  View(*index_, zones);
  WireMachine(*index_, *gone, Wire::kRemove, touched);
  TouchOthers(*index_, gone->id, IdentityOf(*gone), touched);
  UpdateZones(*index_, zones, IsKmsHost(*gone), touched);
  TouchByWord(*index_, WordOf(*gone), HostWord(), touched);
  UpdatePool(*index_, touched);
  return touched.Take();
}

const MachineState* Estate::Find(absl::string_view id) const {
  const auto it = index_->machines.find(id);
  return it == index_->machines.end() ? nullptr : it->second.get();
}

const MachineState* Estate::FindByHostName(absl::string_view host) const {
  const std::string key = HostKey(host);
  auto it = index_->by_name.find(key);
  if (it == index_->by_name.end()) {
    // A full name whose machine does not tell its domain: its short name, if that is unique and not
    // of another domain.
    const size_t dot = key.find('.');
    if (dot == std::string::npos) return nullptr;
    it = index_->by_name.find(key.substr(0, dot));
    if (it == index_->by_name.end() || it->second.size() != 1) return nullptr;
    const MachineState* machine = Find(*it->second.begin());
    const bool other_domain =
        machine != nullptr && FullNameOf(*machine).find('.') != std::string::npos;
    return other_domain ? nullptr : machine;
  }
  return it->second.size() == 1 ? Find(*it->second.begin()) : nullptr;
}

size_t Estate::size() const { return index_->machines.size(); }

}  // namespace keymedic::kms
