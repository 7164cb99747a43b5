// SPDX-License-Identifier: Apache-2.0
//
// Hosts: the way to this host - its service, its firewall, its port, its DNS record.
#include <algorithm>

#include "absl/algorithm/container.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "kms/diagnosis/evidence.h"

namespace keymedic::kms {
namespace {

constexpr size_t kNamesShown = 3;

Found ServiceStopped(const Facts& facts) {
  const v1::KmsHostSection* host = facts.host;
  if (host == nullptr) return std::nullopt;
  const bool stopped = host->has_service_running() && !host->service_running();
  if (!stopped && !host->service_disabled()) return std::nullopt;
  return FindingBuilder("HOST_SERVICE_STOPPED", facts.machine)
      .Saw("services", "sppsvc", host->service_disabled() ? "disabled" : "stopped")
      .Build();
}

// What a rule does for clients on that port, as far as this machine looks at the rule at all.
enum class Effect { kNone, kUnknown, kLetsIn, kBlocks };

Effect EffectOf(const v1::FirewallRule& rule, const v1::FirewallSection& firewall, uint32_t port) {
  if (firewall.local_rules_ignored() && !rule.of_policy()) return Effect::kNone;
  if (!rule.tcp_ports().empty() && !absl::c_linear_search(rule.tcp_ports(), port)) {
    return Effect::kNone;
  }
  const std::string& profile = firewall.active_profile();
  const bool other_profile = !rule.profiles().empty() && !profile.empty() &&
                             absl::c_none_of(rule.profiles(), [&](const std::string& p) {
                               return absl::EqualsIgnoreCase(p, profile);
                             });
  if (other_profile) return Effect::kNone;
  const bool allows = rule.inbound_allow() || !rule.has_inbound_allow();
  if (!rule.has_enabled()) return allows ? Effect::kUnknown : Effect::kNone;
  if (!rule.enabled()) return Effect::kNone;
  return allows ? Effect::kLetsIn : Effect::kBlocks;
}

std::string Describe(const v1::FirewallRule& rule, const v1::FirewallSection& firewall,
                     uint32_t port) {
  if (!rule.enabled()) return "disabled";
  if (EffectOf(rule, firewall, port) == Effect::kBlocks) return "blocks this port";
  if (firewall.local_rules_ignored() && !rule.of_policy()) {
    return "enabled, but group policy ignores the machine's own rules";
  }
  return "enabled, but not for this port or profile";
}

Found FirewallClosed(const Facts& facts) {
  const v1::KmsHostSection* host = facts.host;
  if (host == nullptr || !host->has_listening_port() || !facts.machine.firewall.has_value())
    return std::nullopt;
  const v1::FirewallSection& firewall = *facts.machine.firewall;
  if (!firewall.enabled()) return std::nullopt;  // off, or not known
  const uint32_t port = host->listening_port() == 0 ? kDefaultPort : host->listening_port();
  const auto any = [&](auto... effects) {
    return absl::c_any_of(firewall.rules(), [&](const v1::FirewallRule& rule) {
      const Effect effect = EffectOf(rule, firewall, port);
      return ((effect == effects) || ...);
    });
  };
  // A block goes before every exception.
  if (!any(Effect::kBlocks) && any(Effect::kLetsIn, Effect::kUnknown)) return std::nullopt;
  FindingBuilder builder("HOST_FIREWALL_CLOSED", facts.machine);
  builder.Saw("firewall", "listening port", absl::StrCat(port));
  if (!firewall.active_profile().empty())
    builder.Saw("firewall", "active profile", firewall.active_profile());
  for (const v1::FirewallRule& rule : firewall.rules()) {
    builder.Saw("firewall", rule.id(), Describe(rule, firewall, port));
  }
  if (firewall.rules().empty()) builder.Saw("firewall", "rules", "none for this port");
  return builder.Build();
}

FindingBuilder PortsDiffer(const Facts& facts, uint32_t port, absl::string_view source,
                           absl::string_view field, uint32_t told) {
  FindingBuilder builder("HOST_PORT_MISMATCH", facts.machine);
  builder.NoTreatments()
      .Saw("kms_host", "listening_port", absl::StrCat(port))
      .Saw(source, field, absl::StrCat(told));
  return builder;
}

Found PortMismatch(const Facts& facts) {
  const v1::KmsHostSection* host = facts.host;
  if (host == nullptr || !host->has_listening_port()) return std::nullopt;
  const uint32_t port = host->listening_port() == 0 ? kDefaultPort : host->listening_port();
  const std::vector<const Target*> targets = facts.index.TargetsOf(facts.machine);
  for (const Target* target : targets) {
    for (const auto& [told, answers] : target->srv_ports) {
      if (told == port) continue;
      // DNS is what most clients go by. The exception may be for the port that is left.
      return PortsDiffer(facts, port, "dns", "SRV port", told)
          .Treat("ensure_listening_port", {{"port", absl::StrCat(told)}})
          .Treat("ensure_firewall_exception", {{"port", absl::StrCat(told)}})
          .Build();
    }
  }
  for (const Target* target : targets) {
    for (const auto& [told, pinned] : target->pinned) {
      if (told == port) continue;
      // The few that are pinned are told the port that all others use.
      FindingBuilder builder = PortsDiffer(facts, port, "kms_client", "registered_port", told);
      builder.Saw("kms_client", "machines that are pinned to it", absl::StrCat(pinned.size()));
      for (const absl::string_view id : pinned) {
        const std::string& name = facts.estate.Find(id)->client->registered_host();
        builder.Treat("ensure_host", {{"host", name}, {"port", absl::StrCat(port)}}, id);
      }
      return builder.Build();
    }
  }
  return std::nullopt;
}

Found Unreachable(const Facts& facts) {
  if (facts.host == nullptr) return std::nullopt;
  const Target* widest = nullptr;  // a host may be known by several names
  for (const Target* target : facts.index.TargetsOf(facts.machine)) {
    // A host reaches itself through any firewall.
    const bool itself = target->reaching.contains(facts.machine.id);
    if (target->reaching.size() > (itself ? 1u : 0u)) return std::nullopt;
    if (widest == nullptr || target->failing.size() > widest->failing.size()) widest = target;
  }
  if (widest == nullptr) return std::nullopt;
  const size_t machines =
      widest->failing.size() - (widest->failing.contains(facts.machine.id) ? 1 : 0);
  if (machines == 0) return std::nullopt;
  FindingBuilder builder("HOST_UNREACHABLE", facts.machine);
  size_t shown = 0;
  for (const absl::string_view id : widest->failing) {
    if (id == facts.machine.id) continue;
    if (shown++ == kNamesShown) break;
    builder.Saw("probe", "fails from", facts.estate.Find(id)->name);
  }
  builder.Saw("probe", "machines that cannot reach it", absl::StrCat(machines));
  if (facts.host->service_running() && facts.machine.firewall.has_value()) {
    builder.NoTreatments().Why(
        "the service runs; if its firewall is open too, look at the network between the host and "
        "its clients");
  }
  return builder.Build();
}

// Would a request of that instant be in what is known of the host's log?
bool LogCovers(const Facts& facts, int64_t at) {
  // What was sent a moment ago may come with the next report of the host.
  constexpr int64_t kReportLag = 3600;
  const v1::KmsHostSection& host = *facts.host;
  const int64_t age = absl::ToUnixSeconds(facts.now) - at;
  if (host.log_full() || age < kReportLag) return false;
  if (host.has_log_hours_held()) return age < int64_t{host.log_hours_held()} * 3600;
  return absl::c_any_of(host.requests(), [&](const v1::RequestSummary& request) {
    return request.has_last_at() && RightTime(facts.machine, request.last_at()) < at;
  });
}

// Has the host an event of that machine id at that time, or later?
bool HasArrived(const Facts& facts, absl::string_view cmid, int64_t at) {
  constexpr int64_t kNear = 3600;  // the clocks may differ, and clients try again
  return absl::c_any_of(facts.host->requests(), [&](const v1::RequestSummary& request) {
    return absl::EqualsIgnoreCase(request.client_machine_id(), cmid) &&
           (!request.has_last_at() || RightTime(facts.machine, request.last_at()) >= at - kNear);
  });
}

// The request of this client that the host should have seen and has not; null: none.
const v1::ActivationAttempt* LostRequest(const Facts& facts, const MachineState& client,
                                         std::string& cmid) {
  const v1::ActivationAttempt& attempt = client.client->attempts(0);
  cmid = attempt.client_machine_id().empty() ? client.client->client_machine_id()
                                             : attempt.client_machine_id();
  if (!attempt.has_at() || !IsMachineId(cmid)) return nullptr;
  const int64_t at = RightTime(client, attempt.at());
  return LogCovers(facts, at) && !HasArrived(facts, cmid, at) ? &attempt : nullptr;
}

Found RequestNotSeen(const Facts& facts) {
  constexpr size_t kMostAsked = 64;  // one is enough, and all of a closed host's are alike
  if (facts.host == nullptr) return std::nullopt;
  for (const Target* target : facts.index.TargetsOf(facts.machine)) {
    size_t asked = 0;
    for (const absl::string_view id : target->unanswered) {
      if (asked++ == kMostAsked) break;
      if (target->reaching.contains(id)) continue;
      const MachineState& client = *facts.estate.Find(id);
      std::string cmid;
      const v1::ActivationAttempt* lost = LostRequest(facts, client, cmid);
      if (lost == nullptr) continue;
      return FindingBuilder("HOST_REQUEST_NOT_SEEN", facts.machine)
          .Saw("event 12288", absl::StrCat("sent by ", client.name), lost->host(), &lost->at())
          .Saw("event 12290", "of machine id", absl::StrCat(cmid, ": none near that time"))
          .Build();
    }
  }
  return std::nullopt;
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

bool IsListed(const Facts& facts) {
  return absl::c_any_of(facts.index.TargetsOf(facts.machine),
                        [](const Target* target) { return !target->listed_by.empty(); });
}

bool IsListedIn(const Facts& facts, const std::string& domain) {
  const std::string name = absl::StrCat("_vlmcs._tcp.", domain);
  return absl::c_any_of(facts.index.TargetsOf(facts.machine),
                        [&](const Target* target) { return target->zones.contains(name); });
}

Found PublishFailed(const Facts& facts) {
  if (!facts.machine.host.has_value()) return std::nullopt;
  for (const v1::DnsPublication& publication : facts.machine.host->publications()) {
    if (publication.error() == 0) continue;
    FindingBuilder builder("HOST_DNS_PUBLISH_FAILED", facts.machine);
    builder.Saw("event 12293", publication.domain(), ErrorText(publication.error()),
                publication.has_at() ? &publication.at() : nullptr);
    if (IsListedIn(facts, DomainOf(publication.domain()))) {
      builder.Saw("dns", absl::StrCat("_vlmcs._tcp.", publication.domain()), "names this host")
          .Explain("A record that was there before, or was made by hand, names it all the same.");
    }
    return builder.NoTreatments()
        .Why(PublishRemedy(publication.error(), publication.domain()))
        .Build();
  }
  return std::nullopt;
}

Found PublishingOff(const Facts& facts) {
  const v1::KmsHostSection* host = facts.host;
  if (host == nullptr || !host->has_dns_publishing() || host->dns_publishing() || IsListed(facts))
    return std::nullopt;
  FindingBuilder builder("HOST_DNS_PUBLISHING_OFF", facts.machine);
  builder.Saw("kms_host", "dns_publishing", "disabled");
  const bool asked =
      absl::c_any_of(PublishedDomainsOf(facts.machine), [&](const std::string& domain) {
        const auto zone = facts.index.zones.find(domain);
        return zone != facts.index.zones.end() && zone->second.asked();
      });
  if (!facts.machine.names.has_value() && !asked) {
    builder.Explain("Whether a record was made by hand is not known here.");
  }
  return builder.Build();
}

// The host itself was told so in its own words, or others were.
bool AddMissingRecord(const Facts& facts, const std::string& domain, FindingBuilder& builder) {
  if (facts.machine.names.has_value()) {
    for (const v1::SrvAnswer& answer : facts.machine.names->answers()) {
      if (DomainOf(answer.name()) != domain) continue;
      if (answer.error() != 0 && !IsNoSrv(answer.error())) continue;  // no answer, so not known
      builder.Saw("dns", answer.name(),
                  answer.records().empty()
                      ? "no SRV record"
                      : absl::StrCat(answer.records_size(), " records, none names this host"));
      return true;
    }
  }
  const auto zone = facts.index.zones.find(domain);
  if (zone == facts.index.zones.end()) return false;
  builder.Saw("dns of other machines", absl::StrCat("_vlmcs._tcp.", domain),
              zone->second.served > 0 ? "records, and none names this host" : "no SRV record");
  return zone->second.asked();
}

// What the host believes: it published there.
void AddPublication(const Facts& facts, const std::string& domain, FindingBuilder& builder) {
  for (const v1::DnsPublication& publication : facts.host->publications()) {
    if (publication.error() != 0 || DomainOf(publication.domain()) != domain) continue;
    builder.Saw("event 12294", publication.domain(), "published, as the host believes",
                publication.has_at() ? &publication.at() : nullptr);
  }
}

// No machine sees a record of this host in a domain in which it is to be found.
Found SrvMissing(const Facts& facts) {
  if (facts.host == nullptr) return std::nullopt;
  for (const std::string& domain : PublishedDomainsOf(facts.machine)) {
    if (IsListedIn(facts, domain)) continue;
    FindingBuilder builder("HOST_SRV_MISSING", facts.machine);
    if (!AddMissingRecord(facts, domain, builder)) continue;
    AddPublication(facts, domain, builder);
    return builder.Build();
  }
  return std::nullopt;
}

constexpr Rule kRules[] = {
    {Stage::kFact, &ServiceStopped}, {Stage::kFact, &FirewallClosed}, {Stage::kFact, &PortMismatch},
    {Stage::kFact, &PublishFailed},  {Stage::kFact, &PublishingOff},  {Stage::kFact, &SrvMissing},
    {Stage::kFact, &Unreachable},    {Stage::kFact, &RequestNotSeen},
};

}  // namespace

std::span<const Rule> HostPathRules() { return kRules; }

}  // namespace keymedic::kms
