// SPDX-License-Identifier: Apache-2.0
#include "plugins/kms_client/collect.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "kms/tables.h"
#include "plugins/roles/state.h"

namespace keymedic {
namespace {

constexpr int64_t kValiditySeconds = int64_t{180} * 24 * 3600;  // of one KMS activation
constexpr uint32_t kNoNameServer = 0x8007267C;
constexpr size_t kMostNames = 8;
constexpr int kMostProbes = 4;
constexpr int kSkewStep = 5;

v1::LicensingSection ReadLicensing(systems::LicensingSystem& system,
                                   const v1::LicensingSection& told) {
  auto live = system.Licensing();
  v1::LicensingSection section;
  if (!live.ok()) {
    section.set_unavailable(std::string(live.status().message()));
    return section;
  }
  section = told;
  section.MergeFrom(*live);
  for (v1::Product& product : *section.mutable_products()) {
    if (product.has_expires_at()) roles::RoundToMinute(*product.mutable_expires_at());
    if (product.has_evaluation_ends_at()) {
      roles::RoundToMinute(*product.mutable_evaluation_ends_at());
    }
  }
  return section;
}

v1::KmsClientSection FinishClient(const v1::KmsClientSection& live,
                                  const v1::KmsClientSection& told, const v1::Product* product) {
  v1::KmsClientSection section = told;
  section.MergeFrom(live);
  const bool by_kms = product != nullptr && roles::IsKmsClient(*product) &&
                      product->status() == v1::LICENSE_STATUS_LICENSED && product->has_expires_at();
  if (by_kms) {
    section.mutable_last_activation_at()->set_seconds(product->expires_at().seconds() -
                                                      kValiditySeconds);
  }
  if (section.has_last_activation_at()) roles::RoundToMinute(*section.mutable_last_activation_at());
  return section;
}

// Where this client looks for a host, in its order: its own suffix, the search list, and the domain
// it may be pinned to.
std::vector<std::string> DomainsToAsk(const v1::OsSection* os, const v1::NamesSection& names,
                                      const v1::KmsClientSection* client) {
  std::vector<std::string> domains;
  const auto add = [&](const std::string& domain) {
    const bool known = std::any_of(domains.begin(), domains.end(), [&](const std::string& d) {
      return absl::EqualsIgnoreCase(d, domain);
    });
    if (!domain.empty() && !known && domains.size() < kMostNames) domains.push_back(domain);
  };
  if (client != nullptr) add(client->lookup_domain());
  if (os != nullptr) add(os->dns_domain());
  for (const std::string& suffix : names.suffixes()) add(suffix);
  return domains;
}

v1::NamesSection LookUp(systems::Names& system, std::vector<std::string> suffixes,
                        const v1::OsSection* os, const v1::KmsClientSection* client) {
  v1::NamesSection names;
  names.mutable_suffixes()->Assign(suffixes.begin(), suffixes.end());
  for (const std::string& domain : DomainsToAsk(os, names, client)) {
    v1::SrvAnswer& answer = *names.add_answers();
    answer = system.LookupSrv(absl::StrCat("_vlmcs._tcp.", domain));
    // Name servers turn the order of their answers round.
    std::sort(answer.mutable_records()->begin(), answer.mutable_records()->end(),
              [](const v1::SrvRecord& a, const v1::SrvRecord& b) {
                return std::make_tuple(a.priority(), b.weight(), a.target(), a.port()) <
                       std::make_tuple(b.priority(), a.weight(), b.target(), b.port());
              });
    for (v1::SrvRecord& record : *answer.mutable_records()) {
      std::sort(record.mutable_addresses()->begin(), record.mutable_addresses()->end());
    }
  }
  if (!names.answers().empty()) {
    names.set_no_name_server(
        std::all_of(names.answers().begin(), names.answers().end(),
                    [](const v1::SrvAnswer& answer) { return answer.error() == kNoNameServer; }));
  }
  return names;
}

v1::ProbesSection ProbeHosts(systems::EndpointProbe& system, const v1::KmsClientSection& client,
                             const v1::NamesSection* names) {
  v1::ProbesSection probes;
  std::vector<std::string> asked;
  const auto probe = [&](const std::string& host, uint32_t port) {
    const std::string endpoint = roles::Endpoint(host, port);
    if (host.empty() || probes.probes_size() == kMostProbes ||
        std::find(asked.begin(), asked.end(), endpoint) != asked.end()) {
      return;
    }
    asked.push_back(endpoint);
    *probes.add_probes() = system.Bind(host, port == 0 ? kms::kDefaultPort : port);
  };
  if (!client.registered_host().empty()) {
    probe(client.registered_host(), client.registered_port());
    return probes;
  }
  if (names != nullptr && names->no_name_server()) return probes;  // no name has an address
  // The licensing service asks the host that it remembers first, whatever DNS says.
  if (client.host_caching()) probe(client.discovered_host(), client.discovered_port());
  if (names == nullptr) return probes;
  for (const v1::SrvAnswer& answer : names->answers()) {
    for (const v1::SrvRecord& record : answer.records()) probe(record.target(), record.port());
  }
  return probes;
}

}  // namespace

void CollectClientSections(systems::Systems& systems, const v1::KmsClientSection& told_client,
                           const v1::LicensingSection& told_licensing,
                           v1::CollectResponse& response) {
  const auto send = [&](std::string name, const google::protobuf::Message& payload) {
    *response.add_sections() = roles::MakeSection(std::move(name), payload);
  };
  auto os = systems.machine->Os();
  if (os.ok()) {
    if (os->has_clock_skew_minutes()) {
      os->set_clock_skew_minutes(os->clock_skew_minutes() / kSkewStep * kSkewStep);
    }
    send("os", *os);
  }
  const v1::LicensingSection licensing = ReadLicensing(*systems.licensing, told_licensing);
  send("licensing", licensing);
  const v1::Product* product = roles::PrimaryProduct(licensing);

  auto client = systems.licensing->Client();
  if (client.ok()) {
    *client = FinishClient(*client, told_client, product);
    send("kms_client", *client);
  }
  v1::NamesSection names;
  auto suffixes = systems.names->SearchSuffixes();
  if (suffixes.ok()) {
    names = LookUp(*systems.names, *std::move(suffixes), os.ok() ? &*os : nullptr,
                   client.ok() ? &*client : nullptr);
    send("names", names);
  }
  const bool looks_for_host =
      client.ok() &&
      std::any_of(licensing.products().begin(), licensing.products().end(), roles::IsKmsClient);
  if (!looks_for_host) return;
  const v1::ProbesSection probes =
      ProbeHosts(*systems.probe, *client, names.answers().empty() ? nullptr : &names);
  if (!probes.probes().empty()) send("probes", probes);
}

}  // namespace keymedic
