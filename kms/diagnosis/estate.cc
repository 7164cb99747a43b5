// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <iterator>
#include <map>
#include <utility>

#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/container/inlined_vector.h"
#include "absl/strings/string_view.h"
#include "kms/diagnosis/index.h"
#include "kms/diagnosis/statements.h"

namespace keymedic::kms {
namespace {

using Kind = Statement::Kind;

constexpr size_t kEnough = 25;  // more in a pool changes nothing for anybody

// Ids in the order in which they came, each once.
class Touched {
 public:
  void Add(absl::string_view id) {
    if (seen_.insert(id).second) ids_.emplace_back(id);
  }
  void AddAll(const Ids& ids) {
    for (const absl::string_view id : ids) Add(id);
  }
  template <typename Map>
  void AddAllAt(const Map& map, absl::string_view key) {
    if (const auto it = map.find(key); it != map.end()) AddAll(it->second);
  }
  std::vector<std::string> Take() { return std::move(ids_); }

 private:
  std::vector<std::string> ids_;
  absl::flat_hash_set<absl::string_view> seen_;
};

// What a machine said before and says now, and the difference.
struct News {
  News(const Statements& said_before, const Statements& said_now)
      : before(said_before), now(said_now) {
    std::set_difference(before.begin(), before.end(), now.begin(), now.end(),
                        std::back_inserter(gone));
    std::set_difference(now.begin(), now.end(), before.begin(), before.end(),
                        std::back_inserter(come));
  }

  template <typename Visit>
  void ForEachDifference(Visit visit) const {
    for (const Statement& said : gone) visit(said);
    for (const Statement& said : come) visit(said);
  }
  template <typename Visit>
  void ForEach(Visit visit) const {
    for (const Statement& said : before) visit(said);
    for (const Statement& said : now) visit(said);
  }

  const Statements &before, &now;
  absl::InlinedVector<Statement, 8> gone, come;
};

void TouchTarget(const Estate::Index& index, absl::string_view name, Touched& touched) {
  const auto it = index.targets.find(name);
  if (it == index.targets.end()) return;
  touched.AddAll(it->second.users);
  touched.AddAll(it->second.failing);
  touched.AddAll(it->second.reaching);
  touched.AddAll(it->second.unanswered);
  touched.AddAll(it->second.activated);
  for (const auto& [port, ids] : it->second.pinned) touched.AddAll(ids);
}

void TouchSharers(const Estate::Index& index, absl::string_view id, absl::string_view cmid,
                  Touched& touched) {
  const auto it = index.by_cmid.find(cmid);
  if (it == index.by_cmid.end()) return;
  // The first of those that share an id speaks of all, all others of the first only: a crowd of
  // clones that comes one by one costs each of them once.
  const Ids& sharing = it->second;
  if (id <= *sharing.begin()) {
    touched.AddAll(sharing);
  } else {
    touched.Add(*sharing.begin());
  }
}

// By what targets a machine of this name may be meant: the name itself, full ones of which it is
// the first label, and those whose address it is.
template <typename Visit>
void ForEachTarget(const Estate::Index& index, absl::string_view name, Visit visit) {
  visit(name);
  if (const auto full = index.full_targets.find(name); full != index.full_targets.end()) {
    for (const std::string& target : full->second) visit(target);
  }
  if (const auto alias = index.aliases.find(name); alias != index.aliases.end()) {
    for (const auto& [target, answers] : alias->second) visit(target);
  }
}

// Those whose findings speak of a machine that came, went or changed its identity.
void TouchOthers(const Estate::Index& index, absl::string_view id, const Statements& said,
                 Touched& touched) {
  for (const Statement& one : said) {
    if (one.kind == Kind::kMachineId) TouchSharers(index, id, one.key, touched);
    if (one.kind != Kind::kName) continue;
    touched.AddAllAt(index.named_clones, ShortName(one.key));
    ForEachTarget(index, one.key,
                  [&](absl::string_view target) { TouchTarget(index, target, touched); });
  }
}

// Those hosts whose findings look at this target.
void TouchOwners(const Estate::Index& index, const Statement& said, Touched& touched) {
  if (!said.OfTarget()) return;
  const auto named = index.by_name.find(said.key);
  if (named == index.by_name.end()) return;
  for (const absl::string_view owner : named->second) {
    if (index.hosts.contains(owner)) touched.Add(owner);
  }
}

std::optional<int> Highest(const std::map<int, uint32_t>& counts) {
  return counts.empty() ? std::nullopt : std::optional(counts.rbegin()->first);
}

// What others' findings say of one domain.
struct ZoneView {
  bool served = false, unserved = false;
  size_t mak_users = 0;
  std::optional<int> best_count;

  bool operator==(const ZoneView&) const = default;
};
using ZoneViews = absl::btree_map<absl::string_view, ZoneView>;  // by domain

// Of the domains that the difference speaks of.
ZoneViews ViewsOf(const Estate::Index& index, const News& news) {
  ZoneViews views;
  news.ForEachDifference([&](const Statement& said) {
    if (!said.OfZone()) return;
    ZoneView& view = views[said.key];
    const auto it = index.zones.find(said.key);
    if (it == index.zones.end()) return;
    const Zone& zone = it->second;
    view = {zone.served > 0, !zone.unserved.empty(), std::min(zone.mak_users.size(), kEnough),
            Highest(zone.counts)};
  });
  return views;
}

void TouchZones(const Estate::Index& index, const ZoneViews& before, const ZoneViews& after,
                Touched& touched) {
  for (const auto& [domain, was] : before) {
    const ZoneView& is = after.at(domain);
    const auto it = index.zones.find(domain);
    if (was == is || it == index.zones.end()) continue;
    if (was.served != is.served) touched.AddAll(it->second.unserved);
    if (was.served != is.served || was.unserved != is.unserved) touched.AddAll(it->second.hosts);
    if (was.best_count != is.best_count || was.mak_users != is.mak_users)
      touched.AddAll(it->second.mak_users);
  }
}

// Those who look at what a host says of them, or at its key or count.
void TouchByHost(const Estate::Index& index, const News& news, Touched& touched) {
  bool keys_differ = false, count_differs = false;
  news.ForEachDifference([&](const Statement& said) {
    if (said.kind == Kind::kRejected) touched.AddAllAt(index.by_cmid, said.key);
    keys_differ = keys_differ || said.kind == Kind::kHostKey;
    count_differs = count_differs || said.kind == Kind::kCount;
  });
  // Whom it once answered that its count is too low.
  if (count_differs) {
    news.ForEach([&](const Statement& said) {
      if (said.kind != Kind::kName) return;
      ForEachTarget(index, said.key, [&](absl::string_view target) {
        if (const auto it = index.targets.find(target); it != index.targets.end())
          touched.AddAll(it->second.told_short);
      });
    });
  }
  if (!keys_differ) return;
  news.ForEach([&](const Statement& said) {
    if (said.kind == Kind::kHostPid) touched.AddAllAt(index.pid_users, said.key);
  });
  // Who was activated by a key that no host has is told which keys there are.
  for (const auto& [pid, users] : index.pid_users) {
    if (!index.host_pids.contains(pid)) touched.AddAll(users);
  }
}

Pool PoolOf(const Estate::Index& index) {
  Pool pool;
  pool.best_count = Highest(index.counts);
  pool.mak_users = static_cast<int>(std::min(index.mak_users.size(), kEnough));
  pool.directory = !index.directory_users.empty();
  if (index.hosts.size() == 1) pool.only_host = std::string(*index.hosts.begin());
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

// How many answers give this address for this target.
uint32_t AnswersOf(const Estate::Index& index, const Statement& said) {
  const auto target = index.targets.find(said.key);
  if (target == index.targets.end()) return 0;
  const auto it = target->second.addresses.find(said.detail);
  return it == target->second.addresses.end() ? 0 : it->second;
}

void TakeIn(Estate::Index& index, absl::string_view id, bool renamed, const News& news,
            Touched& touched) {
  const ZoneViews before = ViewsOf(index, news);
  std::vector<absl::string_view> moved;  // targets with an address more or less
  for (const Statement& said : news.gone) {
    if (said.kind == Kind::kAddress && AnswersOf(index, said) == 1) moved.push_back(said.key);
    Put(index, id, said, Wire::kRemove);
  }
  for (const Statement& said : news.come) {
    if (said.kind == Kind::kAddress && AnswersOf(index, said) == 0) moved.push_back(said.key);
    Put(index, id, said, Wire::kAdd);
  }
  // It may be another machine now that is meant by this name.
  for (const absl::string_view target : moved) TouchTarget(index, target, touched);
  bool other_identity = renamed;
  news.ForEachDifference(
      [&](const Statement& said) { other_identity = other_identity || said.OfIdentity(); });
  const auto touch_owners = [&](const Statement& said) { TouchOwners(index, said, touched); };
  if (other_identity) {
    news.ForEach(touch_owners);
    TouchOthers(index, id, news.before, touched);
    TouchOthers(index, id, news.now, touched);
  } else {
    news.ForEachDifference(touch_owners);
  }
  TouchZones(index, before, ViewsOf(index, news), touched);
  TouchByHost(index, news, touched);
  UpdatePool(index, touched);
  // Who is told of no host is told the name of the only one.
  if (other_identity && id == index.pool.only_host) touched.AddAll(index.without_srv);
}

}  // namespace

Estate::Estate() : index_(std::make_unique<Index>()) {}
Estate::~Estate() = default;
Estate::Estate(Estate&&) noexcept = default;
Estate& Estate::operator=(Estate&&) noexcept = default;

std::vector<std::string> Estate::Update(absl::string_view id,
                                        absl::FunctionRef<void(MachineState& state)> change) {
  const auto [slot, is_new] = index_->machines.try_emplace(id);
  const std::string& key = slot->first;
  MachineState& state = slot->second;
  Statements before;
  if (is_new) {
    state.id = key;
  } else {
    before.Speak(state);
  }
  const std::string name = state.name;
  change(state);
  Touched touched;
  touched.Add(key);
  TakeIn(*index_, key, state.name != name, News(before, Statements(state)), touched);
  return touched.Take();
}

std::vector<std::string> Estate::Upsert(MachineState state) {
  const std::string id = state.id;
  return Update(id, [&](MachineState& slot) { slot = std::move(state); });
}

void Estate::Load(MachineState state) {
  const auto [slot, is_new] = index_->machines.try_emplace(state.id);
  if (!is_new) {
    Upsert(std::move(state));
    return;
  }
  slot->second = std::move(state);
  for (const Statement& said : Statements(slot->second))
    Put(*index_, slot->first, said, Wire::kAdd);
  index_->pool = PoolOf(*index_);
}

std::vector<std::string> Estate::Remove(absl::string_view id) {
  Touched touched;
  touched.Add(id);
  const auto it = index_->machines.find(id);
  if (it == index_->machines.end()) return touched.Take();
  const auto gone = index_->machines.extract(it);  // its id is in the index as long as it is
  TakeIn(*index_, gone.key(), true, News(Statements(gone.mapped()), {}), touched);
  return touched.Take();
}

const MachineState* Estate::Find(absl::string_view id) const {
  const auto it = index_->machines.find(id);
  return it == index_->machines.end() ? nullptr : &it->second;
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
