// SPDX-License-Identifier: Apache-2.0
#include "lab/landscape.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "kms/tables.h"

namespace keymedic::lab {
namespace {

constexpr uint32_t kEventPublishFailed = 12293;
constexpr uint32_t kEventPublished = 12294;

}  // namespace

bool LetsIn(const Machine& machine, uint32_t port) {
  return std::any_of(machine.rules.begin(), machine.rules.end(), [&](const auto& rule) {
    const auto has = [](const auto& list, const auto& value) {
      return std::find(list.begin(), list.end(), value) != list.end();
    };
    return rule.enabled() && rule.inbound_allow() && has(rule.tcp_ports(), port) &&
           (rule.profiles().empty() || has(rule.profiles(), machine.active_profile));
  });
}

bool Serves(const Machine& machine, uint32_t port) {
  return machine.host != nullptr && machine.service_running && machine.product.is_csvlk() &&
         machine.product.status == keymedic::v1::LICENSE_STATUS_LICENSED &&
         machine.host->bound_port == port;
}

Machine& Landscape::Add(std::unique_ptr<Machine> machine) {
  dns.AddAddress(machine->fqdn(), machine->address);
  by_name_[machine->name] = machine.get();
  by_address_[machine->address] = machine.get();
  return *machines_.emplace_back(std::move(machine));
}

Machine& Landscape::AddForeignHost(const std::string& name, const std::string& address,
                                   uint32_t build, absl::Time activated) {
  if (Machine* const known = Find(name); known != nullptr) return *known;
  uint64_t seed = build;
  for (const unsigned char c : absl::StrCat(name, address)) seed = seed * 131 + c;
  auto machine = std::make_unique<Machine>(name, "", seed, 1);
  machine->address = address;
  machine->foreign = machine->installed = machine->is_server = true;
  machine->build = build;
  keymedic::v1::FirewallRule& rule = machine->rules.emplace_back();
  rule.set_enabled(true);
  rule.set_inbound_allow(true);
  rule.add_tcp_ports(kms::kDefaultPort);
  const HostKeyFamily& family = *FindHostKeyFamily("Windows Server 2022");
  machine->product = MakeHostProduct(*machine, family, MakePartialKey(machine->random), activated);
  machine->product.status = keymedic::v1::LICENSE_STATUS_LICENSED;
  machine->host = std::make_unique<KmsHost>(name, 1);
  machine->host->is_emulator = true;
  machine->host->dns_publishing = false;
  machine->host->extended_pid = machine->product.extended_pid;
  dns.AddAddress(name, address);
  by_name_[name] = machine.get();
  by_address_[address] = machine.get();
  return *machines_.emplace_back(std::move(machine));
}

Machine* Landscape::FindHost(absl::string_view host) {
  const auto by_address = by_address_.find(std::string(host));
  if (by_address != by_address_.end()) return by_address->second;
  const std::string name = absl::AsciiStrToLower(host);
  if (Machine* const whole = Find(name); whole != nullptr) return whole;
  Machine* const short_name = Find(name.substr(0, name.find('.')));
  return short_name != nullptr && short_name->fqdn() == name ? short_name : nullptr;
}

bool Landscape::IsBlocked(const Machine& from, const Machine& to) const {
  if (blocked_.empty() || &from == &to) return false;
  return IsCutOff(to) || blocked_.contains({from.site, to.address});
}

Machine* Landscape::Find(absl::string_view name) {
  const auto it = by_name_.find(std::string(name));
  return it == by_name_.end() ? nullptr : it->second;
}

std::string Landscape::Resolve(const Machine& from, absl::string_view host,
                               std::string* full_name) const {
  if (by_address_.contains(std::string(host))) {
    *full_name = std::string(host);
    return std::string(host);
  }
  *full_name = absl::AsciiStrToLower(host);
  if (from.no_name_server) return "";
  if (std::string address = dns.Address(*full_name); !address.empty()) return address;
  if (host.find('.') != absl::string_view::npos) return "";
  for (const std::string& suffix : from.suffixes) {
    *full_name = absl::AsciiStrToLower(absl::StrCat(host, ".", suffix));
    if (std::string address = dns.Address(*full_name); !address.empty()) return address;
  }
  return "";
}

Connection Landscape::Connect(const Machine& from, absl::string_view host, uint32_t port) {
  Connection out;
  out.address = Resolve(from, host, &out.name);
  if (out.address.empty()) return out;
  const auto it = by_address_.find(out.address);
  if (it != by_address_.end() && it->second->installed) out.there = it->second;
  out.lost = out.there == nullptr || (out.there != &from && from.outbound_blocked) ||
             IsBlocked(from, *out.there);
  if (out.lost || (out.there != &from && !LetsIn(*out.there, port))) {
    out.result = Reached::kTimeout;
  } else if (!Serves(*it->second, port)) {
    out.result = Reached::kRefused;
  } else {
    out.result = Reached::kKms;
    out.host = it->second;
  }
  return out;
}

std::vector<Srv> Landscape::DiscoverHosts(const Machine& from) const {
  if (from.no_name_server) return {};
  if (!from.client.lookup_domain.empty())
    return dns.LookupSrv(absl::StrCat("_vlmcs._tcp.", from.client.lookup_domain));
  for (const std::string& suffix : from.suffixes) {
    std::vector<Srv> records = dns.LookupSrv(absl::StrCat("_vlmcs._tcp.", suffix));
    if (!records.empty()) return records;
  }
  return {};
}

void Landscape::Publish(Machine& machine, absl::Time now) {
  KmsHost& host = *machine.host;
  if (!host.dns_publishing || !Serves(machine, host.bound_port)) return;
  std::vector<std::string> domains = {machine.domain};
  domains.insert(domains.end(), host.publish_domains.begin(), host.publish_domains.end());
  for (const std::string& domain : domains) {
    const uint32_t error = dns.Publish(domain, machine.fqdn(), host.bound_port, host.priority);
    host.publications[domain] = error;
    if (error != 0) {
      host.log.Write(kEventPublishFailed, machine.Local(now),
                     {absl::StrFormat("0x%08X", error), domain});
    } else {
      host.log.Write(kEventPublished, machine.Local(now), {domain});
    }
  }
}

void Landscape::Plan(absl::Time at, Happening::Kind kind, Machine* machine, uint64_t number) {
  queue_.push({at, planned_++, kind, machine, number});
}

void Landscape::PlanAttempt(Machine& machine, absl::Time at) {
  Plan(at, Happening::Kind::kAttempt, &machine, ++machine.client.attempt_turn);
}

std::optional<Happening> Landscape::TakeDue(absl::Time now) {
  if (queue_.empty() || queue_.top().at > now) return std::nullopt;
  Happening next = queue_.top();
  queue_.pop();
  return next;
}

}  // namespace keymedic::lab
