// SPDX-License-Identifier: Apache-2.0
#include "kms/readers/join.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "kms/events.h"
#include "kms/readers/merge.h"
#include "kms/readers/shapes.h"
#include "kms/tables.h"

namespace keymedic::kms::readers {
namespace {

constexpr int64_t kActivationMinutes = 180 * 24 * 60;

// Pieces that are one machine's; its identity so far.
struct Node {
  std::vector<const Piece*> pieces;
  std::set<absl::string_view> files;
  Role role = Role::kUnknown;
  std::string computer;    // as written; empty: not known
  std::string short_name;  // of the computer
  std::string cmid;
  bool report = false;  // has a licence report (slmgr, ospp.vbs)
};

std::string ShortName(absl::string_view computer) {
  const std::string lower = Lower(computer);
  return FindIpAddress(lower) ? lower : lower.substr(0, lower.find('.'));
}

std::string CmidOf(const v1::KmsClientSection& client) {
  if (client.has_client_machine_id()) return client.client_machine_id();
  for (const v1::ActivationAttempt& attempt : client.attempts()) {
    if (attempt.has_client_machine_id()) return attempt.client_machine_id();
  }
  return "";
}

std::string CmidOf(const Piece& piece) {
  if (piece.role == Role::kHost) return "";  // a host's events carry its clients' ids
  if (piece.events.empty()) return piece.state.client ? CmidOf(*piece.state.client) : "";
  v1::KmsClientSection client;
  if (piece.state.client) client = *piece.state.client;
  v1::LicensingSection licensing;
  FoldClientEvents(piece.events, client, licensing);
  return CmidOf(client);
}

void Absorb(Node& into, const Node& from) {
  into.pieces.insert(into.pieces.end(), from.pieces.begin(), from.pieces.end());
  into.files.insert(from.files.begin(), from.files.end());
  if (from.computer.size() > into.computer.size()) {
    into.computer = from.computer;
    into.short_name = from.short_name;
  }
  if (into.cmid.empty()) into.cmid = from.cmid;
  if (into.role == Role::kUnknown || from.role == Role::kHost) into.role = from.role;
  into.report = into.report || from.report;
}

bool NamesDiffer(const Node& a, const Node& b) {
  return !a.computer.empty() && !b.computer.empty() && a.short_name != b.short_name;
}

bool CmidsDiffer(const Node& a, const Node& b) {
  return !a.cmid.empty() && !b.cmid.empty() && a.cmid != b.cmid;
}

// Reports of one product that say different things: two machines, whatever id they share.
bool ReportsDiffer(const Node& a, const Node& b) {
  for (const Piece* x : a.pieces) {
    for (const Piece* y : b.pieces) {
      if (!x->state.licensing || !y->state.licensing) continue;
      // Before and after: one machine, if its product's id says so and the times tell which is
      // which.
      const bool apart = x->taken_at && y->taken_at && *x->taken_at != *y->taken_at;
      for (const v1::Product& p : x->state.licensing->products()) {
        for (const v1::Product& q : y->state.licensing->products()) {
          const bool windows =
              p.name().rfind("Windows", 0) == 0 && q.name().rfind("Windows", 0) == 0;
          if (windows && !p.is_addon() && !q.is_addon() &&
              !(apart && !p.extended_pid().empty() && p.extended_pid() == q.extended_pid()) &&
              (p.partial_key() != q.partial_key() || p.status() != q.status())) {
            return true;
          }
        }
      }
    }
  }
  return false;
}

// Of one client machine id: each name is another machine (by name they are joined already), and so
// is each report in one file.
std::string Lot(const Node& node) {
  if (!node.computer.empty()) return "named";
  const bool in_one_file = node.report && node.files.size() == 1;
  return in_one_file ? absl::StrCat("in ", *node.files.begin()) : "";
}

class Joiner {
 public:
  explicit Joiner(const std::vector<Piece>& pieces) {
    for (const Piece& piece : pieces) Place(piece);
  }

  std::vector<Node> Join() {
    MergeWhere([](const Node& node) { return node.short_name; },
               [](const Node&) { return std::string(); },
               [](const Node&, const Node&) { return true; });
    MergeWhere([](const Node& node) { return node.cmid; }, &Lot,
               [](const Node& a, const Node& b) {
                 const bool one_file = a.files == b.files;
                 return !NamesDiffer(a, b) && !(one_file && a.report && b.report) &&
                        !ReportsDiffer(a, b);
               });
    MergeLeftovers();
    AttachNames();
    return std::move(nodes_);
  }

 private:
  using Key = std::tuple<std::string, int, Role, std::string>;

  void Place(const Piece& piece);
  // Nodes with the same value of `key`, if it has one and `same` agrees. Those of one `lot` never
  // do, so they are not compared: a thousand clones show one id.
  template <typename KeyOf, typename LotOf, typename Same>
  void MergeWhere(KeyOf key, LotOf lot, Same same);
  void MergeLeftovers();
  void AttachNames();

  std::vector<Node> nodes_;
  std::map<Key, size_t> by_key_;
  std::map<std::pair<std::string, int>, size_t> host_reports_;  // by file and section
  std::vector<const Piece*> names_;
};

void Joiner::Place(const Piece& piece) {
  if (piece.state.names && !piece.state.licensing) {
    names_.push_back(&piece);
    return;
  }
  const auto section = std::pair(piece.file, piece.section);
  const bool report = piece.state.licensing.has_value();
  Role role = piece.said != Role::kUnknown ? piece.said : piece.role;
  // One run of slmgr on a host also lists the machine's own client products.
  if (report && host_reports_.contains(section)) role = Role::kHost;
  std::string computer = ShortName(piece.computer);
  const Key key{piece.file, piece.section, role, computer};
  auto [found, added] = by_key_.emplace(key, nodes_.size());
  if (added && !computer.empty()) {
    // What came before without a name, in the same part of the same file, is this machine's.
    const auto unnamed = by_key_.find(Key{piece.file, piece.section, role, ""});
    if (unnamed != by_key_.end() && nodes_[unnamed->second].computer.empty()) {
      found->second = unnamed->second;
      added = false;
    }
  } else if (added) {
    // The map holds the named ones right behind it.
    const auto of_role = [&](const Key& other) {
      return std::get<0>(other) == piece.file && std::get<1>(other) == piece.section &&
             std::get<2>(other) == role;
    };
    for (auto named = std::next(found); named != by_key_.end() && of_role(named->first); ++named) {
      found->second = named->second;
      added = false;
    }
  }
  Node single;
  single.pieces = {&piece};
  single.files = {piece.file};
  single.role = role;
  single.computer = piece.computer;
  single.short_name = computer;
  single.cmid = CmidOf(piece);
  single.report = report;
  if (added) {
    nodes_.push_back(std::move(single));
  } else {
    Absorb(nodes_[found->second], single);
  }
  if (report && role == Role::kHost && !host_reports_.contains(section)) {
    host_reports_[section] = found->second;
    const auto client = by_key_.find(Key{piece.file, piece.section, Role::kClient, computer});
    if (client != by_key_.end() && nodes_[client->second].report) {
      Absorb(nodes_[found->second], nodes_[client->second]);
      nodes_[client->second].pieces.clear();
      client->second = found->second;
    }
  }
}

template <typename KeyOf, typename LotOf, typename Same>
void Joiner::MergeWhere(KeyOf key, LotOf lot, Same same) {
  using Lots = std::map<std::string, std::vector<size_t>>;
  std::map<std::string, Lots> groups;
  for (size_t i = 0; i < nodes_.size(); ++i) {
    if (nodes_[i].pieces.empty() || key(nodes_[i]).empty()) continue;
    Lots& lots = groups[key(nodes_[i])];
    const std::string own = lot(nodes_[i]);
    size_t first = i;
    for (const auto& [name, members] : lots) {
      if (!own.empty() && name == own) continue;
      const auto found = std::find_if(members.begin(), members.end(),
                                      [&](size_t k) { return same(nodes_[k], nodes_[i]); });
      if (found != members.end()) first = std::min(first, *found);
    }
    if (first == i) {
      lots[own].push_back(i);
    } else {
      Absorb(nodes_[first], nodes_[i]);
      nodes_[i].pieces.clear();
    }
  }
  std::erase_if(nodes_, [](const Node& node) { return node.pieces.empty(); });
}

// Evidence without an identity belongs to the one machine of its role that another file reports.
void Joiner::MergeLeftovers() {
  std::map<Role, std::vector<size_t>> reports;
  for (size_t i = 0; i < nodes_.size(); ++i) {
    if (nodes_[i].report) reports[nodes_[i].role].push_back(i);
  }
  for (Node& loose : nodes_) {
    const std::vector<size_t>& candidates = reports[loose.role];
    if (loose.report || !loose.computer.empty() || candidates.size() != 1) continue;
    Node& only = nodes_[candidates[0]];
    if (CmidsDiffer(only, loose) || only.files == loose.files) continue;
    Absorb(only, loose);
    loose.pieces.clear();
  }
  std::erase_if(nodes_, [](const Node& node) { return node.pieces.empty(); });
}

void Joiner::AttachNames() {
  std::map<absl::string_view, std::vector<size_t>> by_file;
  std::map<std::string, std::vector<size_t>> by_name;
  std::vector<size_t> all;  // clients, as those above
  const auto index = [&](size_t i) {
    if (nodes_[i].role == Role::kHost) return;
    by_name[nodes_[i].short_name].push_back(i);
    for (const absl::string_view file : nodes_[i].files) by_file[file].push_back(i);
    all.push_back(i);
  };
  for (size_t i = 0; i < nodes_.size(); ++i) index(i);
  std::set<std::tuple<std::string, absl::string_view, std::string>> attached;
  for (const Piece* piece : names_) {
    const std::string name = ShortName(piece->computer);
    // Asked again and answered the same: with a thousand clients in its file, once is enough.
    if (!attached.emplace(name, piece->file, piece->state.names->SerializeAsString()).second) {
      continue;
    }
    const std::vector<size_t>& own = name.empty() ? by_file[piece->file] : by_name[name];
    if (own.empty() && (!name.empty() || all.empty())) {
      Node& alone = nodes_.emplace_back();
      alone.computer = piece->computer;
      alone.short_name = name;
      alone.role = Role::kClient;
      alone.files = {piece->file};
      index(nodes_.size() - 1);
    }
    for (size_t client : own.empty() ? all : own) nodes_[client].pieces.push_back(piece);
  }
}

void Later(const google::protobuf::Timestamp& at, std::optional<absl::Time>& newest) {
  const absl::Time time = absl::FromUnixSeconds(at.seconds());
  if (!newest || time > *newest) newest = time;
}

std::optional<absl::Time> NewestInstant(const Node& node, const MachineState& state) {
  std::optional<absl::Time> newest;
  for (const Piece* piece : node.pieces) {
    if (piece->taken_at && (!newest || *piece->taken_at > *newest)) newest = piece->taken_at;
    for (const v1::EventRecord& event : piece->events) {
      if (event.has_time()) Later(event.time(), newest);
    }
  }
  if (state.client) {
    for (const auto& attempt : state.client->attempts()) {
      if (attempt.has_at()) Later(attempt.at(), newest);
    }
  }
  if (state.host) {
    for (const auto& request : state.host->requests()) {
      if (request.has_last_at()) Later(request.last_at(), newest);
    }
  }
  return newest;
}

void SetExpiry(MachineState& state, const std::vector<int64_t>& minutes, absl::Time from) {
  if (!state.licensing) return;
  for (int i = 0; i < state.licensing->products_size(); ++i) {
    if (minutes[i] <= 0) continue;
    v1::Product& product = *state.licensing->mutable_products(i);
    const int64_t end = absl::ToUnixSeconds(from) + minutes[i] * 60;
    product.mutable_expires_at()->set_seconds(end);
    const bool kms = product.status() == v1::LICENSE_STATUS_LICENSED &&
                     product.channel() == "VOLUME_KMSCLIENT" && minutes[i] <= kActivationMinutes;
    if (kms && state.client && !state.client->has_last_activation_at()) {
      state.client->mutable_last_activation_at()->set_seconds(end - kActivationMinutes * 60);
    }
  }
}

Machine Build(const Node& node, std::optional<absl::Time> now) {
  Machine machine;
  MachineState& state = machine.state;
  Merger merger(state);
  std::vector<v1::EventRecord> client_events, host_events;
  std::vector<std::string> sources;
  for (const Piece* piece : node.pieces) {
    merger.Add(*piece);
    auto& events = piece->role == Role::kHost ? host_events : client_events;
    events.insert(events.end(), piece->events.begin(), piece->events.end());
    const bool report = piece->state.licensing || piece->state.names || piece->state.client;
    machine.licensing_events = machine.licensing_events || !report;
    if (sources.empty() || sources.back() != piece->file) sources.push_back(piece->file);
  }
  merger.Finish();
  // What commands printed came in that order; attempts stand newest first.
  if (state.client) {
    std::reverse(state.client->mutable_attempts()->begin(),
                 state.client->mutable_attempts()->end());
  }
  if (!client_events.empty()) {
    if (!state.client) state.client.emplace();
    if (!state.licensing) state.licensing.emplace();
    FoldClientEvents(client_events, *state.client, *state.licensing);
  }
  if (!host_events.empty()) {
    if (!state.host) state.host.emplace();
    FoldHostEvents(host_events, *state.host);
  }
  if (state.client && !state.client->has_client_machine_id()) {
    const std::string cmid = CmidOf(*state.client);
    if (!cmid.empty()) state.client->set_client_machine_id(cmid);
  }
  if (!node.computer.empty()) {
    if (!state.os) state.os.emplace();
    state.os->set_computer_name(ShortName(node.computer));
    const size_t dot = FindIpAddress(node.computer) ? std::string::npos : node.computer.find('.');
    if (dot != std::string::npos) state.os->set_dns_domain(Lower(node.computer.substr(dot + 1)));
  }
  machine.as_of = NewestInstant(node, state);
  const std::optional<absl::Time> from = machine.as_of ? machine.as_of : now;
  if (from) SetExpiry(state, merger.minutes_left(), *from);
  state.source = sources.empty() ? "" : sources.front();
  return machine;
}

using Names = std::set<std::string>;

// The hosts that clients asked, by the id that they showed.
std::map<absl::string_view, Names> HostsByClientId(const std::vector<Machine>& machines) {
  std::map<absl::string_view, Names> hosts;
  for (const Machine& machine : machines) {
    if (!machine.state.client) continue;
    for (const auto& attempt : machine.state.client->attempts()) {
      if (attempt.client_machine_id().empty() || attempt.host().empty()) continue;
      hosts[attempt.client_machine_id()].insert(attempt.host());
    }
  }
  return hosts;
}

// A host without a name is the one that its clients name, if an id shows that they met.
std::string NameByClients(const Machine& host,
                          const std::map<absl::string_view, Names>& hosts_by_client_id) {
  Names names;
  if (!host.state.host) return "";
  for (const auto& request : host.state.host->requests()) {
    const auto known = hosts_by_client_id.find(request.client_machine_id());
    if (known != hosts_by_client_id.end()) names.insert(known->second.begin(), known->second.end());
  }
  return names.size() == 1 ? *names.begin() : "";
}

// The hosts that all evidence together names: SRV records, and what clients use.
Names NamedHosts(const std::vector<Machine>& machines) {
  Names names;
  for (const Machine& machine : machines) {
    if (machine.state.names) {
      for (const v1::SrvAnswer& answer : machine.state.names->answers()) {
        for (const v1::SrvRecord& record : answer.records()) names.insert(Lower(record.target()));
      }
    }
    if (!machine.state.client) continue;
    const v1::KmsClientSection& client = *machine.state.client;
    names.insert(Lower(client.registered_host()));
    names.insert(Lower(client.discovered_host()));
    for (const v1::ActivationAttempt& attempt : client.attempts()) {
      names.insert(Lower(attempt.host()));
    }
  }
  names.erase("");
  return names;
}

// slmgr never prints the machine's own name. If the evidence has one host and names one, they are
// the same. A host that is named in short has the domain of the record that names it.
void NameHosts(const std::vector<Node>& nodes, std::vector<Machine>& machines) {
  const auto is_host = [](const Node& node) { return node.role == Role::kHost; };
  const auto hosts = std::count_if(nodes.begin(), nodes.end(), is_host);
  if (hosts == 0) return;
  const Names named = NamedHosts(machines);
  std::map<absl::string_view, absl::string_view> domains;  // by short name
  for (const absl::string_view name : named) {
    const size_t dot = name.find('.');
    if (dot != absl::string_view::npos) domains[name.substr(0, dot)] = name.substr(dot + 1);
  }
  const auto hosts_by_client_id = HostsByClientId(machines);
  for (size_t i = 0; i < machines.size(); ++i) {
    if (!is_host(nodes[i])) continue;
    MachineState& state = machines[i].state;
    state.name = nodes[i].computer;
    if (state.name.empty()) state.name = NameByClients(machines[i], hosts_by_client_id);
    if (state.name.empty() && hosts == 1 && named.size() == 1 &&
        CloudOfHost(*named.begin()).empty()) {
      state.name = *named.begin();
    }
    if (!state.os || !state.os->dns_domain().empty()) continue;
    const auto domain = domains.find(Lower(state.os->computer_name()));
    if (domain != domains.end()) state.os->set_dns_domain(std::string(domain->second));
  }
}

void NameMachines(const std::vector<Node>& nodes, std::vector<Machine>& machines) {
  NameHosts(nodes, machines);
  std::map<absl::string_view, int> per_file;
  for (const Node& node : nodes) ++per_file[*node.files.begin()];
  absl::flat_hash_set<std::string> taken;
  absl::flat_hash_map<std::string, int> numbers;  // the last one given, by name
  for (size_t i = 0; i < machines.size(); ++i) {
    MachineState& state = machines[i].state;
    if (state.name.empty()) state.name = nodes[i].computer;
    if (state.name.empty()) {
      absl::string_view file = *nodes[i].files.begin();
      file = file == "-" ? "standard input" : file.substr(file.find_last_of("/\\") + 1);
      const bool several = per_file[*nodes[i].files.begin()] > 1;
      const absl::string_view role = nodes[i].role == Role::kHost ? " (host)" : " (client)";
      state.name = absl::StrCat(file, several ? role : "");
    }
    const std::string name = state.name;
    state.id = Lower(name);
    int& number = numbers.try_emplace(state.id, 1).first->second;
    while (!taken.insert(state.id).second) {
      state.name = absl::StrCat(name, " ", ++number);
      state.id = Lower(state.name);
    }
  }
}

}  // namespace

std::vector<Machine> JoinPieces(const std::vector<Piece>& pieces, std::optional<absl::Time> now) {
  const std::vector<Node> nodes = Joiner(pieces).Join();
  std::vector<Machine> machines;
  machines.reserve(nodes.size());
  for (const Node& node : nodes) machines.push_back(Build(node, now));
  NameMachines(nodes, machines);
  return machines;
}

}  // namespace keymedic::kms::readers
