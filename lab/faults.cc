// SPDX-License-Identifier: Apache-2.0
#include "lab/faults.h"

#include <algorithm>
#include <map>

#include "absl/strings/str_cat.h"
#include "kms/tables.h"
#include "lab/estate.h"
#include "lab/fault_kinds.h"

namespace keymedic::lab {
namespace {

constexpr double kMaxDays = 1000;
constexpr double kRenewalDays = 7;
constexpr int kDesktopThreshold = 25;

struct Client {
  std::string name;
  const v1::ClientGroup* group;
};

class Planner {
 public:
  explicit Planner(const v1::Estate& estate) : estate_(estate) {
    for (const v1::ClientGroup& group : estate.client_groups()) {
      for (std::string& name : ClientNamesOf(group)) clients_.push_back({std::move(name), &group});
    }
    for (const v1::Site& site : estate.sites()) domains_[site.name()] = site.dns_domain();
  }

  FaultPlan Run() {
    for (int i = 0; i < estate_.faults_size() && plan_.ok(); ++i) {
      plan_.error_index = i;
      const v1::Fault& fault = estate_.faults(i);
      PlannedFault planned{FindFaultKind(fault.fault()), fault, {}};
      if (planned.kind == nullptr) {
        Refuse("fault", absl::StrCat("'", fault.fault(), "' is not known (known: ", Names(), ")"));
      } else if (fault.since_days() < 0 || fault.since_days() > kMaxDays) {
        Refuse("since_days", absl::StrCat(fault.since_days(), " is not within 0 and ", kMaxDays));
      } else if (!fault.family().empty() && FindHostKeyFamily(fault.family()) == nullptr) {
        Refuse("family", absl::StrCat("'", fault.family(),
                                      "' is no host key family (known: ", HostKeyFamilies(), ")"));
      } else if (CheckNames(planned)) {
        if (planned.kind->on_host) {
          ChooseHost(planned);
        } else {
          ChooseClients(planned, i);
        }
      }
      plan_.faults.push_back(std::move(planned));
    }
    return std::move(plan_);
  }

 private:
  static std::vector<std::string> ClientNamesOf(const v1::ClientGroup& group) {
    v1::Estate one;
    *one.add_client_groups() = group;
    return ClientNames(one);
  }

  static std::string Names() {
    std::string out;
    for (const FaultKind& kind : FaultKinds())
      absl::StrAppend(&out, out.empty() ? "" : ", ", kind.name);
    return out;
  }

  bool Refuse(absl::string_view field, std::string what) {
    plan_.error_field = std::string(field);
    plan_.error = std::move(what);
    return false;
  }

  const v1::KmsHost* FindHost(const std::string& name) const {
    const auto host = std::find_if(estate_.kms_hosts().begin(), estate_.kms_hosts().end(),
                                   [&](const auto& row) { return row.name() == name; });
    return host == estate_.kms_hosts().end() ? nullptr : &*host;
  }

  // What some faults need to be told.
  bool CheckNames(const PlannedFault& planned) {
    const v1::Fault& fault = planned.fault;
    const absl::string_view name = planned.kind->name;
    const bool needs_host =
        name == "client_pinned_host" || name == "client_pinned_other_port" || name == "count_split";
    if (needs_host && FindHost(fault.host()) == nullptr) {
      return Refuse("host", absl::StrCat("'", fault.host(), "' is no KMS host of this estate; ",
                                         name, " needs one"));
    }
    if (name == "host_site_cut_off" && !domains_.contains(fault.site())) {
      return Refuse("site", absl::StrCat("'", fault.site(), "' is no site of this estate; ", name,
                                         " needs one"));
    }
    if (name == "client_activated_by_rogue" && fault.since_days() >= kRenewalDays) {
      return Refuse("since_days", absl::StrCat(fault.since_days(),
                                               ": the client renewed with its own host since; "
                                               "write less than ",
                                               kRenewalDays));
    }
    return true;
  }

  // Clients in a pool that some fault sets up anew.
  bool IsRebuilt(const v1::Fault& fault, const v1::ClientGroup& group) const {
    const v1::KmsHost* const host = FindHost(fault.target());
    if (host == nullptr) return false;
    return fault.fault() == "count_split" ? At(group.site()) == At(host->site())
                                          : group.site() == host->site();
  }
  // Is it, after fault `index` was made?
  bool IsRebuiltAfter(int index, const v1::ClientGroup& group) const {
    const double since = estate_.faults(index).since_days();
    for (int i = 0; i < estate_.faults_size(); ++i) {
      const v1::Fault& other = estate_.faults(i);
      const FaultKind* const kind = FindFaultKind(other.fault());
      const bool later = other.since_days() < since || (other.since_days() == since && i > index);
      if (kind != nullptr && RebuildsSite(*kind) && later && IsRebuilt(other, group)) return true;
    }
    return false;
  }
  std::string At(const std::string& site) const {
    const auto it = domains_.find(site);
    return it == domains_.end() ? "" : it->second;
  }

  // So many machines ask the host with ids of their own, if nothing else is wrong.
  bool CheckPool(const PlannedFault& planned) {
    if (!RebuildsSite(*planned.kind)) return true;
    const bool split = planned.kind->name == "count_split";
    const auto clients = std::count_if(clients_.begin(), clients_.end(), [&](const Client& client) {
      return IsRebuilt(planned.fault, *client.group);
    });
    if (planned.kind->name == "count_too_low" && clients >= kDesktopThreshold) {
      return Refuse("target",
                    absl::StrCat(FindHost(planned.fault.target())->site(), " has ", clients,
                                 " clients: a count of 25 would be reached; choose a "
                                 "host with a smaller site"));
    }
    if (split && (clients < kDesktopThreshold || clients >= 2 * kDesktopThreshold - 1)) {
      return Refuse("target", absl::StrCat("the zone of ", planned.fault.target(), " has ", clients,
                                           " clients: only 25 to 48 are enough for one host and "
                                           "too few for two"));
    }
    if (split && At(FindHost(planned.fault.host())->site()) !=
                     At(FindHost(planned.fault.target())->site())) {
      return Refuse("host", absl::StrCat("'", planned.fault.host(), "' is in another zone than ",
                                         planned.fault.target()));
    }
    if (planned.kind->name == "count_stuck" && clients < 2)
      return Refuse("target", "its site has fewer than 2 clients: clones are at least 2");
    return true;
  }

  void ChooseHost(PlannedFault& planned) {
    const std::string& target = planned.fault.target();
    const v1::KmsHost* const host = FindHost(target);
    if (host == nullptr) {
      Refuse("target", absl::StrCat("'", target, "' is no KMS host of this estate; ",
                                    planned.kind->name, " needs one"));
      return;
    }
    if (host->installed_days_ago() != 0 &&
        planned.fault.since_days() > host->installed_days_ago()) {
      Refuse("since_days",
             absl::StrCat(target, " was installed only ", host->installed_days_ago(), " days ago"));
      return;
    }
    if ((taken_[target] & planned.kind->touches) != 0) {
      Refuse("fault", absl::StrCat("another fault of ", target, " changes the same as ",
                                   planned.kind->name, ": one of them would undo the other"));
      return;
    }
    if (!CheckPool(planned)) return;
    taken_[target] |= planned.kind->touches;
    planned.machines = {target};
  }

  bool MayHave(const PlannedFault& planned, int index, const Client& client) const {
    const v1::Fault& fault = planned.fault;
    const uint32_t age = client.group->installed_days_ago();
    if (!MatchesPattern(fault.machines(), client.name) || (age != 0 && fault.since_days() >= age))
      return false;
    const auto taken = taken_.find(client.name);
    if (taken != taken_.end() &&
        (!fault.over_others() || (taken->second & planned.kind->touches) != 0))
      return false;
    const kms::Edition* const edition =
        kms::FindEdition(client.group->edition_id(), client.group->build());
    if (planned.kind->name == "client_home_edition" && edition != nullptr && edition->is_server)
      return false;
    return !IsRebuiltAfter(index, *client.group);
  }

  void ChooseClients(PlannedFault& planned, int index) {
    const v1::Fault& fault = planned.fault;
    std::vector<Client*> free;
    for (Client& client : clients_) {
      if (MayHave(planned, index, client)) free.push_back(&client);
    }
    const size_t wanted = fault.count() == 0 ? free.size() : fault.count();
    if (free.empty()) {
      Refuse("machines",
             absl::StrCat("no client without another fault, and installed ", fault.since_days(),
                          " days ago, matches '", fault.machines(), "'"));
      return;
    }
    if (wanted > free.size() || (planned.kind->touches == kTouchesId && wanted < 2)) {
      Refuse("count", absl::StrCat(wanted, " clients are wanted, ", free.size(),
                                   " without another fault match '", fault.machines(), "'",
                                   wanted < 2 ? "; clones are at least 2" : ""));
      return;
    }
    SeededRandom random(estate_.seed() * 1000003 + index);
    for (size_t i = free.size(); i > 1; --i) std::swap(free[i - 1], free[random.Uint64() % i]);
    for (size_t i = 0; i < wanted; ++i) {
      planned.machines.push_back(free[i]->name);
      taken_[free[i]->name] |= planned.kind->touches;
    }
    std::sort(planned.machines.begin(), planned.machines.end());
  }

  const v1::Estate& estate_;
  std::vector<Client> clients_;
  std::map<std::string, std::string> domains_;  // of sites
  std::map<std::string, uint32_t> taken_;       // what faults touch on each machine
  FaultPlan plan_;
};

}  // namespace

std::span<const FaultKind> FaultKinds() {
  static const auto* const kinds = [] {
    auto* const all = new std::vector<FaultKind>();
    for (const auto& some : {HostPathFaults(), HostKeyFaults(), RecordFaults(), ClientFaults()})
      all->insert(all->end(), some.begin(), some.end());
    return all;
  }();
  return *kinds;
}

const FaultKind* FindFaultKind(absl::string_view name) {
  for (const FaultKind& kind : FaultKinds()) {
    if (kind.name == name) return &kind;
  }
  return nullptr;
}

FaultPlan PlanFaults(const v1::Estate& estate) { return Planner(estate).Run(); }

}  // namespace keymedic::lab
