// SPDX-License-Identifier: Apache-2.0
//
// Clients: the way to the host, and what it answers.
#include <cstdio>

#include "absl/algorithm/container.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "kms/diagnosis/evidence.h"

namespace keymedic::kms {
namespace {

bool AsksAHost(const Facts& facts) {
  return facts.is_kms_client && !facts.is_host && ProductOffKms(facts) == nullptr;
}

bool IsCloud(const Facts& facts) {
  return !CloudOfHost(facts.host_name).empty() ||
         !CloudOfHost(facts.machine.client->host_address()).empty();
}

Found HostOverride(const Facts& facts) {
  if (!facts.pinned || facts.is_host || IsCloud(facts)) return std::nullopt;
  FindingBuilder builder("CLIENT_HOST_OVERRIDE", facts.machine);
  builder.Saw("kms_client", "registered_host", facts.host_name);
  if (facts.host_dead && !facts.uses_known_host()) {
    builder.Severity(v1::SEVERITY_WARNING);
    if (const v1::Probe* probe = facts.ProbeOf(facts.host_name, facts.host_port))
      builder.Saw("probe", facts.host_name, probe->detail());
    AddError(builder, facts);
  }
  return builder.Build();
}

bool IsPublicAddress(absl::string_view host) {
  unsigned a = 0, b = 0, c = 0, d = 0;
  char rest = 0;
  if (std::sscanf(std::string(host).c_str(), "%3u.%3u.%3u.%3u%c", &a, &b, &c, &d, &rest) != 4)
    return false;
  const bool is_private = a == 0 || a == 10 || a == 127 || (a == 172 && b >= 16 && b <= 31) ||
                          (a == 192 && b == 168) || (a == 169 && b == 254) ||
                          (a == 100 && b >= 64 && b <= 127);
  return !is_private;
}

Found HostUnsanctioned(const Facts& facts) {
  if (facts.host_name.empty() || facts.is_host || IsCloud(facts)) return std::nullopt;
  const v1::KmsClientSection& client = *facts.machine.client;
  const bool listed = !facts.policy.kms_hosts().empty();
  bool allowed = IsSanctioned(facts.policy, facts.host_name);
  if (!allowed && facts.host_machine != nullptr) {
    // By another of its names, or by its address.
    allowed = absl::c_any_of(NamesOf(*facts.host_machine), [&](const std::string& name) {
      return IsSanctioned(facts.policy, name);
    });
  }
  const bool is_public = IsPublicAddress(facts.host_name) || IsPublicAddress(client.host_address());
  if (listed ? allowed : !is_public || facts.uses_known_host()) return std::nullopt;
  // A host that does not answer is a stale setting, not a rogue one.
  if (facts.host_dead && !is_public) return std::nullopt;
  FindingBuilder builder("CLIENT_HOST_UNSANCTIONED", facts.machine);
  builder.Saw("kms_client", facts.pinned ? "registered_host" : "host", facts.host_name);
  if (!client.host_address().empty())
    builder.Saw("kms_client", "host_address", client.host_address());
  return builder.Build();
}

bool HasNoNameServer(const Facts& facts) {
  return (facts.machine.names.has_value() && facts.machine.names->no_name_server()) ||
         facts.Shows(&IsNoNameServer);
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

Found NoSrv(const Facts& facts) {
  if (facts.pinned || facts.is_host || ProductOffKms(facts) != nullptr || HasNoNameServer(facts))
    return std::nullopt;
  const bool asked = facts.machine.names.has_value() && !facts.machine.names->answers().empty();
  const bool none = asked && IsToldNoSrv(*facts.machine.names);
  // What names say now is newer than what an attempt said.
  if (asked ? !none : !facts.Shows(&IsNoSrv)) return std::nullopt;
  if (asked && !facts.is_kms_client && facts.machine.licensing.has_value()) return std::nullopt;
  FindingBuilder builder("CLIENT_DNS_NO_SRV", facts.machine);
  if (asked) {
    for (const v1::SrvAnswer& answer : facts.machine.names->answers())
      builder.Saw("dns", answer.name(),
                  answer.error() == 0 ? "no SRV record" : ErrorText(answer.error()));
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

Found HostKeyMismatch(const Facts& facts) {
  Found found = OnError("CLIENT_HOST_KEY_MISMATCH", facts,
                        [](uint32_t error) { return error == 0xC004F042; });
  if (!found.has_value()) return std::nullopt;
  // The key is the host's, never the client's own.
  FindingBuilder builder(*std::move(found));
  builder.NoTreatments().Why(
      "install a host key on the KMS host that covers this product, and activate it");
  if (facts.uses_known_host()) builder.Treat("ensure_host_key", {}, facts.host_machine->id);
  return builder.Build();
}

Found CountTooLow(const Facts& facts) {
  const v1::ActivationAttempt* attempt = facts.attempt;
  const bool by_code = facts.Shows([](uint32_t error) { return error == 0xC004F038; });
  const uint32_t required = attempt == nullptr ? 0 : attempt->required_count();
  // An answer that names another reason was not about the count.
  const bool by_answer = attempt != nullptr && facts.attempt_error == 0 && attempt->has_bound() &&
                         !attempt->bound() && attempt->has_count() &&
                         attempt->count() < (required == 0 ? 25 : required);
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

// Nobody says which host, but none of those that were probed answers.
bool NoProbeReaches(const Facts& facts) {
  if (!facts.host_name.empty() || !facts.machine.probes.has_value()) return false;
  bool failed = false;
  for (const v1::Probe& probe : facts.machine.probes->probes()) {
    if (probe.result() == v1::PROBE_RESULT_KMS) return false;
    failed = failed || probe.result() != v1::PROBE_RESULT_UNSPECIFIED;
  }
  return failed;
}

bool IsSilent(const Facts& facts) {
  if (facts.host_alive) return false;
  if (facts.Shows(&IsNoContact)) return true;
  return facts.attempt != nullptr && facts.attempt_error == 0 && facts.attempt->has_answered() &&
         !facts.attempt->answered();
}

Found HostUnreachable(const Facts& facts) {
  const bool licence_unknown =
      !facts.machine.licensing.has_value() || facts.machine.licensing->products().empty();
  if (!AsksAHost(facts) && !(licence_unknown && !facts.is_host && IsNoContact(facts.attempt_error)))
    return std::nullopt;
  if (!IsSilent(facts) && !facts.host_dead && !NoProbeReaches(facts)) return std::nullopt;
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
  if (facts.pinned && !facts.uses_known_host() && !IsCloud(facts))
    builder.Treat("ensure_discovery");
  return builder.Treat("activate").Build();
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
    {Stage::kFact, &CachingOff},
    {Stage::kFact, &HostOverride},
    {Stage::kCause, &HostUnsanctioned},
    {Stage::kCause, &NoNameServer},
    {Stage::kCause, &NoSrv},
    {Stage::kSymptom, &HostKeyMismatch},
    {Stage::kSymptom, &CountTooLow},
    {Stage::kSymptom, &HostUnreachable},
};

}  // namespace

std::span<const Rule> ClientPathRules() { return kRules; }

}  // namespace keymedic::kms
