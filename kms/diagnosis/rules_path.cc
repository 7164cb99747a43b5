// SPDX-License-Identifier: Apache-2.0
//
// Clients: the way to the host, and what it answers.
#include <algorithm>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "kms/diagnosis/evidence.h"

namespace keymedic::kms {
namespace {

// Activated by the directory, it needs no host.
bool NeedsNoHost(const Facts& facts) {
  return facts.licensed() && facts.index.directory_users.contains(facts.machine.id);
}

bool AsksAHost(const Facts& facts) {
  return facts.is_kms_client && !NeedsNoHost(facts) && !facts.is_host &&
         ProductOffKms(facts) == nullptr;
}

// The cloud whose own endpoint this client asks; "" if it is none.
absl::string_view CloudOf(const Facts& facts) {
  if (const absl::string_view cloud = CloudOfHost(facts.host_name); !cloud.empty()) return cloud;
  return facts.machine.client.has_value() ? CloudOfHost(facts.machine.client->host_address()) : "";
}

bool IsCloud(const Facts& facts) { return !CloudOf(facts).empty(); }

bool HasNoNameServer(const Facts& facts) {
  return (facts.machine.names.has_value() && facts.machine.names->no_name_server()) ||
         facts.Shows(&IsNoNameServer);
}

bool IsAllowed(const Facts& facts, absl::string_view host, const MachineState* machine) {
  if (IsSanctioned(facts.policy, host)) return true;
  // By another of its names, or by its address.
  return machine != nullptr && absl::c_any_of(NamesOf(*machine), [&](const std::string& name) {
           return IsSanctioned(facts.policy, name);
         });
}

// Does it ask a host that nobody approved?
bool AsksUnsanctioned(const Facts& facts) {
  if (facts.host_name.empty() || facts.is_host || IsCloud(facts)) return false;
  const bool listed = !facts.policy.kms_hosts().empty();
  const bool allowed = IsAllowed(facts, facts.host_name, facts.host_machine);
  const bool is_public =
      IsPublicAddress(facts.host_name) || IsPublicAddress(facts.machine.client->host_address());
  if (listed ? allowed : !is_public || facts.uses_known_host()) return false;
  // A record of a host that does not answer is a stale one, not a rogue one.
  return (!facts.host_dead && !facts.probe_fails()) || facts.pinned || is_public;
}

// Such a host is not registered again, whatever becomes of the treatment.
FindingBuilder& TreatByDiscovery(const Facts& facts, FindingBuilder& builder) {
  if (AsksUnsanctioned(facts)) return builder.Treat("ensure_discovery", {{"undo", "false"}});
  return builder.Treat("ensure_discovery");
}

// Whom such a host has licensed stays licensed: only a newer activation is one by another host.
FindingBuilder& TreatByActivation(const Facts& facts, FindingBuilder& builder) {
  const v1::KmsClientSection& client = *facts.machine.client;
  const v1::ActivationAttempt* by = LastSuccess(client);
  const google::protobuf::Timestamp* at = by != nullptr && by->has_at() ? &by->at() : nullptr;
  if (client.has_last_activation_at()) at = &client.last_activation_at();
  if (!facts.licensed() || at == nullptr) return builder.Treat("activate");
  return builder.Treat("activate", {{"after", absl::FormatTime(absl::RFC3339_sec,
                                                               absl::FromUnixSeconds(at->seconds()),
                                                               absl::UTCTimeZone())}});
}

Found HostOverride(const Facts& facts) {
  if (!facts.pinned || facts.is_host || IsCloud(facts)) return std::nullopt;
  FindingBuilder builder("CLIENT_HOST_OVERRIDE", facts.machine);
  builder.NoTreatments().Saw("kms_client", "registered_host", facts.host_name);
  TreatByDiscovery(facts, builder);
  // Without a name server nobody knows whether it is there.
  if (facts.host_dead && !facts.uses_known_host() && !HasNoNameServer(facts)) {
    builder.Severity(v1::SEVERITY_WARNING);
    if (const v1::Probe* probe = facts.ProbeOf(facts.host_name, facts.host_port))
      builder.Saw("probe", facts.host_name, probe->detail());
    AddError(builder, facts);
  }
  return builder.Build();
}

Found HostUnsanctioned(const Facts& facts) {
  if (!AsksUnsanctioned(facts)) return std::nullopt;
  const v1::KmsClientSection& client = *facts.machine.client;
  FindingBuilder builder("CLIENT_HOST_UNSANCTIONED", facts.machine);
  builder.Saw("kms_client", facts.pinned ? "registered_host" : "host", facts.host_name);
  if (!client.host_address().empty())
    builder.Saw("kms_client", "host_address", client.host_address());
  if (!client.host_extended_pid().empty())
    builder.Saw("kms_client", "host_extended_pid", client.host_extended_pid());
  builder.NoTreatments();
  TreatByDiscovery(facts, builder);
  return TreatByActivation(facts, builder).Build();
}

// The extended PIDs of the host keys of a machine that are known.
std::vector<absl::string_view> HostPidsOf(const MachineState& machine) {
  std::vector<absl::string_view> pids;
  if (!machine.licensing.has_value()) return pids;
  for (const v1::Product& product : machine.licensing->products()) {
    if (ChannelOf(product) == Channel::kKmsHost && !PidKey(product.extended_pid()).empty())
      pids.push_back(product.extended_pid());
  }
  return pids;
}

// Had every key of this host been there when the client was activated? A key that came later may
// have replaced the one that activated it.
bool HadItsKeys(const MachineState& host, int64_t activated) {
  constexpr int64_t kDay = 86400;
  const std::vector<absl::string_view> pids = HostPidsOf(host);
  return !pids.empty() && absl::c_all_of(pids, [&](absl::string_view pid) {
    const std::optional<int64_t> since = PidDay(pid);
    return since.has_value() && *since + kDay <= activated;  // at some hour of that day
  });
}

// Every host that may have activated the client is known, with a key that is older than the
// activation; so one that has none of these keys is a stranger.
bool KnowsAllHosts(const Facts& facts, int64_t activated) {
  if (facts.policy.kms_hosts().empty())
    return facts.uses_known_host() && HadItsKeys(*facts.host_machine, activated);
  return absl::c_all_of(facts.policy.kms_hosts(), [&](const std::string& name) {
    const MachineState* host = FindHost(facts.estate, name);
    return host != nullptr && HadItsKeys(*host, activated);
  });
}

Found ActivatedByStranger(const Facts& facts) {
  if (!facts.machine.client.has_value() || facts.is_host || IsCloud(facts)) return std::nullopt;
  const v1::KmsClientSection& client = *facts.machine.client;
  const std::string pid = PidKey(client.host_extended_pid());
  if (pid.empty() || facts.index.host_pids.contains(pid) || !client.has_last_activation_at() ||
      !KnowsAllHosts(facts, client.last_activation_at().seconds()))
    return std::nullopt;
  FindingBuilder builder("CLIENT_HOST_UNSANCTIONED", facts.machine);
  builder.NoTreatments()
      .Saw("kms_client", "host_extended_pid",
           absl::StrCat(client.host_extended_pid(), ": of no host that is known"),
           &client.last_activation_at())
      .Saw("licensing", "host keys that are known", absl::StrCat(facts.index.host_pids.size()))
      .Explain("It was activated by a host whose key is none of those that are known.");
  return TreatByActivation(facts, builder).Build();
}

// The host that its newest successful request went to, whatever it asks now.
Found ActivatedByUnlisted(const Facts& facts) {
  if (!facts.machine.client.has_value() || facts.is_host) return std::nullopt;
  const v1::ActivationAttempt* by = LastSuccess(*facts.machine.client);
  if (by == nullptr || !CloudOfHost(by->host()).empty()) return std::nullopt;
  const bool is_rogue = facts.policy.kms_hosts().empty()
                            ? IsPublicAddress(by->host())
                            : !IsAllowed(facts, by->host(), FindHost(facts.estate, by->host()));
  if (!is_rogue) return std::nullopt;
  FindingBuilder builder("CLIENT_HOST_UNSANCTIONED", facts.machine);
  builder.NoTreatments()
      .Saw("event 12288", "host", by->host(), by->has_at() ? &by->at() : nullptr)
      .Explain("It was activated by a host that the policy does not know.");
  return TreatByActivation(facts, builder).Build();
}

// One of them: by the host that it names, or the one that activated it, or the key of that.
Found Unsanctioned(const Facts& facts) {
  for (const auto look : {&HostUnsanctioned, &ActivatedByUnlisted, &ActivatedByStranger}) {
    if (Found found = look(facts)) return found;
  }
  return std::nullopt;
}

Found NoNameServer(const Facts& facts) {
  if (!HasNoNameServer(facts)) return std::nullopt;
  FindingBuilder builder("CLIENT_DNS_NO_SERVER", facts.machine);
  if (facts.machine.names.has_value() && facts.machine.names->no_name_server())
    builder.Saw("dns", "name servers", "none is configured");
  return AddError(builder, facts).Build();
}

// The client can be told its host where it is clear which one: the only one that the policy or the
// estate knows.
void TreatByNamingHost(const Facts& facts, FindingBuilder& builder) {
  std::string name;
  uint32_t port = kDefaultPort;
  const MachineState* host = nullptr;
  if (facts.policy.kms_hosts_size() == 1) {
    name = facts.policy.kms_hosts(0);
    host = facts.estate.FindByHostName(name);
  } else if (facts.policy.kms_hosts().empty() && !facts.index.pool.only_host.empty()) {
    host = facts.estate.Find(facts.index.pool.only_host);
    name = FullNameOf(*host);
  }
  if (name.empty()) return;
  if (host != nullptr && host->host.has_value() && host->host->listening_port() != 0)
    port = host->host->listening_port();
  builder.Treat("ensure_host", {{"host", name}, {"port", absl::StrCat(port)}}).Treat("activate");
}

Found LookupDomainWrong(const Facts& facts) {
  if (facts.pinned || facts.is_host || ProductOffKms(facts) != nullptr || !facts.searches_in_vain())
    return std::nullopt;
  const std::string& domain = facts.machine.client->lookup_domain();
  FindingBuilder builder("CLIENT_LOOKUP_DOMAIN_WRONG", facts.machine);
  builder.Saw("kms_client", "lookup_domain", domain)
      .Saw("dns", absl::StrCat("_vlmcs._tcp.", domain), "no SRV record");
  return AddError(builder, facts).Build();
}

Found LookupWrongNoHost(const Facts& facts) {
  return facts.host_alive ? std::nullopt : LookupDomainWrong(facts);
}

Found LookupWrongButAHost(const Facts& facts) {
  return facts.host_alive ? LookupDomainWrong(facts) : std::nullopt;
}

// Others may be told of records where this client asked in vain.
void AddOthersAnswers(const Facts& facts, FindingBuilder& builder) {
  for (const v1::SrvAnswer& answer : facts.machine.names->answers()) {
    const auto zone = facts.index.zones.find(DomainOf(answer.name()));
    if (!answer.records().empty() || zone == facts.index.zones.end() || zone->second.served == 0)
      continue;
    builder.Saw("dns of other machines", answer.name(), "has records")
        .Explain(
            "Others are told of records in the same domain: look at the name servers that this "
            "machine asks.");
    return;
  }
}

Found NoSrv(const Facts& facts) {
  if (facts.pinned || facts.is_host || ProductOffKms(facts) != nullptr || HasNoNameServer(facts) ||
      NeedsNoHost(facts))
    return std::nullopt;
  const bool asked = facts.machine.names.has_value() && !facts.machine.names->answers().empty();
  const bool none = asked && (IsToldNoSrv(*facts.machine.names) || facts.searches_in_vain());
  // What names say now is newer than what an attempt said.
  if (asked ? !none : !facts.Shows(&IsNoSrv)) return std::nullopt;
  if (asked && !facts.is_kms_client && facts.machine.licensing.has_value()) return std::nullopt;
  FindingBuilder builder("CLIENT_DNS_NO_SRV", facts.machine);
  if (asked) {
    for (const v1::SrvAnswer& answer : facts.machine.names->answers()) {
      if (!answer.records().empty()) continue;
      builder.Saw("dns", answer.name(),
                  answer.error() == 0 ? "no SRV record" : ErrorText(answer.error()));
    }
    AddOthersAnswers(facts, builder);
  }
  AddError(builder, facts);
  builder.NoTreatments();
  TreatByNamingHost(facts, builder);
  return builder
      .Why(
          "publish the _vlmcs._tcp record of a KMS host in a domain that this machine searches, or "
          "name one sanctioned host in the policy")
      .Build();
}

// Then the missing record is what stops it.
Found NoSrvNorHost(const Facts& facts) { return facts.host_alive ? std::nullopt : NoSrv(facts); }

// It goes on asking the host that it remembers.
Found NoSrvButAHost(const Facts& facts) { return facts.host_alive ? NoSrv(facts) : std::nullopt; }

// As the client and the host's own log call it.
bool IsKeyGroup(uint32_t error) { return IsKeyRefused(error) || error == 0xC004F015; }

Found HostKeyMismatch(const Facts& facts) {
  Found found = OnError("CLIENT_HOST_KEY_MISMATCH", facts, &IsKeyRefused);
  const bool told_by_host = facts.rejected != nullptr && IsKeyGroup(facts.rejected->last_error());
  if (!found.has_value() && !told_by_host) return std::nullopt;
  // The key is the host's, never the client's own.
  FindingBuilder builder = found.has_value()
                               ? FindingBuilder(*std::move(found))
                               : FindingBuilder("CLIENT_HOST_KEY_MISMATCH", facts.machine);
  if (!found.has_value()) AddAttempt(builder, facts);
  AddRejection(builder, facts);
  builder.NoTreatments().Why(
      "install a host key on the KMS host that covers this product, and activate it");
  if (facts.uses_known_host()) {
    const std::string& host = facts.host_machine->id;
    // A plan treats hosts before their clients.
    builder.Treat("ensure_host_key", {}, host).Treat("activate", {}, host).Treat("activate");
  }
  return builder.Build();
}

// By its own probes it reaches no host, neither the one that it asks nor, if nobody says which
// that is, any other.
bool NoProbeReaches(const Facts& facts) {
  if (!facts.machine.probes.has_value()) return false;
  if (!facts.host_name.empty()) return facts.host_dead && facts.probe_fails();
  bool failed = false;
  for (const v1::Probe& probe : facts.machine.probes->probes()) {
    if (probe.result() == v1::PROBE_RESULT_KMS) return false;
    failed = failed || probe.result() != v1::PROBE_RESULT_UNSPECIFIED;
  }
  return failed;
}

// Is the count of its host high enough now, as the host tells it?
bool IsCountEnough(const Facts& facts, uint32_t required) {
  const MachineState* host = facts.host_machine;
  return host != nullptr && host->host.has_value() &&
         CountOf(*host->host).value_or(0) >= static_cast<int>(required == 0 ? 25 : required);
}

// What a host answered before it fell silent, or had enough clients: who fails asks again every two
// hours, and this one does not.
bool IsOldNews(const Facts& facts, uint32_t required) {
  constexpr int64_t kDay = 86400;
  return facts.attempt != nullptr && facts.attempt->has_at() &&
         RightTime(facts.machine, facts.attempt->at()) + kDay < absl::ToUnixSeconds(facts.now) &&
         (facts.probe_fails() || IsCountEnough(facts, required));
}

// The count that the product of an attempt asks for; 0: not known.
uint32_t RequiredBy(const Facts& facts, const v1::ActivationAttempt& attempt) {
  if (attempt.required_count() != 0) return attempt.required_count();
  if (const Sku* sku = FindSku(attempt.activation_id())) return sku->required_count;
  return facts.sku == nullptr ? 0 : facts.sku->required_count;
}

Found CountTooLow(const Facts& facts) {
  const v1::ActivationAttempt* attempt = facts.attempt;
  const bool by_code = facts.Shows(&IsCountTooLow);
  const uint32_t required = attempt == nullptr ? 0 : RequiredBy(facts, *attempt);
  // It asked before it had this key, or long ago.
  if (ProductOffKms(facts) != nullptr || IsOldNews(facts, required)) return std::nullopt;
  // An answer that names another reason was not about the count.
  constexpr uint32_t kNotEnoughCount = 0x04000000;
  const bool by_answer =
      attempt != nullptr && facts.attempt_error == 0 && attempt->has_bound() && !attempt->bound() &&
      ((attempt->flags() & kNotEnoughCount) != 0 ||
       (attempt->has_count() && attempt->count() < (required == 0 ? 25 : required)));
  if (!by_code && !by_answer) return std::nullopt;
  FindingBuilder builder("CLIENT_COUNT_TOO_LOW", facts.machine);
  if (attempt != nullptr && attempt->has_count()) {
    builder.Saw("event 12289", "count",
                absl::StrCat(attempt->count(), " of ",
                             required == 0 ? std::string("25 or 5") : absl::StrCat(required)),
                attempt->has_at() ? &attempt->at() : nullptr);
  }
  return AddError(builder, facts).Build();
}

bool IsSilent(const Facts& facts) {
  // What it met before it was kept from asking hosts tells nothing any more.
  if (facts.host_alive || facts.rejected != nullptr || facts.never_asks()) return false;
  if (facts.Shows(&IsNoContact)) return true;
  return facts.attempt != nullptr && facts.attempt_error == 0 && facts.attempt->has_answered() &&
         !facts.attempt->answered();
}

Found HostUnreachable(const Facts& facts) {
  const bool licence_unknown =
      !facts.machine.licensing.has_value() || facts.machine.licensing->products().empty();
  if (!AsksAHost(facts) && !(licence_unknown && !facts.is_host && IsNoContact(facts.attempt_error)))
    return std::nullopt;
  FindingBuilder builder("CLIENT_HOST_UNREACHABLE", facts.machine);
  if (!facts.host_name.empty()) builder.Saw("kms_client", "host", facts.host_name);
  if (facts.machine.probes.has_value()) {
    for (const v1::Probe& probe : facts.machine.probes->probes()) {
      if (probe.result() != v1::PROBE_RESULT_KMS && probe.result() != v1::PROBE_RESULT_UNSPECIFIED)
        builder.Saw("probe", absl::StrCat(probe.host(), ":", probe.port()), probe.detail());
    }
  }
  AddError(builder, facts);
  builder.NoTreatments();
  if (const absl::string_view cloud = CloudOf(facts); !cloud.empty()) {
    const std::string advice(CloudPathAdvice(cloud));
    return builder.Saw("cloud table", facts.host_name, absl::StrCat("the endpoint of ", cloud))
        .Explain(absl::StrCat("The host is ", cloud,
                              "'s own: no key, count or record of yours is "
                              "to blame, but the way to it. ",
                              advice))
        .Why(advice)
        .Build();
  }
  if (facts.pinned && !facts.uses_known_host()) TreatByDiscovery(facts, builder);
  return builder.Treat("activate").Build();
}

// The way there is closed, whatever else keeps the machine from being activated.
Found ProbeUnanswered(const Facts& facts) {
  // Pinned to a domain without records, it asks no host but the one that it remembers.
  if (facts.searches_in_vain() &&
      (!facts.machine.client->host_caching() || facts.machine.client->discovered_host().empty()))
    return std::nullopt;
  return NoProbeReaches(facts) ? HostUnreachable(facts) : std::nullopt;
}

Found RequestUnanswered(const Facts& facts) {
  return !NoProbeReaches(facts) && IsSilent(facts) ? HostUnreachable(facts) : std::nullopt;
}

Found CachingOff(const Facts& facts) {
  if (!AsksAHost(facts) || !facts.machine.client.has_value()) return std::nullopt;
  const v1::KmsClientSection& client = *facts.machine.client;
  if (!client.has_host_caching() || client.host_caching()) return std::nullopt;
  return FindingBuilder("CLIENT_CACHING_OFF", facts.machine)
      .Saw("kms_client", "host_caching", "disabled")
      .Build();
}

constexpr Rule kRules[] = {
    {Stage::kFact, &CachingOff},      {Stage::kFact, &HostOverride},
    {Stage::kFact, &Unsanctioned},    {Stage::kFact, &NoSrvButAHost},
    {Stage::kFact, &ProbeUnanswered}, {Stage::kFact, &LookupWrongButAHost},
    {Stage::kCause, &NoNameServer},   {Stage::kCause, &LookupWrongNoHost},
    {Stage::kCause, &NoSrvNorHost},   {Stage::kSymptom, &HostKeyMismatch},
    {Stage::kSymptom, &CountTooLow},  {Stage::kSymptom, &RequestUnanswered},
};

}  // namespace

std::span<const Rule> ClientPathRules() { return kRules; }

}  // namespace keymedic::kms
