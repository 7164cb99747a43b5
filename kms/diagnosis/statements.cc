// SPDX-License-Identifier: Apache-2.0
#include "kms/diagnosis/statements.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "kms/diagnosis/facts.h"

namespace keymedic::kms {
namespace {

using Kind = Statement::Kind;

bool UsesDirectory(const MachineState& machine) {
  return machine.client.has_value() &&
         (!machine.client->activation_object().empty() ||
          machine.client->last_activation_type() == v1::ACTIVATION_TYPE_DIRECTORY);
}

// The family of the client key of a product that waits for a host, not licensed or `refused` its
// renewal; empty: it does not, or that is not known.
absl::string_view WaitingFamily(const v1::Product& product, bool refused) {
  if (product.is_addon() || (product.status() == v1::LICENSE_STATUS_LICENSED && !refused) ||
      product.status() == v1::LICENSE_STATUS_UNSPECIFIED || product.activation_id().empty() ||
      ChannelOf(product) != Channel::kKmsClient)
    return "";
  const Sku* sku = FindSku(product.activation_id());
  return sku == nullptr ? absl::string_view() : sku->family;
}

bool HasNoSrv(const MachineState& machine) {
  if (machine.names.has_value() && IsToldNoSrv(*machine.names)) return true;
  if (machine.licensing.has_value() && IsNoSrv(StateError(*machine.licensing))) return true;
  return machine.client.has_value() && !machine.client->attempts().empty() &&
         IsNoSrv(machine.client->attempts(0).error());
}

bool CountsAnswers(Kind kind) {
  return kind == Kind::kSrvPort || kind == Kind::kSrvZone || kind == Kind::kAddress ||
         kind == Kind::kWaiting;
}

}  // namespace

class Statements::Speaker {
 public:
  Speaker(const MachineState& machine, Statements& out)
      : machine_(machine),
        out_(out),
        primary_(machine.licensing.has_value() ? PrimaryProduct(*machine.licensing) : nullptr),
        is_host_(IsKmsHost(machine)),
        on_mak_(primary_ != nullptr && ChannelOf(*primary_) == Channel::kMak) {}

  void Speak();

 private:
  void Say(Kind kind, absl::string_view key = "", int64_t number = 0,
           absl::string_view detail = "") {
    out_.said_.push_back({kind, out_.Keep(key), out_.Keep(detail), number});
  }
  void OfItself();
  void OfItsKeys();
  void OfNames(const v1::NamesSection& names);
  void OfProbes(const v1::ProbesSection& probes);
  void OfItsHost(const v1::KmsClientSection& client);
  void AsHost();
  void OfItsRequests(const v1::KmsHostSection& host);

  const MachineState& machine_;
  Statements& out_;
  const v1::Product* const primary_;
  const bool is_host_, on_mak_;
};

void Statements::Speaker::Speak() {
  OfItself();
  OfItsKeys();
  if (machine_.names.has_value()) OfNames(*machine_.names);
  if (machine_.probes.has_value()) OfProbes(*machine_.probes);
  if (machine_.client.has_value()) OfItsHost(*machine_.client);
  if (is_host_) AsHost();
  if (machine_.host.has_value()) OfItsRequests(*machine_.host);
  if (on_mak_) {
    for (const std::string& domain : DomainsOf(machine_)) Say(Kind::kZoneMak, domain);
  }
}

void Statements::Speaker::OfItself() {
  int64_t place = 0;  // the first name is the one that is shown
  std::vector<std::string> names = NamesOf(machine_);
  for (size_t i = 0; i < names.size(); ++i) {
    // Once each: an address may stand there twice.
    if (std::find(names.begin(), names.begin() + i, names[i]) == names.begin() + i)
      Say(Kind::kName, names[i], place++);
  }
  if (machine_.client.has_value() && IsMachineId(machine_.client->client_machine_id()))
    Say(Kind::kMachineId, absl::AsciiStrToLower(machine_.client->client_machine_id()),
        HasNoRearm(machine_) ? 1 : 0);  // who speaks of clones looks at it
  if (UsesDirectory(machine_)) Say(Kind::kDirectory);
  if (on_mak_) Say(Kind::kMak);
  if (HasNoSrv(machine_)) Say(Kind::kNoSrv);
}

void Statements::Speaker::OfItsKeys() {
  if (primary_ != nullptr && primary_->status() == v1::LICENSE_STATUS_LICENSED &&
      primary_->has_expires_at())
    Say(Kind::kExpiry, "", primary_->expires_at().seconds());
  if (!is_host_ || !machine_.licensing.has_value()) return;
  for (const v1::Product& product : machine_.licensing->products()) {
    if (ChannelOf(product) != Channel::kKmsHost) continue;
    const std::string pid = PidKey(product.extended_pid());
    if (!pid.empty()) Say(Kind::kHostPid, pid);
    Say(Kind::kHostKey, pid, 0, product.extended_pid());
  }
}

void Statements::Speaker::OfNames(const v1::NamesSection& names) {
  for (const v1::SrvAnswer& answer : names.answers()) {
    if (!answer.records().empty()) {
      Say(Kind::kServed, DomainOf(answer.name()));
    } else if (answer.error() == 0 || IsNoSrv(answer.error())) {
      Say(Kind::kUnserved, DomainOf(answer.name()));
    }
    for (const v1::SrvRecord& record : answer.records()) {
      const std::string target = HostKey(record.target());
      Say(Kind::kListed, target);
      Say(Kind::kSrvPort, target, record.port());
      Say(Kind::kSrvZone, target, 0, HostKey(answer.name()));
      if (record.resolved() && record.addresses().empty()) Say(Kind::kUnresolved, target);
      for (const std::string& address : record.addresses())
        Say(Kind::kAddress, target, 0, HostKey(address));
    }
  }
}

void Statements::Speaker::OfProbes(const v1::ProbesSection& probes) {
  for (const v1::Probe& probe : probes.probes()) {
    if (probe.result() == v1::PROBE_RESULT_UNSPECIFIED) continue;
    Say(probe.result() == v1::PROBE_RESULT_KMS ? Kind::kReaching : Kind::kFailing,
        HostKey(probe.host()));
  }
}

void Statements::Speaker::OfItsHost(const v1::KmsClientSection& client) {
  if (const std::string pid = PidKey(client.host_extended_pid()); !pid.empty())
    Say(Kind::kPidUser, pid);
  if (const std::string& host = client.registered_host(); !host.empty()) {
    const uint32_t port = client.registered_port();
    Say(Kind::kPinned, HostKey(host), port == 0 ? kDefaultPort : port, host);
  }
  if (!is_host_) {
    if (const v1::ActivationAttempt* by = LastSuccess(client);
        by != nullptr && HostKey(by->host()) != HostKey(HostInUse(client).first))
      Say(Kind::kActivated, HostKey(by->host()));
    if (const absl::string_view host = HostInUse(client).first; !host.empty()) {
      const std::string key = HostKey(host);
      Say(Kind::kUser, key);
      const v1::ActivationAttempt* attempt = CurrentAttempt(client);
      if (attempt != nullptr && IsCountTooLow(attempt->error())) Say(Kind::kToldShort, key);
      const bool refused = attempt != nullptr && IsKeyRefused(attempt->error());
      if (machine_.licensing.has_value()) {
        for (const v1::Product& product : machine_.licensing->products()) {
          const absl::string_view family = WaitingFamily(product, refused);
          if (!family.empty()) Say(Kind::kWaiting, key, 0, family);
        }
      }
    }
  }
  if (client.attempts().empty()) return;
  const v1::ActivationAttempt& attempt = client.attempts(0);
  if (attempt.source_event() != 12288 || attempt.host().empty()) return;
  const bool silent = attempt.has_answered() && !attempt.answered();
  if (!silent && !IsNoContact(attempt.error())) return;
  Say(Kind::kUnanswered, HostKey(attempt.host()), attempt.has_at() ? attempt.at().seconds() : -1,
      absl::StrCat(attempt.host(), " ", attempt.client_machine_id(), " ",
                   client.client_machine_id(), " ",
                   machine_.os.has_value() ? machine_.os->clock_skew_minutes() : 0));
}

void Statements::Speaker::AsHost() {
  constexpr int kEnough = 25;  // more in a pool changes nothing for anybody
  Say(Kind::kHost);
  std::optional<int> count;
  if (machine_.host.has_value()) count = CountOf(*machine_.host);
  if (count.has_value()) count = std::min(*count, kEnough);
  if (count.has_value()) Say(Kind::kCount, "", *count);
  for (const std::string& domain : PublishedDomainsOf(machine_)) {
    Say(Kind::kZoneHost, domain);
    if (count.has_value()) Say(Kind::kZoneCount, domain, *count);
  }
}

void Statements::Speaker::OfItsRequests(const v1::KmsHostSection& host) {
  for (const v1::RequestSummary& request : host.requests()) {
    if (request.machine_names_size() >= 2) {
      for (const std::string& name : request.machine_names())
        Say(Kind::kNamedClone, ShortName(name));
    }
    if (request.last_error() == 0) continue;
    const std::string id = absl::AsciiStrToLower(request.client_machine_id());
    Say(Kind::kRejecting, id);
    Say(Kind::kRejected, id, request.last_at().seconds(), absl::StrCat(request.last_error()));
  }
}

void Statements::Speak(const MachineState& machine) {
  Speaker(machine, *this).Speak();
  std::sort(said_.begin(), said_.end());
  said_.erase(std::unique(said_.begin(), said_.end(),
                          [](const Statement& a, const Statement& b) {
                            return a == b && !CountsAnswers(a.kind);
                          }),
              said_.end());
}

absl::string_view Statements::Keep(absl::string_view words) {
  if (words.empty()) return "";
  char* const kept = static_cast<char*>(words_.allocate(words.size(), 1));
  std::copy(words.begin(), words.end(), kept);
  return {kept, words.size()};
}

// --- into the index ---

namespace {

template <typename Set, typename Id>
void PutId(Set& ids, const Id& id, Wire wire) {
  if (wire == Wire::kAdd) {
    ids.insert(ids.end(), id);  // a stored estate comes in the order of its ids
  } else {
    ids.erase(id);
  }
}

// `change` of what stands at `key`, which goes when it is empty.
template <typename Map, typename Key, typename Change>
void At(Map& map, const Key& key, Change change) {
  const auto it = map.try_emplace(key).first;
  change(it->second);
  if (it->second.empty()) map.erase(it);
}

template <typename Map, typename Key>
void PutIdAt(Map& map, const Key& key, absl::string_view id, Wire wire) {
  At(map, key, [&](Ids& ids) { PutId(ids, id, wire); });
}

template <typename Map, typename Key>
void Tally(Map& map, const Key& key, Wire wire) {
  const auto it = map.try_emplace(key, 0).first;
  it->second += wire == Wire::kAdd ? 1 : -1;
  if (it->second == 0) map.erase(it);
}

void PutOfTarget(Target& target, absl::string_view id, const Statement& said, Wire wire) {
  switch (said.kind) {
    case Kind::kReaching:
      return PutId(target.reaching, id, wire);
    case Kind::kFailing:
      return PutId(target.failing, id, wire);
    case Kind::kListed:
      return PutId(target.listed_by, id, wire);
    case Kind::kUnresolved:
      return PutId(target.unresolved_by, id, wire);
    case Kind::kSrvPort:
      return Tally(target.srv_ports, static_cast<uint32_t>(said.number), wire);
    case Kind::kSrvZone:
      return Tally(target.zones, said.detail, wire);
    case Kind::kAddress:
      return Tally(target.addresses, said.detail, wire);
    case Kind::kPinned:
      return PutIdAt(target.pinned, static_cast<uint32_t>(said.number), id, wire);
    case Kind::kUser:
      return PutId(target.users, id, wire);
    case Kind::kToldShort:
      return PutId(target.told_short, id, wire);
    case Kind::kActivated:
      return PutId(target.activated, id, wire);
    case Kind::kWaiting:
      return Tally(target.waiting, said.detail, wire);
    case Kind::kUnanswered:
      return PutId(target.unanswered, id, wire);
    default:
      return;
  }
}

void PutTarget(Estate::Index& index, absl::string_view id, const Statement& said, Wire wire) {
  const auto [it, is_new] = index.targets.try_emplace(said.key);
  PutOfTarget(it->second, id, said, wire);
  const bool gone = it->second.empty();
  if (gone) index.targets.erase(it);
  if (is_new == gone || said.key.find('.') == std::string::npos) return;
  At(index.full_targets, ShortName(said.key), [&](absl::btree_set<std::string>& targets) {
    PutId(targets, std::string(said.key), gone ? Wire::kRemove : Wire::kAdd);
  });
}

void PutOfZone(Zone& zone, absl::string_view id, const Statement& said, Wire wire) {
  switch (said.kind) {
    case Kind::kServed:
      zone.served += wire == Wire::kAdd ? 1 : -1;
      return;
    case Kind::kUnserved:
      return PutId(zone.unserved, id, wire);
    case Kind::kZoneMak:
      return PutId(zone.mak_users, id, wire);
    case Kind::kZoneHost:
      return PutId(zone.hosts, id, wire);
    case Kind::kZoneCount:
      return Tally(zone.counts, static_cast<int>(said.number), wire);
    default:
      return;
  }
}

}  // namespace

void Put(Estate::Index& index, absl::string_view id, const Statement& said, Wire wire) {
  if (said.OfTarget()) {
    PutTarget(index, id, said, wire);
    if (said.kind == Kind::kAddress)
      At(index.aliases, said.detail, [&](auto& targets) { Tally(targets, said.key, wire); });
    return;
  }
  if (said.OfZone())
    return At(index.zones, said.key, [&](Zone& zone) { PutOfZone(zone, id, said, wire); });
  switch (said.kind) {
    case Kind::kName:
      return PutIdAt(index.by_name, said.key, id, wire);
    case Kind::kMachineId:
      return PutIdAt(index.by_cmid, said.key, id, wire);
    case Kind::kHost:
      return PutId(index.hosts, id, wire);
    case Kind::kCount:
      return Tally(index.counts, static_cast<int>(said.number), wire);
    case Kind::kDirectory:
      return PutId(index.directory_users, id, wire);
    case Kind::kMak:
      return PutId(index.mak_users, id, wire);
    case Kind::kNoSrv:
      return PutId(index.without_srv, id, wire);
    case Kind::kHostPid:
      return PutIdAt(index.host_pids, said.key, id, wire);
    case Kind::kPidUser:
      return PutIdAt(index.pid_users, said.key, id, wire);
    case Kind::kNamedClone:
      return PutIdAt(index.named_clones, said.key, id, wire);
    case Kind::kRejecting:
      return PutIdAt(index.rejecting, said.key, id, wire);
    case Kind::kExpiry:
      return PutIdAt(index.expiries, said.number / kSecondsOfDay, id, wire);
    default:
      return;  // kRejected, kHostKey
  }
}

}  // namespace keymedic::kms
