// SPDX-License-Identifier: Apache-2.0
#include "lab/world.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/product_key.h"
#include "base/status_macros.h"
#include "kms/tables.h"
#include "lab/answers.h"
#include "lab/changes.h"
#include "lab/client.h"
#include "lab/estate.h"
#include "lab/truth_teller.h"

namespace keymedic::lab {
namespace {

constexpr absl::Duration kDay = absl::Hours(24);
// Long enough for counts and renewals to settle before the first fault.
constexpr int kSettledDays = 45;
constexpr int kShortestPastDays = 75;
constexpr size_t kDefaultLogRecords = 200;
constexpr uint64_t kDefaultKmsLogBytes = 1 << 20;
constexpr uint32_t kDefaultRevision = 2100;
constexpr uint32_t kCloudHostBuild = 20348;

uint64_t SeedOf(uint64_t seed, absl::string_view name) {
  uint64_t hash = 0xcbf29ce484222325u ^ (seed * 0x9e3779b97f4a7c15u);
  for (const unsigned char c : name) hash = (hash ^ c) * 0x100000001b3u;
  return hash;
}

// 10.<site>.<high>.<low>
std::string Address(const v1::Estate& estate, absl::string_view site, uint32_t number) {
  int index = 0;
  while (index < estate.sites_size() && estate.sites(index).name() != site) ++index;
  return absl::StrFormat("10.%d.%d.%d", index + 1, number / 250 % 250, number % 250 + 1);
}

const v1::Site& FindSite(const v1::Estate& estate, absl::string_view name) {
  return *std::find_if(estate.sites().begin(), estate.sites().end(),
                       [&](const v1::Site& site) { return site.name() == name; });
}

std::unique_ptr<Machine> MakeMachine(const v1::Estate& estate, const std::string& name,
                                     const v1::Site& site, uint32_t number) {
  const size_t records =
      estate.application_log_records() == 0 ? kDefaultLogRecords : estate.application_log_records();
  auto machine =
      std::make_unique<Machine>(name, site.dns_domain(), SeedOf(estate.seed(), name), records);
  machine->site = site.name();
  machine->address = Address(estate, site.name(), number);
  machine->utc_offset_minutes = site.utc_offset_minutes();
  machine->suffixes = {site.dns_domain()};
  machine->suffixes.insert(machine->suffixes.end(), site.search_suffixes().begin(),
                           site.search_suffixes().end());
  machine->client.machine_id = machine->random.Uuid();
  machine->client.directory_object = site.activation_object();
  keymedic::v1::FirewallRule& rule = machine->rules.emplace_back();
  rule.set_id(kKmsRule);
  rule.set_enabled(false);  // predefined, and never turned on by itself
  rule.set_inbound_allow(true);
  rule.add_tcp_ports(1688);
  return machine;
}

// kms/data/clouds.csv lists a cloud's names with their addresses behind them; any address of its
// own will do here for a name.
std::string CloudAddress(const std::string& host) {
  if (host.find_first_not_of("0123456789.") == std::string::npos) return host;
  if (host == "kms.windows.googlecloud.com") return "35.190.247.13";
  if (host == "kms.core.windows.net") return "23.102.135.246";
  return "20.118.99.224";
}

absl::Duration LongestPast(const v1::Estate& estate) {
  double days = kShortestPastDays - kSettledDays;
  for (const v1::Fault& fault : estate.faults()) days = std::max(days, fault.since_days());
  for (const v1::KmsHost& host : estate.kms_hosts())
    days = std::max<double>(days, host.installed_days_ago());
  for (const v1::ClientGroup& group : estate.client_groups())
    days = std::max<double>(days, group.installed_days_ago());
  return kDay * (days + kSettledDays);
}

}  // namespace

absl::StatusOr<std::unique_ptr<World>> World::Make(const v1::Estate& estate, const Clock& clock) {
  FaultPlan plan = PlanFaults(estate);
  if (!plan.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("faults[", plan.error_index, "].", plan.error_field, ": ", plan.error));
  }
  std::unique_ptr<World> world(new World(clock, std::move(plan.faults), estate.policy()));
  world->names_ = MachineNames(estate);
  const absl::Time now = clock.Now();
  const absl::Time begin = now - LongestPast(estate);
  absl::MutexLock lock(&world->mutex_);
  world->landscape_.noise = estate.noise();
  for (const v1::Site& site : estate.sites()) world->landscape_.dns.AddZone(site.dns_domain());
  for (const v1::HostKey& row : estate.host_keys()) {
    KM_ASSIGN_OR_RETURN(ProductKey key, ProductKey::Parse(row.key()));
    world->landscape_.host_keys.emplace_back(row.family(), std::move(key));
  }
  world->AddHosts(estate, begin, now);
  world->AddClients(estate, begin, now);
  for (size_t i = 0; i < world->faults_.size(); ++i) {
    world->landscape_.Plan(now - kDay * world->faults_[i].fault.since_days(),
                           Happening::Kind::kFault, nullptr, i);
  }
  world->AdvanceTo(now);
  return world;
}

void World::AddHosts(const v1::Estate& estate, absl::Time begin, absl::Time now) {
  uint32_t number = 0;
  for (const v1::KmsHost& row : estate.kms_hosts()) {
    auto machine = MakeMachine(estate, row.name(), FindSite(estate, row.site()), number++);
    machine->edition_id = row.edition_id();
    machine->build = row.build();
    machine->revision = row.revision() == 0 ? kDefaultRevision : row.revision();
    machine->is_server = true;
    machine->is_virtual = true;
    machine->rules[0].set_enabled(true);
    const absl::Time installed =
        row.installed_days_ago() == 0 ? begin : now - kDay * row.installed_days_ago();
    std::string partial_key = MakePartialKey(machine->random);
    for (const v1::HostKey& key : estate.host_keys()) {
      if (key.family() == row.csvlk_family()) partial_key = key.key().substr(key.key().size() - 5);
    }
    machine->product =
        MakeHostProduct(*machine, *FindHostKeyFamily(row.csvlk_family()), partial_key, installed);
    machine->product.status = keymedic::v1::LICENSE_STATUS_LICENSED;
    machine->product.reason = 0;
    machine->host = std::make_unique<KmsHost>(machine->fqdn(), estate.kms_log_bytes() == 0
                                                                   ? kDefaultKmsLogBytes
                                                                   : estate.kms_log_bytes());
    machine->host->csvlk_family = row.csvlk_family();
    machine->host->extended_pid = machine->product.extended_pid;
    machine->host->build = machine->build;
    machine->host->revision = machine->revision;
    machine->host->publish_domains.assign(row.publish_domains().begin(),
                                          row.publish_domains().end());
    Machine& added = landscape_.Add(std::move(machine));
    landscape_.Plan(installed, Happening::Kind::kInstall, &added, 0);
  }
}

void World::AddClients(const v1::Estate& estate, absl::Time begin, absl::Time now) {
  uint32_t number = 100;
  for (const v1::ClientGroup& group : estate.client_groups()) {
    v1::Estate one;
    *one.add_client_groups() = group;
    for (const std::string& name : ClientNames(one)) {
      auto machine = MakeMachine(estate, name, FindSite(estate, group.site()), number++);
      machine->edition_id = group.edition_id();
      machine->build = group.build();
      machine->revision = group.revision() == 0 ? kDefaultRevision : group.revision();
      machine->is_server = kms::FindEdition(group.edition_id(), group.build())->is_server;
      machine->is_virtual = group.is_virtual();
      machine->service_running = false;  // stops when idle
      if (!group.cloud_host().empty()) {
        landscape_.AddForeignHost(group.cloud_host(), CloudAddress(group.cloud_host()),
                                  kCloudHostBuild, begin);
        machine->client.registered_host = group.cloud_host();
        machine->client.directory_object.clear();
      }
      // An estate grows over a week, so its renewals are spread over the week ever after.
      const absl::Time installed = group.installed_days_ago() == 0
                                       ? begin + kRenewalInterval * machine->random.Uniform()
                                       : now - kDay * group.installed_days_ago();
      Machine& added = landscape_.Add(std::move(machine));
      landscape_.Plan(installed, Happening::Kind::kInstall, &added, 0);
    }
  }
}

void World::AdvanceTo(absl::Time now) {
  while (const auto happening = landscape_.TakeDue(now)) Happen(*happening);
  now_ = std::max(now_, now);
}

void World::Happen(const Happening& happening) {
  Machine* const machine = happening.machine;
  switch (happening.kind) {
    case Happening::Kind::kInstall:
      machine->installed = true;
      if (machine->host != nullptr) {
        landscape_.Plan(happening.at, Happening::Kind::kPublish, machine, 0);
      } else {
        machine->product = MakeClientProduct(*machine, happening.at);
        if (machine->product.is_gvlk())
          landscape_.PlanAttempt(*machine,
                                 happening.at + kActivationInterval * machine->random.Uniform());
      }
      break;
    case Happening::Kind::kAttempt:
      // Void when another attempt was planned since, or the key is no client key any more.
      if (happening.number == machine->client.attempt_turn && machine->product.is_gvlk())
        AttemptActivation(landscape_, *machine, happening.at, Trigger::kTimer);
      break;
    case Happening::Kind::kPublish:
      landscape_.Publish(*machine, happening.at);
      landscape_.Plan(happening.at + kDay, Happening::Kind::kPublish, machine, 0);
      break;
    case Happening::Kind::kFault: {
      const PlannedFault& fault = faults_[happening.number];
      fault.kind->make(landscape_, fault, happening.at);
      break;
    }
  }
}

Truth World::CurrentTruth() {
  absl::MutexLock lock(&mutex_);
  AdvanceTo(clock_.Now());
  return TruthTeller(landscape_, policy_, now_).Tell();
}

AgentState World::AgentStateOf(absl::string_view machine) {
  absl::MutexLock lock(&mutex_);
  AdvanceTo(clock_.Now());
  const Machine* const found = landscape_.Find(machine);
  if (found == nullptr) return {};
  return {found->agent_silent_since, found->quarantined_plugin};
}

v1::MachineResponse World::Serve(const v1::MachineRequest& request) {
  absl::MutexLock lock(&mutex_);
  AdvanceTo(clock_.Now());
  v1::MachineResponse response;
  Machine* const machine = landscape_.Find(request.machine());
  if (machine == nullptr || !machine->installed || machine->foreign) {
    response.set_status(static_cast<int32_t>(absl::StatusCode::kNotFound));
    response.set_message(absl::StrCat("there is no machine '", request.machine(),
                                      "' in this lab; its names are those of its estate "
                                      "file, as pc-berlin-001"));
    return response;
  }
  if (!request.has_act()) return Answer(landscape_, *machine, request, now_);
  const absl::StatusOr<uint32_t> hresult = Act(landscape_, *machine, request.act(), now_);
  if (hresult.ok()) {
    response.set_hresult(*hresult);
  } else {
    response.set_status(static_cast<int32_t>(hresult.status().code()));
    response.set_message(std::string(hresult.status().message()));
  }
  return response;
}

}  // namespace keymedic::lab
