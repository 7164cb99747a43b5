// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
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
      }
    }
  }
  if (machine.client.has_value() && !machine.client->registered_host().empty()) {
    const uint32_t port = machine.client->registered_port();
    PutAt(target(machine.client->registered_host()).pinned, port == 0 ? kDefaultPort : port, id,
          wire);
  }
  const v1::ActivationAttempt* attempt = NewestAttempt(machine);
  if (attempt != nullptr && attempt->source_event() == 12288 && !attempt->host().empty()) {
    const bool silent = attempt->has_answered() && !attempt->answered();
    if (silent || IsNoContact(attempt->error())) Put(target(attempt->host()).unanswered, id, wire);
  }
  return keys;
}

void WireMachine(Estate::Index& index, const MachineState& machine, Wire wire, Touched& touched) {
  const std::string& id = machine.id;
  for (const std::string& name : NamesOf(machine)) PutAt(index.by_name, name, id, wire);
  if (machine.client.has_value() && IsMachineId(machine.client->client_machine_id()))
    PutAt(index.by_cmid, absl::AsciiStrToLower(machine.client->client_machine_id()), id, wire);
  const v1::Product* primary =
      machine.licensing.has_value() ? PrimaryProduct(*machine.licensing) : nullptr;
  if (IsKmsHost(machine)) Put(index.hosts, id, wire);
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
    const auto it = index.targets.find(name);
    if (it == index.targets.end()) continue;
    touched.AddAll(it->second.failing);
    touched.AddAll(it->second.reaching);
    touched.AddAll(it->second.unanswered);
    for (const auto& [port, ids] : it->second.pinned) touched.AddAll(ids);
  }
}

Pool PoolOf(const Estate::Index& index) {
  constexpr int kEnough = 25;
  Pool pool;
  for (const std::string& id : index.hosts) {
    const MachineState& host = *index.machines.at(id);
    if (!host.host.has_value() || !host.host->has_current_count()) continue;
    const int count = std::clamp(host.host->current_count(), 0, kEnough);
    pool.best_count = std::max(pool.best_count.value_or(0), count);
  }
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

bool IsLocalAddress(absl::string_view address) {
  return absl::StartsWith(address, "127.") || absl::StartsWith(address, "169.254.") ||
         absl::StartsWith(address, "fe80:") || address == "::1";
}

}  // namespace

bool Target::empty() const {
  return failing.empty() && reaching.empty() && listed_by.empty() && unresolved_by.empty() &&
         unanswered.empty() && pinned.empty() && srv_ports.empty() && zones.empty();
}

bool IsMachineId(absl::string_view id) {
  return id.find_first_not_of("0-{}") != absl::string_view::npos;
}

std::string HostKey(absl::string_view host) {
  std::string key = absl::AsciiStrToLower(host);
  if (!key.empty() && key.back() == '.') key.pop_back();
  return key;
}

std::vector<std::string> NamesOf(const MachineState& machine) {
  std::vector<std::string> names;
  const v1::OsSection* os = machine.os.has_value() ? &*machine.os : nullptr;
  const std::string name =
      HostKey(os != nullptr && !os->computer_name().empty() ? os->computer_name() : machine.name);
  if (!name.empty()) {
    names.push_back(name);
    if (const size_t dot = name.find('.'); dot != std::string::npos) {
      names.push_back(name.substr(0, dot));
    } else if (os != nullptr && !os->dns_domain().empty()) {
      names.push_back(absl::StrCat(name, ".", HostKey(os->dns_domain())));
    }
  }
  if (os == nullptr) return names;
  for (const std::string& text : os->addresses()) {
    std::string address = HostKey(text);
    if (!address.empty() && !IsLocalAddress(address)) names.push_back(std::move(address));
  }
  return names;
}

std::string FullNameOf(const MachineState& machine) {
  const std::vector<std::string> names = NamesOf(machine);
  if (names.empty()) return "";
  const bool second_is_full = names.size() > 1 && absl::StartsWith(names[1], names[0] + ".");
  return second_is_full ? names[1] : names[0];
}

bool IsKmsHost(const MachineState& machine) {
  if (machine.licensing.has_value() &&
      absl::c_any_of(machine.licensing->products(), [](const v1::Product& product) {
        return ChannelOf(product) == Channel::kKmsHost;
      }))
    return true;
  if (!machine.host.has_value()) return false;
  if (machine.host->has_enabled()) return machine.host->enabled();
  // Who is asked, or publishes, is one.
  return machine.host->current_count() > 0 || !machine.host->requests().empty() ||
         !machine.host->publications().empty();
}

bool IsToldNoSrv(const v1::NamesSection& names) {
  return !names.answers().empty() &&
         absl::c_all_of(names.answers(), [](const v1::SrvAnswer& answer) {
           return answer.records().empty() && (answer.error() == 0 || IsNoSrv(answer.error()));
         });
}

std::vector<const Target*> Estate::Index::TargetsOf(const MachineState& machine) const {
  std::vector<const Target*> out;
  for (const std::string& name : NamesOf(machine)) {
    if (const auto it = targets.find(name); it != targets.end()) out.push_back(&it->second);
  }
  return out;
}

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
  if (slot != nullptr) WireMachine(*index_, *slot, Wire::kRemove, touched);
  slot = std::make_unique<MachineState>(std::move(state));
  WireMachine(*index_, *slot, Wire::kAdd, touched);
  const Identity is = IdentityOf(*slot);
  if (was != is) {
    if (was.has_value()) TouchOthers(*index_, slot->id, *was, touched);
    TouchOthers(*index_, slot->id, is, touched);
  }
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
  WireMachine(*index_, *gone, Wire::kRemove, touched);
  TouchOthers(*index_, gone->id, IdentityOf(*gone), touched);
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
