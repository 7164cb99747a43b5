// SPDX-License-Identifier: Apache-2.0
#include "lab/faults.h"

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "kms/tables.h"
#include "lab/estate.h"

namespace keymedic::lab {
namespace {

constexpr uint32_t kSmallLogBytes = 64 << 10;
constexpr uint32_t kOtherPort = 1699;
constexpr double kClockHours = 7;

Machine& HostOf(Landscape& landscape, const PlannedFault& fault) {
  return *landscape.Find(fault.machines[0]);
}

template <typename Change>
void ForEachClient(Landscape& landscape, const PlannedFault& fault, Change change) {
  for (const std::string& name : fault.machines) change(*landscape.Find(name));
}

// As set up anew by its edition's own client key: another machine id, an empty log.
void Reinstall(Landscape& landscape, Machine& machine, absl::Time now) {
  machine.client = ClientState();
  machine.client.machine_id = machine.random.Uuid();
  machine.product = MakeClientProduct(machine, now);
  machine.application.Reset();
  landscape.PlanAttempt(machine, now + absl::Minutes(120 * machine.random.Uniform()));
}

void CloseFirewall(Landscape& landscape, const PlannedFault& fault, absl::Time) {
  for (auto& rule : HostOf(landscape, fault).rules) {
    if (rule.id() == kKmsRule) rule.set_enabled(false);
  }
}

void StopService(Landscape& landscape, const PlannedFault& fault, absl::Time) {
  HostOf(landscape, fault).service_running = false;
  HostOf(landscape, fault).service_disabled = true;
}

void DenyPublish(Landscape& landscape, const PlannedFault& fault, absl::Time) {
  landscape.dns.SetMayPublish(HostOf(landscape, fault).fqdn(), false);
  landscape.dns.RemoveSrv(HostOf(landscape, fault).fqdn());
}

void PublishingOff(Landscape& landscape, const PlannedFault& fault, absl::Time) {
  HostOf(landscape, fault).host->dns_publishing = false;
  landscape.dns.RemoveSrv(HostOf(landscape, fault).fqdn());
}

// The record is kept by hand from now on, and nobody told it.
void ChangePort(Landscape& landscape, const PlannedFault& fault, absl::Time) {
  KmsHost& host = *HostOf(landscape, fault).host;
  host.listening_port = fault.fault.port() == 0 ? kOtherPort : fault.fault.port();
  host.bound_port = host.listening_port;
  host.dns_publishing = false;
}

void SwapHostKey(Landscape& landscape, const PlannedFault& fault, absl::Time now) {
  Machine& machine = HostOf(landscape, fault);
  const HostKeyFamily* family = FindHostKeyFamily(
      fault.fault.family().empty() ? "Windows Server 2012 R2" : fault.fault.family());
  machine.product = MakeHostProduct(machine, *family, MakePartialKey(machine.random), now);
  machine.product.status = keymedic::v1::LICENSE_STATUS_LICENSED;
  machine.product.reason = 0;
  machine.host->csvlk_family = std::string(family->family);
  machine.host->extended_pid = machine.product.extended_pid;
}

void DeactivateHost(Landscape& landscape, const PlannedFault& fault, absl::Time now) {
  Machine& machine = HostOf(landscape, fault);
  machine.product = MakeHostProduct(machine, *FindHostKeyFamily(machine.host->csvlk_family),
                                    machine.product.partial_key, now);
}

void FillLog(Landscape& landscape, const PlannedFault& fault, absl::Time) {
  HostOf(landscape, fault).host->log.StopOverwriting(kSmallLogBytes);
}

void RebuildSite(Landscape& landscape, const PlannedFault& fault, absl::Time now) {
  Machine& host = HostOf(landscape, fault);
  host.host->Forget();
  for (const auto& machine : landscape.machines()) {
    if (machine->site == host.site && machine->host == nullptr && machine->installed)
      Reinstall(landscape, *machine, now);
  }
}

void LeaveStaleRecord(Landscape& landscape, const PlannedFault& fault, absl::Time) {
  const Machine& host = HostOf(landscape, fault);
  std::string gone = fault.fault.host();
  if (gone.empty()) gone = absl::StrCat("kms-retired.", host.domain);
  landscape.dns.AddSrv(host.domain, {gone, kms::kDefaultPort, 0, 0});
}

void UseMak(Landscape& landscape, const PlannedFault& fault, absl::Time) {
  ForEachClient(landscape, fault, [](Machine& m) { m.product = MakeMakProduct(m); });
}

void UseRetail(Landscape& landscape, const PlannedFault& fault, absl::Time) {
  ForEachClient(landscape, fault, [](Machine& m) { m.product = MakeRetailProduct(m); });
}

void UseOtherEditionsKey(Landscape& landscape, const PlannedFault& fault, absl::Time now) {
  ForEachClient(landscape, fault, [&](Machine& m) {
    const absl::string_view own = m.product.partial_key;
    for (const absl::string_view edition :
         {"Professional", "Enterprise", "ServerStandard", "ServerDatacenter"}) {
      const kms::Gvlk* other = kms::GvlkForEdition(edition, m.build);
      const bool for_server = edition.substr(0, 6) == "Server";
      if (other == nullptr || other->partial_key == own || for_server != m.is_server) continue;
      m.product = MakeGvlkProduct(m, other->partial_key, now);
      return;
    }
  });
}

void PinDeadHost(Landscape& landscape, const PlannedFault& fault, absl::Time) {
  ForEachClient(landscape, fault, [&](Machine& m) {
    std::string host = fault.fault.host();
    if (host.empty()) host = absl::StrCat("kms-old.", m.domain);
    // Its address record outlived it.
    if (landscape.dns.Address(host).empty()) landscape.dns.AddAddress(host, "10.255.0.1");
    m.client.registered_host = host;
    m.client.registered_port = fault.fault.port();
  });
}

void TurnClock(Landscape& landscape, const PlannedFault& fault, absl::Time) {
  const double hours = fault.fault.hours() == 0 ? kClockHours : fault.fault.hours();
  ForEachClient(landscape, fault, [&](Machine& m) { m.clock_error = absl::Hours(1) * hours; });
}

// The first of them was the image of the others, and nobody generalised it.
void CloneMachineId(Landscape& landscape, const PlannedFault& fault, absl::Time) {
  const std::string id = landscape.Find(fault.machines[0])->client.machine_id;
  ForEachClient(landscape, fault, [&](Machine& m) { m.client.machine_id = id; });
}

void CachingOff(Landscape& landscape, const PlannedFault& fault, absl::Time) {
  ForEachClient(landscape, fault, [](Machine& m) { m.client.host_caching = false; });
}

void NeverActivate(Landscape& landscape, const PlannedFault& fault, absl::Time now) {
  ForEachClient(landscape, fault, [&](Machine& m) {
    Reinstall(landscape, m, now);
    ++m.client.attempt_turn;  // void
    m.client.automatic = false;
  });
}

void LimitType(Landscape& landscape, const PlannedFault& fault, absl::Time) {
  ForEachClient(landscape, fault,
                [](Machine& m) { m.client.type = keymedic::v1::ACTIVATION_TYPE_DIRECTORY; });
}

void LoseSuffixes(Landscape& landscape, const PlannedFault& fault, absl::Time) {
  ForEachClient(landscape, fault, [](Machine& m) { m.suffixes = {"workgroup.invalid"}; });
}

constexpr FaultKind kKinds[] = {
    {"host_firewall_closed", "the inbound exception for the KMS port is disabled", true,
     CloseFirewall},
    {"host_service_stopped", "the licensing service is stopped and disabled", true, StopService},
    {"host_dns_publish_denied", "another host owns the SRV name: updates are refused", true,
     DenyPublish},
    {"host_dns_publishing_off", "publishing is disabled and the record is gone", true,
     PublishingOff},
    {"host_port_changed", "the host listens on `port` (1699), its hand-kept record says 1688", true,
     ChangePort},
    {"host_key_wrong_group", "the host has a key of `family` (Windows Server 2012 R2)", true,
     SwapHostKey},
    {"host_not_activated", "the host's key was never activated: it does not serve", true,
     DeactivateHost},
    {"host_log_full", "the Key Management Service log is small and does not overwrite", true,
     FillLog},
    {"count_too_low", "the host and its site, fewer machines than the threshold, were set up anew",
     true, RebuildSite},
    {"srv_stale", "the zone of the host has a record of a machine that is gone (`host`)", true,
     LeaveStaleRecord},
    {"client_mak", "a multiple activation key instead of the client key", false, UseMak},
    {"client_retail", "a retail key instead of the client key", false, UseRetail},
    {"client_wrong_edition_key", "the client key of another edition", false, UseOtherEditionsKey},
    {"client_pinned_dead_host", "registered with a host that is gone (`host`, `port`)", false,
     PinDeadHost},
    {"client_clock_off", "the clock is off by `hours` (7)", false, TurnClock},
    {"duplicate_cmid", "cloned from one image without a new client machine id", false,
     CloneMachineId},
    {"client_caching_off", "the client forgets its host", false, CachingOff},
    {"client_never_activated", "set up anew, and automatic activation is switched off", false,
     NeverActivate},
    {"client_type_limited", "may only activate through the directory, which has no object", false,
     LimitType},
    {"client_wrong_suffix", "has lost its domain: asks for hosts in one that does not exist", false,
     LoseSuffixes},
};

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
      } else if (planned.kind->on_host) {
        ChooseHost(planned);
      } else {
        ChooseClients(planned, i);
      }
      plan_.faults.push_back(std::move(planned));
    }
    return std::move(plan_);
  }

 private:
  static constexpr double kMaxDays = 1000;

  static std::vector<std::string> ClientNamesOf(const v1::ClientGroup& group) {
    v1::Estate one;
    *one.add_client_groups() = group;
    return ClientNames(one);
  }

  static std::string Names() {
    std::string out;
    for (const FaultKind& kind : kKinds) absl::StrAppend(&out, out.empty() ? "" : ", ", kind.name);
    return out;
  }

  void Refuse(absl::string_view field, std::string what) {
    plan_.error_field = std::string(field);
    plan_.error = std::move(what);
  }

  void ChooseHost(PlannedFault& planned) {
    const std::string& target = planned.fault.target();
    const auto host = std::find_if(estate_.kms_hosts().begin(), estate_.kms_hosts().end(),
                                   [&](const auto& row) { return row.name() == target; });
    if (host == estate_.kms_hosts().end()) {
      return Refuse("target", absl::StrCat("'", target, "' is no KMS host of this estate; ",
                                           planned.kind->name, " needs one"));
    }
    if (host->installed_days_ago() != 0 &&
        planned.fault.since_days() > host->installed_days_ago()) {
      return Refuse("since_days", absl::StrCat(target, " was installed only ",
                                               host->installed_days_ago(), " days ago"));
    }
    if (planned.kind->make == RebuildSite) {
      const auto in_site = std::count_if(clients_.begin(), clients_.end(), [&](const Client& c) {
        return c.group->site() == host->site();
      });
      if (in_site >= 25) {
        return Refuse("target", absl::StrCat(host->site(), " has ", in_site,
                                             " clients: a count of 25 would be reached; choose a "
                                             "host with a smaller site"));
      }
    }
    planned.machines = {target};
  }

  void ChooseClients(PlannedFault& planned, int index) {
    const v1::Fault& fault = planned.fault;
    std::vector<Client*> free;
    for (Client& client : clients_) {
      const uint32_t age = client.group->installed_days_ago();
      if (MatchesPattern(fault.machines(), client.name) && !taken_.contains(client.name) &&
          (age == 0 || fault.since_days() < age)) {
        free.push_back(&client);
      }
    }
    const size_t wanted = fault.count() == 0 ? free.size() : fault.count();
    if (free.empty()) {
      return Refuse("machines", absl::StrCat("no client without another fault, and installed ",
                                             fault.since_days(), " days ago, matches '",
                                             fault.machines(), "'"));
    }
    if (wanted > free.size() || (planned.kind->make == CloneMachineId && wanted < 2)) {
      return Refuse("count", absl::StrCat(wanted, " clients are wanted, ", free.size(),
                                          " without another fault match '", fault.machines(), "'",
                                          wanted < 2 ? "; clones are at least 2" : ""));
    }
    SeededRandom random(estate_.seed() * 1000003 + index);
    for (size_t i = free.size(); i > 1; --i) std::swap(free[i - 1], free[random.Uint64() % i]);
    for (size_t i = 0; i < wanted; ++i) {
      planned.machines.push_back(free[i]->name);
      taken_.insert(free[i]->name);
    }
    std::sort(planned.machines.begin(), planned.machines.end());
  }

  const v1::Estate& estate_;
  std::vector<Client> clients_;
  std::set<std::string> taken_;
  FaultPlan plan_;
};

}  // namespace

std::span<const FaultKind> FaultKinds() { return kKinds; }

const FaultKind* FindFaultKind(absl::string_view name) {
  for (const FaultKind& kind : kKinds) {
    if (kind.name == name) return &kind;
  }
  return nullptr;
}

FaultPlan PlanFaults(const v1::Estate& estate) { return Planner(estate).Run(); }

}  // namespace keymedic::lab
