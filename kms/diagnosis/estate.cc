// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "kms/diagnosis/index.h"

namespace keymedic::kms {
namespace {

bool IsHost(const MachineState& machine) {
  return machine.host.has_value() && machine.host->enabled();
}

bool UsesDirectory(const MachineState& machine) {
  return machine.client.has_value() &&
         (!machine.client->activation_object().empty() ||
          machine.client->last_activation_type() == v1::ACTIVATION_TYPE_DIRECTORY);
}

std::string Key(absl::string_view host) {
  std::string key = absl::AsciiStrToLower(host);
  if (!key.empty() && key.back() == '.') key.pop_back();
  return key;
}

// Adds the ids of a set, without doubles, behind what is there.
void Append(const absl::btree_set<std::string>& ids, std::vector<std::string>& touched) {
  for (const std::string& id : ids) {
    if (std::find(touched.begin(), touched.end(), id) == touched.end()) touched.push_back(id);
  }
}

// Those hosts whose findings look at `target`.
void AppendOwners(const Estate::Index& index, const std::string& target,
                  std::vector<std::string>& touched) {
  const auto named = index.by_name.find(target);
  if (named == index.by_name.end()) return;
  for (const std::string& id : named->second) {
    if (index.hosts.contains(id) && std::find(touched.begin(), touched.end(), id) == touched.end())
      touched.push_back(id);
  }
}

template <typename Map>
void EraseId(Map& map, const std::string& key, const std::string& id) {
  const auto it = map.find(key);
  if (it == map.end()) return;
  it->second.erase(id);
  if (it->second.empty()) map.erase(it);
}

void Unlink(Estate::Index& index, const MachineState& machine, std::vector<std::string>& touched) {
  for (const std::string& name : NamesOf(machine)) EraseId(index.by_name, name, machine.id);
  if (machine.client.has_value() && !machine.client->client_machine_id().empty()) {
    const std::string cmid = Key(machine.client->client_machine_id());
    EraseId(index.by_cmid, cmid, machine.id);
    if (const auto it = index.by_cmid.find(cmid); it != index.by_cmid.end())
      Append(it->second, touched);
  }
  index.hosts.erase(machine.id);
  index.directory_users.erase(machine.id);
  auto forget = [&](const std::string& key) {
    const auto it = index.targets.find(key);
    if (it == index.targets.end()) return;
    Target& target = it->second;
    target.failing.erase(machine.id);
    target.reaching.erase(machine.id);
    target.listed_by.erase(machine.id);
    target.unresolved_by.erase(machine.id);
    AppendOwners(index, key, touched);
  };
  if (machine.probes.has_value()) {
    for (const v1::Probe& probe : machine.probes->probes()) forget(Key(probe.host()));
  }
  if (machine.names.has_value()) {
    for (const v1::SrvAnswer& answer : machine.names->answers()) {
      for (const v1::SrvRecord& record : answer.records()) {
        const std::string key = Key(record.target());
        forget(key);
        auto& zones = index.targets[key].zones;
        const auto zone = zones.find(Key(answer.name()));
        if (zone != zones.end() && --zone->second == 0) zones.erase(zone);
        const Target& target = index.targets[key];
        if (target.failing.empty() && target.reaching.empty() && target.listed_by.empty())
          index.targets.erase(key);
      }
    }
  }
}

void Link(Estate::Index& index, const MachineState& machine, std::vector<std::string>& touched) {
  for (const std::string& name : NamesOf(machine)) index.by_name[name].insert(machine.id);
  if (machine.client.has_value() && !machine.client->client_machine_id().empty()) {
    auto& sharing = index.by_cmid[Key(machine.client->client_machine_id())];
    sharing.insert(machine.id);
    Append(sharing, touched);
  }
  if (IsHost(machine)) index.hosts.insert(machine.id);
  if (UsesDirectory(machine)) index.directory_users.insert(machine.id);
  if (machine.probes.has_value()) {
    for (const v1::Probe& probe : machine.probes->probes()) {
      const std::string key = Key(probe.host());
      Target& target = index.targets[key];
      (probe.result() == v1::PROBE_RESULT_KMS ? target.reaching : target.failing)
          .insert(machine.id);
      AppendOwners(index, key, touched);
    }
  }
  if (machine.names.has_value()) {
    for (const v1::SrvAnswer& answer : machine.names->answers()) {
      for (const v1::SrvRecord& record : answer.records()) {
        const std::string key = Key(record.target());
        Target& target = index.targets[key];
        target.listed_by[machine.id] = record.port();
        ++target.zones[Key(answer.name())];
        if (record.has_resolved() && record.resolved() && record.addresses().empty())
          target.unresolved_by.insert(machine.id);
        AppendOwners(index, key, touched);
      }
    }
  }
}

}  // namespace

std::vector<std::string> NamesOf(const MachineState& machine) {
  std::vector<std::string> names;
  std::string name = Key(machine.os.has_value() && !machine.os->computer_name().empty()
                             ? machine.os->computer_name()
                             : machine.name);
  if (name.empty()) return names;
  names.push_back(name);
  if (const size_t dot = name.find('.'); dot != std::string::npos) {
    names.push_back(name.substr(0, dot));
  } else if (machine.os.has_value() && !machine.os->dns_domain().empty()) {
    names.push_back(absl::StrCat(name, ".", Key(machine.os->dns_domain())));
  }
  return names;
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
  std::vector<std::string> touched = {state.id};
  auto& slot = index_->machines[state.id];
  if (slot != nullptr) Unlink(*index_, *slot, touched);
  slot = std::make_unique<MachineState>(std::move(state));
  Link(*index_, *slot, touched);
  return touched;
}

std::vector<std::string> Estate::Remove(absl::string_view id) {
  std::vector<std::string> touched = {std::string(id)};
  const auto it = index_->machines.find(id);
  if (it == index_->machines.end()) return touched;
  Unlink(*index_, *it->second, touched);
  index_->machines.erase(it);
  return touched;
}

const MachineState* Estate::Find(absl::string_view id) const {
  const auto it = index_->machines.find(id);
  return it == index_->machines.end() ? nullptr : it->second.get();
}

const MachineState* Estate::FindByHostName(absl::string_view host) const {
  const std::string key = Key(host);
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
        machine != nullptr && machine->os.has_value() && !machine->os->dns_domain().empty();
    return other_domain ? nullptr : machine;
  }
  return it->second.size() == 1 ? Find(*it->second.begin()) : nullptr;
}

size_t Estate::size() const { return index_->machines.size(); }

}  // namespace keymedic::kms
