// SPDX-License-Identifier: Apache-2.0
#include "lab/dns.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/strip.h"

namespace keymedic::lab {
namespace {

std::string Canonical(absl::string_view name) {
  return absl::AsciiStrToLower(absl::StripSuffix(name, "."));
}

}  // namespace

void Dns::AddZone(absl::string_view domain) { zones_.try_emplace(Canonical(domain)); }

bool Dns::HasZone(absl::string_view domain) const { return zones_.contains(Canonical(domain)); }

void Dns::AddAddress(absl::string_view fqdn, absl::string_view address) {
  addresses_[Canonical(fqdn)] = std::string(address);
}

std::string Dns::Address(absl::string_view fqdn) const {
  const auto it = addresses_.find(Canonical(fqdn));
  return it == addresses_.end() ? "" : it->second;
}

std::vector<Srv> Dns::LookupSrv(absl::string_view name) const {
  const std::string canonical = Canonical(name);
  absl::string_view domain = canonical;
  if (!absl::ConsumePrefix(&domain, "_vlmcs._tcp.")) return {};
  const auto it = zones_.find(domain);
  return it == zones_.end() ? std::vector<Srv>() : it->second.records;
}

std::vector<std::pair<std::string, std::vector<Srv>>> Dns::Records() const {
  std::vector<std::pair<std::string, std::vector<Srv>>> out;
  for (const auto& [domain, zone] : zones_) {
    if (!zone.records.empty()) out.emplace_back(domain, zone.records);
  }
  return out;
}

uint32_t Dns::Publish(absl::string_view domain, const std::string& host, uint32_t port,
                      uint32_t priority) {
  const auto it = zones_.find(Canonical(domain));
  if (it == zones_.end()) return kDnsNameDoesNotExist;
  if (const auto refused = refused_.find(host); refused != refused_.end()) return refused->second;
  if (lost_.contains(host)) return 0;
  std::vector<Srv>& records = it->second.records;
  const auto own = std::find_if(records.begin(), records.end(),
                                [&](const Srv& record) { return record.target == host; });
  if (own == records.end()) {
    records.push_back({host, port, priority, 0});
  } else {
    own->port = port;
    own->priority = priority;
  }
  return 0;
}

void Dns::RefuseUpdates(const std::string& host, uint32_t error) {
  if (error == 0) {
    refused_.erase(host);
  } else {
    refused_[host] = error;
  }
}

void Dns::AddSrv(absl::string_view domain, const Srv& record) {
  zones_[Canonical(domain)].records.push_back(record);
}

void Dns::RemoveSrv(absl::string_view target) {
  for (auto& [domain, zone] : zones_) {
    std::erase_if(zone.records, [&](const Srv& record) { return record.target == target; });
  }
}

}  // namespace keymedic::lab
