// SPDX-License-Identifier: Apache-2.0
#include "lab/truth.h"

#include <algorithm>

#include "lab/truth_teller.h"

namespace keymedic::lab {

const Condition* Truth::Find(absl::string_view code, absl::string_view subject) const {
  for (const Condition& condition : conditions) {
    if (condition.what.code == code && condition.what.subject == subject) return &condition;
  }
  return nullptr;
}

const Root* Truth::FindRoot(absl::string_view machine) const {
  for (const Root& root : roots) {
    if (root.machine == machine) return &root;
  }
  return nullptr;
}

void TruthTeller::Say(absl::string_view code, absl::string_view subject, bool required,
                      const Causes& causes) {
  Said& said = said_[{std::string(code), std::string(subject)}];
  said.required = said.required || required;
  said.causes.insert(causes.begin(), causes.end());
}

void TruthTeller::LookAround() {
  for (const auto& machine : landscape_.machines()) {
    if (!machine->installed || machine->foreign) continue;
    RefreshProduct(machine->product, now_);
    (machine->host == nullptr ? clients_ : hosts_).push_back(machine.get());
    if (machine->host == nullptr) by_id_[machine->client.machine_id].push_back(machine.get());
    if (machine->no_name_server || !IsSeen(*machine)) continue;
    asked_zones_.insert(machine->suffixes.begin(), machine->suffixes.end());
    asked_zones_.insert(machine->client.lookup_domain);
  }
  for (Machine* const host : hosts_) {
    HostTruth truth = LookAt(*host);
    LookAtCount(*host, truth);
    host_truths_[host] = truth;
  }
  LookAtPools();
  for (Machine* const client : clients_) {
    if (!client->product.is_gvlk()) continue;
    for (const KnownHost& known : KnownHosts(landscape_, *client)) {
      const Machine* const host = landscape_.FindHost(known.name);
      if (host == nullptr || !host_truths_.contains(host)) continue;
      const Connection connection = landscape_.Connect(*client, known.name, known.port);
      auto& [reaching, failing] = reached_[host];
      ++(connection.result == Reached::kKms ? reaching : failing);
      const std::vector<Srv> records = landscape_.DiscoverHosts(*client);
      const bool named = !client->client.registered_host.empty() || client->client.host_caching ||
                         std::any_of(records.begin(), records.end(), [&](const Srv& record) {
                           return record.target == known.name;
                         });
      if (named && IsSeen(*client)) tried_.insert(host);
    }
  }
}

Truth TruthTeller::Tell() {
  constexpr int kDefaultSilentMinutes = 60;
  constexpr int kDefaultAheadDays = 30;
  LookAround();
  for (const Machine* const host : hosts_) TellHost(*host, host_truths_[host]);
  TellRecords();
  const uint32_t ahead =
      policy_.expiry_ahead_days() == 0 ? kDefaultAheadDays : policy_.expiry_ahead_days();
  for (Machine* const client : clients_) {
    TellClient(*client);
    if (client->product.status == keymedic::v1::LICENSE_STATUS_LICENSED &&
        client->product.ends <= now_ + absl::Hours(24) * ahead)
      Say("ESTATE_EXPIRY_AHEAD", "estate", IsSeen(*client));
  }
  for (const auto& [id, machines] : by_id_) {
    const auto seen = std::count_if(machines.begin(), machines.end(),
                                    [](const Machine* machine) { return IsSeen(*machine); });
    Causes clones;
    for (const Machine* const machine : machines)
      clones.insert({"CLIENT_DUPLICATE_CMID", machine->name});
    for (const Machine* const machine : machines) {
      if (machines.size() < 2) continue;
      Say("CLIENT_DUPLICATE_CMID", machine->name, seen > 1);
      // One of them may keep the id: the first by its name.
      const bool keeps = std::all_of(machines.begin(), machines.end(), [&](const Machine* other) {
        return machine->name <= other->name;
      });
      if (machine->rearms_left == 0)
        Say("CLIENT_NO_REARM_LEFT", machine->name, seen > 1 && !keeps, clones);
    }
  }
  const uint32_t silent =
      policy_.agent_silent_minutes() == 0 ? kDefaultSilentMinutes : policy_.agent_silent_minutes();
  for (const Machine* const client : clients_) {
    const bool is_silent = client->agent_silent_since.has_value() &&
                           now_ - *client->agent_silent_since > absl::Minutes(silent);
    if (!is_silent && IsSeen(*client)) continue;
    // What is not seen of it need not be said.
    for (auto& [what, said] : said_) {
      if (what.subject == client->name) said.required = false;
    }
    roots_.erase(client->name);
    if (is_silent) Say("AGENT_SILENT", client->name, true);
    if (!IsSeen(*client)) Say("AGENT_PLUGIN_QUARANTINED", client->name, true);
  }
  Truth out;
  for (const auto& [what, said] : said_)
    out.conditions.push_back({what, said.required, {said.causes.begin(), said.causes.end()}});
  for (const auto& [machine, causes] : roots_)
    out.roots.push_back({machine, {causes.begin(), causes.end()}});
  return out;
}

}  // namespace keymedic::lab
