// SPDX-License-Identifier: Apache-2.0
//
// What is true of KMS hosts, pools and records.
#include <algorithm>
#include <iterator>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "kms/tables.h"
#include "lab/truth_teller.h"

namespace keymedic::lab {
namespace {

constexpr absl::Duration kDay = absl::Hours(24);
constexpr absl::Duration kReportLag = absl::Minutes(65);

// Microsoft's list of the Windows on which each group of host keys may be installed.
struct Installable {
  absl::string_view family;
  uint32_t build;
};
constexpr Installable kInstallable[] = {
    {"Windows Server 2025", 26100},   {"Windows Server 2025", 20348},
    {"Windows Server 2025", 17763},   {"Windows Server 2022", 20348},
    {"Windows Server 2022", 17763},   {"Windows Server 2022", 14393},
    {"Windows Server 2019", 17763},   {"Windows Server 2019", 14393},
    {"Windows Server 2019", 9600},    {"Windows Server 2016", 14393},
    {"Windows Server 2016", 9600},    {"Windows Server 2016", 9200},
    {"Windows Server 2012 R2", 9600}, {"Windows Server 2012 R2 With Win 10", 9600},
    {"Windows Server 2012", 9200},
};

bool IsInstallable(absl::string_view family, uint32_t build) {
  return std::any_of(std::begin(kInstallable), std::end(kInstallable), [&](const Installable& row) {
    return row.family == family && row.build == build;
  });
}

std::string ZoneName(absl::string_view domain) { return absl::StrCat("_vlmcs._tcp.", domain); }

}  // namespace

bool TruthTeller::IsApproved(const Machine& host) const {
  if (host.foreign) return false;
  return policy_.kms_hosts().empty() ||
         std::any_of(policy_.kms_hosts().begin(), policy_.kms_hosts().end(),
                     [&](const std::string& known) {
                       return absl::EqualsIgnoreCase(known, host.fqdn()) ||
                              absl::EqualsIgnoreCase(known, host.name);
                     });
}

bool TruthTeller::IsNamed(const Machine& host) const {
  for (const auto& [domain, records] : landscape_.dns.Records()) {
    for (const Srv& record : records) {
      if (asked_zones_.contains(domain) && landscape_.FindHost(record.target) == &host) return true;
    }
  }
  return false;
}

HostTruth TruthTeller::LookAt(const Machine& machine) const {
  const KmsHost& host = *machine.host;
  const ProductState& product = machine.product;
  HostTruth out;
  out.stopped = !machine.service_running || machine.service_disabled;
  out.closed = !LetsIn(machine, host.listening_port);
  for (const auto& [domain, records] : landscape_.dns.Records()) {
    for (const Srv& record : records) {
      if (landscape_.FindHost(record.target) == &machine && record.port != host.listening_port)
        out.wrong_port = true;
    }
  }
  for (const Machine* const client : clients_) {
    if (!IsSeen(*client) || client->client.registered_host.empty()) continue;
    const uint32_t told = client->client.registered_port;
    if (landscape_.FindHost(client->client.registered_host) == &machine &&
        (told == 0 ? kms::kDefaultPort : told) != host.listening_port)
      ++out.pinned_wrong;
  }
  out.unlicensed = product.status != keymedic::v1::LICENSE_STATUS_LICENSED;
  out.used_up = out.unlicensed && product.refusal == kHrKeyUsedUp;
  out.cannot_host = !machine.is_server || absl::StartsWith(machine.edition_id, "ServerTurbine");
  out.unsupported = !IsInstallable(host.csvlk_family, machine.build);
  out.outdated = !KnowsFamily(machine.build, machine.revision, host.csvlk_family);
  out.adrift =
      landscape_.dns.Address(machine.fqdn()) != machine.address || landscape_.IsCutOff(machine);
  for (const auto& [domain, error] : host.publications) {
    if (error != 0) out.publish_failed = true;
  }
  const bool named = IsNamed(machine);
  out.publishing_off = !host.dns_publishing && !named;
  out.record_lost =
      host.dns_publishing && !named && !out.publish_failed && !out.stopped && !out.unlicensed;
  return out;
}

// The requests of 30 days that the host took, as far as it remembers.
void TruthTeller::LookAtCount(Machine& machine, HostTruth& truth) const {
  KmsHost& host = *machine.host;
  const absl::Time local = machine.Local(now_);
  truth.count = host.Count(local);
  std::map<std::string, int> names_of, asking;  // by id
  size_t machines = 0;
  for (const auto& [name, asked] : host.asked()) {
    if (asked.at + kCountMemory <= local) continue;
    if (++asking[asked.client_machine_id] > 1) truth.clones_ask = true;
    if (asked.logged == 0) {
      truth.threshold = std::max(truth.threshold, asked.required_count);
      if (++names_of[asked.client_machine_id] > 1) truth.clones = true;
      ++machines;
    } else if (asked.logged == kHrKeyGroupOnHost) {
      if (!kms::HostKeyCovers(host.csvlk_family, asked.family)) {
        truth.rejects = true;
        truth.logs_rejection = truth.logs_rejection || asked.at >= host.log.oldest();
      }
      if (!KnowsFamily(host.build, host.revision, asked.family)) truth.outdated = true;
    }
  }
  truth.low = truth.count > 0 && truth.count < truth.threshold;
  truth.stuck = truth.low && truth.clones && machines >= truth.threshold;
}

void TruthTeller::LookAtPools() {
  for (const auto& [domain, records] : landscape_.dns.Records()) {
    std::set<const Machine*> hosts;
    uint32_t sum = 0, threshold = 0;
    bool all_low = true, told = true;
    for (const Srv& record : records) {
      const Machine* const host = landscape_.FindHost(record.target);
      const auto truth = host_truths_.find(host);
      if (truth == host_truths_.end() || truth->second.count == 0 || !hosts.insert(host).second)
        continue;
      told = told && !host->host->misread_count.has_value();
      sum += truth->second.count;
      threshold = std::max(threshold, truth->second.threshold);
    }
    for (const Machine* const host : hosts)
      all_low = all_low && host_truths_[host].count < threshold;
    if (!told || hosts.size() < 2 || !all_low || sum < threshold) continue;
    for (const Machine* const host : hosts) host_truths_[host].split = true;
    Say("HOST_COUNT_SPLIT", ZoneName(domain), asked_zones_.contains(domain));
  }
}

void TruthTeller::TellHost(const Machine& machine, const HostTruth& truth) {
  const KmsHost& host = *machine.host;
  const std::string& name = machine.name;
  if (truth.cannot_host) Say("HOST_EDITION_CANNOT_HOST", name, true);
  if (truth.unsupported) Say("HOST_EDITION_CANNOT_HOST", name, false);
  if (truth.used_up) Say("HOST_ACTIVATION_LIMIT", name, true);
  if (truth.unlicensed) Say("HOST_NOT_LICENSED", name, !truth.used_up && !truth.cannot_host);
  if (truth.outdated) Say("HOST_SERVICE_OUTDATED", name, true);
  if (truth.rejects) Say("HOST_KEY_MISMATCH", name, truth.logs_rejection);
  // Those that it rejects as it is outdated would call it so, too.
  if (truth.outdated) Say("HOST_KEY_MISMATCH", name, false);
  if (host.counters().failed > 0) Say("HOST_REQUESTS_FAILING", name, truth.rejects);
  const bool reaches_no_day = host.counters().total > 0 && host.log.oldest() > now_ - kDay;
  if (host.log.full() || reaches_no_day)
    Say("HOST_EVENT_LOG_FULL", name, host.log.full() || host.log.overwritten());
  if (truth.publish_failed) Say("HOST_DNS_PUBLISH_FAILED", name, true);
  if (truth.publishing_off) Say("HOST_DNS_PUBLISHING_OFF", name, true);
  if (!IsNamed(machine)) Say("HOST_SRV_MISSING", name, truth.record_lost);
  TellHostPath(machine, truth);
  TellHostCount(machine, truth);
}

void TruthTeller::TellHostPath(const Machine& machine, const HostTruth& truth) {
  const std::string& name = machine.name;
  if (truth.stopped) Say("HOST_SERVICE_STOPPED", name, true);
  // With its old port it would be open.
  if (truth.closed) Say("HOST_FIREWALL_CLOSED", name, !truth.wrong_port);
  if (truth.wrong_port || truth.pinned_wrong > 0) Say("HOST_PORT_MISMATCH", name, true);
  const auto [reaching, failing] = reached_[&machine];
  const bool explained = truth.stopped || truth.closed || truth.wrong_port || truth.unlicensed;
  if (failing > 0) {
    Say("HOST_UNREACHABLE", name,
        truth.adrift && reaching == 0 && !explained && tried_.contains(&machine));
  }
  const Log& log = machine.host->log;
  for (const Machine* const client : clients_) {
    if (client->client.unanswered_host.empty() ||
        landscape_.FindHost(client->client.unanswered_host) != &machine)
      continue;
    const absl::Duration age = now_ - client->client.unanswered_at;
    const bool logged = !log.empty() && !log.full() && log.oldest() < now_ - 2 * kDay;
    Say("HOST_REQUEST_NOT_SEEN", name,
        truth.adrift && !explained && logged && IsSeen(*client) && client->client.last_error != 0 &&
            age > kReportLag && age < kDay);
  }
}

void TruthTeller::TellHostCount(const Machine& machine, const HostTruth& truth) {
  const std::string& name = machine.name;
  const uint32_t ceiling = 2 * machine.host->highest_policy();
  const bool explained = truth.IsShut() || truth.IsHidden() || truth.rejects || truth.outdated;
  // Nobody can know a count that is told wrongly, so nobody has to judge it.
  const bool told = !machine.host->misread_count.has_value();
  if (!told) Say("EVIDENCE_CONTRADICTORY", name, true);
  if (truth.count == 0) Say("HOST_COUNT_ZERO", name, told && !explained);
  if (truth.low)
    Say("HOST_COUNT_TOO_LOW", name, told && !explained && !truth.stuck && !truth.split);
  if (truth.clones_ask) Say("CLIENT_DUPLICATE_CMID", name, false);
  if (truth.low && truth.clones) Say("HOST_COUNT_STUCK", name, told && truth.stuck);
  if (truth.count != 0 && truth.count == ceiling) Say("HOST_COUNT_SATURATED", name, told);
  if (truth.count == 50 || truth.count == 10) Say("HOST_COUNT_SATURATED", name, false);
  // Those that it rejects ask, too.
  for (const auto& [asker, asked] : machine.host->asked()) {
    if (truth.count != 0 && truth.count < asked.required_count)
      Say("HOST_COUNT_TOO_LOW", name, false);
  }
  // Where no log tells who asks, it is no mistake to say that desktops could not.
  if (truth.count != 0 && truth.count < 25 &&
      (machine.host->log.empty() || machine.host->log.overwritten()))
    Say("HOST_COUNT_TOO_LOW", name, false);
}

void TruthTeller::TellRecords() {
  for (const auto& [domain, records] : landscape_.dns.Records()) {
    const bool asked = asked_zones_.contains(domain);
    for (const Srv& record : records) {
      if (!kms::CloudOfHost(record.target).empty()) continue;
      const Machine* const host = landscape_.FindHost(record.target);
      const std::string subject =
          absl::StrCat(ZoneName(domain), " -> ", absl::AsciiStrToLower(record.target));
      const bool serves = host != nullptr && host->host != nullptr;
      if (!serves) Say("DNS_SRV_STALE", subject, asked);
      if (serves && !host->foreign && host_truths_[host].IsShut())
        Say("DNS_SRV_STALE", subject, false);
      if (!serves || !IsApproved(*host))
        Say("DNS_SRV_UNSANCTIONED", subject, serves && asked && !policy_.kms_hosts().empty());
    }
  }
}

}  // namespace keymedic::lab
