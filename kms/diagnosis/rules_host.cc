// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "kms/diagnosis/rules.h"

namespace keymedic::kms {
namespace {

using Found = std::optional<v1::Finding>;

constexpr int kDesktopThreshold = 25;
constexpr int kServerThreshold = 5;  // Windows Server, Office, Project and Visio

const v1::KmsHostSection* HostOf(const Facts& facts) {
  return facts.is_host && facts.machine.host.has_value() ? &*facts.machine.host : nullptr;
}

uint32_t ListeningPort(const v1::KmsHostSection& host) {
  return host.listening_port() == 0 ? kDefaultPort : host.listening_port();
}

bool IsOffice(const Facts& facts) {
  return facts.host_product != nullptr && absl::StrContains(facts.host_product->name(), "Office");
}

// The highest threshold among those that are known to ask; 0 if none is known.
int RequiredCount(const v1::KmsHostSection& host) {
  uint32_t required = 0;
  for (const v1::RequestSummary& request : host.requests())
    required = std::max(required, request.required_count());
  return static_cast<int>(required);
}

Found NotLicensed(const Facts& facts) {
  const v1::Product* product = facts.host_product;
  if (product == nullptr || product->status() == v1::LICENSE_STATUS_UNSPECIFIED ||
      product->status() == v1::LICENSE_STATUS_LICENSED)
    return std::nullopt;
  FindingBuilder builder("HOST_NOT_LICENSED", facts.machine);
  if (product->has_description()) builder.Saw("licensing", "description", product->description());
  if (product->status_reason() != 0)
    builder.Saw(
        "licensing", "status_reason",
        absl::StrCat(Hex(product->status_reason()), " ", ErrorMeaning(product->status_reason())));
  return builder.Build();
}

Found ActivationLimit(const Facts& facts) {
  const bool told =
      facts.host_product != nullptr && facts.host_product->status_reason() == 0xC004C008;
  if (!told && facts.attempt_error != 0xC004C008) return std::nullopt;
  return FindingBuilder("HOST_ACTIVATION_LIMIT", facts.machine)
      .Saw("licensing", "error", absl::StrCat(Hex(0xC004C008), " ", ErrorMeaning(0xC004C008)))
      .Build();
}

Found EditionCannotHost(const Facts& facts) {
  if (facts.host_product == nullptr || !facts.machine.os.has_value()) return std::nullopt;
  if (!absl::StartsWithIgnoreCase(facts.machine.os->edition_id(), "ServerTurbine"))
    return std::nullopt;
  return FindingBuilder("HOST_EDITION_CANNOT_HOST", facts.machine)
      .Saw("os", "edition", facts.machine.os->edition_id())
      .Build();
}

Found KeyMismatch(const Facts& facts) {
  const v1::KmsHostSection* host = HostOf(facts);
  if (host == nullptr) return std::nullopt;
  for (const v1::RequestSummary& request : host->requests()) {
    const bool refused = request.last_error() == 0xC004F015 || request.last_error() == 0xC004F042;
    if (!refused) continue;
    FindingBuilder builder("HOST_KEY_MISMATCH", facts.machine);
    builder.Saw("event 12290", "error",
                absl::StrCat(Hex(request.last_error()), " ", ErrorMeaning(request.last_error())),
                request.has_last_at() ? &request.last_at() : nullptr);
    if (const Sku* sku = FindSku(request.activation_id()))
      builder.Saw("event 12290", "asked for", std::string(sku->product));
    if (facts.host_product != nullptr)
      builder.Saw("licensing", "description", facts.host_product->description());
    return builder.Build();
  }
  return std::nullopt;
}

Found CountZero(const Facts& facts) {
  const v1::KmsHostSection* host = HostOf(facts);
  if (host == nullptr || !host->has_current_count() || host->current_count() > 0)
    return std::nullopt;
  FindingBuilder builder("HOST_COUNT_ZERO", facts.machine);
  builder.Saw("kms_host", "current_count", absl::StrCat(std::max(0, host->current_count())));
  if (host->has_total_requests())
    builder.Saw("kms_host", "total_requests", absl::StrCat(host->total_requests()));
  if (!facts.index.directory_users.empty()) {
    builder.Severity(v1::SEVERITY_INFO)
        .Explain("Clients here are activated by the directory, which needs no count.");
  }
  return builder.Build();
}

Found CountTooLow(const Facts& facts) {
  const v1::KmsHostSection* host = HostOf(facts);
  if (host == nullptr || host->current_count() <= 0) return std::nullopt;
  const int count = host->current_count();
  const int known = RequiredCount(*host);
  const int threshold = IsOffice(facts) ? kServerThreshold : known != 0 ? known : kDesktopThreshold;
  if (count >= threshold) return std::nullopt;
  FindingBuilder builder("HOST_COUNT_TOO_LOW", facts.machine);
  builder.Saw("kms_host", "current_count", absl::StrCat(count, " of ", threshold));
  // Enough for servers, and nobody knows of desktops: worth a word, not a warning.
  if (known == 0 && count >= kServerThreshold) {
    builder.Severity(v1::SEVERITY_NOTICE)
        .Explain("The count is enough for Windows Server and Office; desktop Windows needs 25.");
  }
  return builder.Build();
}

Found CountStuck(const Facts& facts) {
  const v1::KmsHostSection* host = HostOf(facts);
  if (host == nullptr || !host->has_current_count()) return std::nullopt;
  const int required = std::max(RequiredCount(*host), kServerThreshold);
  if (host->current_count() >= required) return std::nullopt;
  for (const v1::RequestSummary& request : host->requests()) {
    if (request.machine_names_size() < 2) continue;
    FindingBuilder builder("HOST_COUNT_STUCK", facts.machine);
    builder.Saw("event 12290", "one machine id", request.client_machine_id(),
                request.has_last_at() ? &request.last_at() : nullptr);
    for (const std::string& name : request.machine_names())
      builder.Saw("event 12290", "used by", name);
    return builder.Saw("kms_host", "current_count", absl::StrCat(host->current_count())).Build();
  }
  return std::nullopt;
}

Found CountSaturated(const Facts& facts) {
  const v1::KmsHostSection* host = HostOf(facts);
  if (host == nullptr) return std::nullopt;
  const bool desktops = RequiredCount(*host) >= kDesktopThreshold;
  if (host->current_count() != 50 && (host->current_count() != 10 || desktops)) return std::nullopt;
  return FindingBuilder("HOST_COUNT_SATURATED", facts.machine)
      .Saw("kms_host", "current_count", absl::StrCat(host->current_count()))
      .NoTreatments()
      .Build();
}

bool CoversPort(const v1::FirewallRule& rule, uint32_t port, const std::string& profile) {
  if (!rule.enabled() || (rule.has_inbound_allow() && !rule.inbound_allow())) return false;
  if (!rule.tcp_ports().empty() && !absl::c_linear_search(rule.tcp_ports(), port)) return false;
  return rule.profiles().empty() || profile.empty() ||
         absl::c_any_of(rule.profiles(),
                        [&](const std::string& p) { return absl::EqualsIgnoreCase(p, profile); });
}

Found FirewallClosed(const Facts& facts) {
  const v1::KmsHostSection* host = HostOf(facts);
  if (host == nullptr || !facts.machine.firewall.has_value()) return std::nullopt;
  const v1::FirewallSection& firewall = *facts.machine.firewall;
  if (!firewall.enabled()) return std::nullopt;  // off, or not known
  const uint32_t port = ListeningPort(*host);
  if (absl::c_any_of(firewall.rules(), [&](const v1::FirewallRule& rule) {
        return CoversPort(rule, port, firewall.active_profile());
      }))
    return std::nullopt;
  FindingBuilder builder("HOST_FIREWALL_CLOSED", facts.machine);
  builder.Saw("firewall", "listening port", absl::StrCat(port));
  if (!firewall.active_profile().empty())
    builder.Saw("firewall", "active profile", firewall.active_profile());
  for (const v1::FirewallRule& rule : firewall.rules()) {
    builder.Saw("firewall", rule.id(),
                rule.enabled() ? "enabled, but not for this port or profile" : "disabled");
  }
  if (firewall.rules().empty()) builder.Saw("firewall", "rules", "none for this port");
  return builder.Build();
}

Found ServiceStopped(const Facts& facts) {
  const v1::KmsHostSection* host = HostOf(facts);
  if (host == nullptr) return std::nullopt;
  const bool stopped = host->has_service_running() && !host->service_running();
  if (!stopped && !host->service_disabled()) return std::nullopt;
  return FindingBuilder("HOST_SERVICE_STOPPED", facts.machine)
      .Saw("services", "sppsvc", host->service_disabled() ? "disabled" : "stopped")
      .Build();
}

Found PortMismatch(const Facts& facts) {
  const v1::KmsHostSection* host = HostOf(facts);
  if (host == nullptr || !host->has_listening_port()) return std::nullopt;
  const uint32_t port = ListeningPort(*host);
  for (const Target* target : facts.index.TargetsOf(facts.machine)) {
    for (const auto& [machine_id, told] : target->listed_by) {
      if (told == port) continue;
      return FindingBuilder("HOST_PORT_MISMATCH", facts.machine)
          .Saw("kms_host", "listening_port", absl::StrCat(port))
          .Saw("dns", "SRV port", absl::StrCat(told))
          .NoTreatments()
          .Treat("ensure_listening_port", {{"port", absl::StrCat(told)}})
          .Build();
    }
  }
  return std::nullopt;
}

Found Unreachable(const Facts& facts) {
  if (HostOf(facts) == nullptr) return std::nullopt;
  std::vector<std::string> failing;
  for (const Target* target : facts.index.TargetsOf(facts.machine)) {
    if (!target->reaching.empty()) return std::nullopt;
    failing.insert(failing.end(), target->failing.begin(), target->failing.end());
  }
  if (failing.empty()) return std::nullopt;
  std::sort(failing.begin(), failing.end());
  FindingBuilder builder("HOST_UNREACHABLE", facts.machine);
  for (size_t i = 0; i < std::min<size_t>(failing.size(), 3); ++i) {
    if (const MachineState* machine = facts.estate.Find(failing[i]))
      builder.Saw("probe", "fails from", machine->name);
  }
  return builder.Saw("probe", "machines that cannot reach it", absl::StrCat(failing.size()))
      .NoTreatments()
      .Build();
}

std::string PublishRemedy(uint32_t error, const std::string& domain) {
  switch (error) {
    case 0x80072338:  // BADSIG: another host owns the record
    case 0x8007232D:  // REFUSED
      return absl::StrCat(
          "give this host's computer account (or a group of the KMS hosts) Full Control on the "
          "record _vlmcs._tcp.",
          domain, ", restart the Software Protection service, and expect event 12294");
    case 0x80072339:
      return absl::StrCat("repair secure dynamic updates for this host in ", domain,
                          ": its clock, its computer account, its Kerberos name");
    case 0x8007232C:
      return absl::StrCat(
          "the name server of ", domain,
          " takes no dynamic updates: make the SRV record by hand and switch publishing off");
    default:
      return absl::StrCat("find out why the name server of ", domain,
                          " refuses this host's update: ", std::string(ErrorMeaning(error)));
  }
}

Found PublishFailed(const Facts& facts) {
  if (!facts.machine.host.has_value()) return std::nullopt;
  for (const v1::DnsPublication& publication : facts.machine.host->publications()) {
    if (publication.error() == 0) continue;
    return FindingBuilder("HOST_DNS_PUBLISH_FAILED", facts.machine)
        .Saw("event 12293", publication.domain(),
             absl::StrCat(Hex(publication.error()), " ", ErrorMeaning(publication.error())),
             publication.has_at() ? &publication.at() : nullptr)
        .NoTreatments()
        .Why(PublishRemedy(publication.error(), publication.domain()))
        .Build();
  }
  return std::nullopt;
}

bool IsListed(const Facts& facts) {
  return absl::c_any_of(facts.index.TargetsOf(facts.machine),
                        [](const Target* target) { return !target->listed_by.empty(); });
}

Found PublishingOff(const Facts& facts) {
  const v1::KmsHostSection* host = HostOf(facts);
  if (host == nullptr || !host->has_dns_publishing() || host->dns_publishing() || IsListed(facts))
    return std::nullopt;
  return FindingBuilder("HOST_DNS_PUBLISHING_OFF", facts.machine)
      .Saw("kms_host", "dns_publishing", "disabled")
      .Build();
}

Found SrvMissing(const Facts& facts) {
  const v1::KmsHostSection* host = HostOf(facts);
  if (host == nullptr || !facts.machine.names.has_value() || !facts.machine.os.has_value() ||
      IsListed(facts))
    return std::nullopt;
  const std::string& domain = facts.machine.os->dns_domain();
  for (const v1::SrvAnswer& answer : facts.machine.names->answers()) {
    if (domain.empty() || !absl::EndsWithIgnoreCase(answer.name(), absl::StrCat(".", domain)))
      continue;
    return FindingBuilder("HOST_SRV_MISSING", facts.machine)
        .Saw("dns", answer.name(),
             answer.records().empty()
                 ? "no SRV record"
                 : absl::StrCat(answer.records_size(), " records, none names this host"))
        .Build();
  }
  return std::nullopt;
}

Found EventLogFull(const Facts& facts) {
  const v1::KmsHostSection* host = HostOf(facts);
  if (host == nullptr) return std::nullopt;
  const bool shallow =
      host->has_log_hours_held() && host->log_hours_held() < 24 && host->total_requests() > 0;
  if (!host->log_full() && !shallow) return std::nullopt;
  return FindingBuilder("HOST_EVENT_LOG_FULL", facts.machine)
      .Saw("Key Management Service log", "hours held", absl::StrCat(host->log_hours_held()))
      .Build();
}

Found RequestsFailing(const Facts& facts) {
  const v1::KmsHostSection* host = HostOf(facts);
  if (host == nullptr || host->failed_requests() == 0) return std::nullopt;
  FindingBuilder builder("HOST_REQUESTS_FAILING", facts.machine);
  builder.Saw("kms_host", "failed_requests",
              absl::StrCat(host->failed_requests(), " of ", host->total_requests()));
  if (host->failed_requests() * 20 < host->total_requests()) builder.Severity(v1::SEVERITY_NOTICE);
  for (const v1::RequestSummary& request : host->requests()) {
    if (request.last_error() == 0) continue;
    builder.Saw("event 12290", "error",
                absl::StrCat(Hex(request.last_error()), " ", ErrorMeaning(request.last_error())),
                request.has_last_at() ? &request.last_at() : nullptr);
    break;
  }
  return builder.NoTreatments().Build();
}

constexpr Rule kRules[] = {
    {Stage::kFact, &ServiceStopped},  {Stage::kFact, &FirewallClosed},
    {Stage::kFact, &PortMismatch},    {Stage::kFact, &EditionCannotHost},
    {Stage::kFact, &ActivationLimit}, {Stage::kFact, &NotLicensed},
    {Stage::kFact, &KeyMismatch},     {Stage::kFact, &PublishFailed},
    {Stage::kFact, &PublishingOff},   {Stage::kFact, &SrvMissing},
    {Stage::kFact, &Unreachable},     {Stage::kFact, &CountZero},
    {Stage::kFact, &CountTooLow},     {Stage::kFact, &CountStuck},
    {Stage::kFact, &CountSaturated},  {Stage::kFact, &EventLogFull},
    {Stage::kFact, &RequestsFailing},
};

}  // namespace

std::span<const Rule> HostRules() { return kRules; }

}  // namespace keymedic::kms
