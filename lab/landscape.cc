// SPDX-License-Identifier: Apache-2.0
#include "lab/landscape.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace keymedic::lab {
namespace {

constexpr uint32_t kEventPublishFailed = 12293;
constexpr uint32_t kEventPublished = 12294;

bool LetsIn(const Machine& machine, uint32_t port) {
  return std::any_of(machine.rules.begin(), machine.rules.end(), [&](const auto& rule) {
    const auto has = [](const auto& list, const auto& value) {
      return std::find(list.begin(), list.end(), value) != list.end();
    };
    return rule.enabled() && rule.inbound_allow() && has(rule.tcp_ports(), port) &&
           (rule.profiles().empty() || has(rule.profiles(), "domain"));
  });
}

bool Serves(const Machine& machine, uint32_t port) {
  return machine.host != nullptr && machine.service_running && machine.product.is_csvlk() &&
         machine.product.status == keymedic::v1::LICENSE_STATUS_LICENSED &&
         machine.host->bound_port == port;
}

}  // namespace

Machine& Landscape::Add(std::unique_ptr<Machine> machine) {
  dns.AddAddress(machine->fqdn(), machine->address);
  by_name_[machine->name] = machine.get();
  by_address_[machine->address] = machine.get();
  return *machines_.emplace_back(std::move(machine));
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
  if (it == by_address_.end() || !it->second->installed ||
      (it->second != &from && !LetsIn(*it->second, port))) {
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
    const uint32_t error = dns.Publish(domain, machine.fqdn(), host.bound_port);
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
