// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdlib>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "kms/diagnosis/rules.h"

namespace keymedic::kms {
namespace {

using Found = std::optional<v1::Finding>;

constexpr int kValidityDays = 180;  // of one KMS activation
constexpr int kRenewalMinutes =
    7 * 1440;  // how often a client renews, unless its host says otherwise

bool IsVolumeWindowsOrOffice(Channel channel) { return channel == Channel::kKmsClient; }

// The first product with a key for which `fits` says yes; add-ons have keys of their own.
template <typename Fits>
const v1::Product* FindProduct(const Facts& facts, Fits fits) {
  if (!facts.machine.licensing.has_value()) return nullptr;
  for (const v1::Product& product : facts.machine.licensing->products()) {
    if (!product.is_addon() && fits(product)) return &product;
  }
  return nullptr;
}

FindingBuilder About(absl::string_view code, const Facts& facts, const v1::Product* product) {
  FindingBuilder builder(code, facts.machine);
  if (product == nullptr) return builder;
  if (product->has_description()) builder.Saw("licensing", "description", product->description());
  if (product->has_partial_key()) builder.Saw("licensing", "partial_key", product->partial_key());
  if (product->status_reason() != 0)
    builder.Saw("licensing", "status_reason", Hex(product->status_reason()));
  return builder;
}

FindingBuilder& AddAttempt(FindingBuilder& builder, const Facts& facts) {
  if (facts.attempt == nullptr || facts.attempt_error == 0) return builder;
  const v1::ActivationAttempt& attempt = *facts.attempt;
  const google::protobuf::Timestamp* at = attempt.has_at() ? &attempt.at() : nullptr;
  const std::string source = attempt.source_event() == 0
                                 ? "activation attempt"
                                 : absl::StrCat("event ", attempt.source_event());
  builder.Saw(source, "error",
              absl::StrCat(Hex(facts.attempt_error), " ", ErrorMeaning(facts.attempt_error)), at);
  if (!attempt.host().empty()) builder.Saw(source, "host", attempt.host(), at);
  return builder;
}

// An error that the licence state or the newest attempt names.
template <typename Fits>
Found OnError(absl::string_view code, const Facts& facts, Fits fits) {
  const v1::Product* product = FindProduct(facts, [&](const v1::Product& p) {
    return p.status() != v1::LICENSE_STATUS_LICENSED && p.status_reason() != 0 &&
           fits(p.status_reason());
  });
  const bool attempted = facts.attempt_error != 0 && fits(facts.attempt_error);
  if (product == nullptr && !attempted) return std::nullopt;
  FindingBuilder builder = About(code, facts, product);
  return AddAttempt(builder, facts).Build();
}

// --- the key and the edition ---------------------------------------------------------------------

Found EditionNotVolume(const Facts& facts) {
  if (facts.primary == nullptr || facts.is_host) return std::nullopt;
  const Sku* sku =
      facts.primary->activation_id().empty() ? nullptr : FindSku(facts.primary->activation_id());
  const std::string edition_id = facts.edition_id();
  const Edition* edition = edition_id.empty() ? nullptr : FindEdition(edition_id, facts.build());
  const bool by_sku = sku != nullptr && sku->role == SkuRole::kNoVolumeKey;
  const bool by_edition = edition != nullptr && !edition->has_volume_key;
  if (!by_sku && !by_edition) return std::nullopt;
  if (IsVolumeWindowsOrOffice(ChannelOf(*facts.primary))) return std::nullopt;
  FindingBuilder builder = About("CLIENT_EDITION_NOT_VOLUME", facts, facts.primary);
  builder.Saw("os", "edition", by_edition ? edition_id : std::string(sku->product));
  return builder.Build();
}

// Is `partial` the client key of another edition than the installed one? What is installed is known
// by the edition, or by the activation id.
Found KeyWrongEdition(const Facts& facts) {
  const v1::Product* wrong = FindProduct(facts, [&](const v1::Product& product) {
    if (product.partial_key().empty() || FindGvlkByPartial(product.partial_key()) == nullptr)
      return false;
    absl::string_view expected;
    if (&product == facts.primary) {
      const std::string edition_id = facts.edition_id();
      const Edition* edition =
          edition_id.empty() ? nullptr : FindEdition(edition_id, facts.build());
      if (edition != nullptr) expected = edition->gvlk_partial;
    }
    if (expected.empty() && !product.activation_id().empty()) {
      const Sku* sku = FindSku(product.activation_id());
      if (sku != nullptr) expected = sku->gvlk_partial;
    }
    return !expected.empty() && !absl::EqualsIgnoreCase(expected, product.partial_key());
  });
  if (wrong != nullptr) {
    FindingBuilder builder = About("CLIENT_KEY_WRONG_EDITION", facts, wrong);
    const Gvlk* gvlk = FindGvlkByPartial(wrong->partial_key());
    builder.Saw("key table", "key belongs to", absl::StrCat(gvlk->product, " ", gvlk->edition));
    const std::string edition_id = facts.edition_id();
    if (!edition_id.empty()) builder.Saw("os", "edition", edition_id);
    return AddAttempt(builder, facts).Build();
  }
  return OnError("CLIENT_KEY_WRONG_EDITION", facts, IsWrongKeyForEdition);
}

// A pool that is known, and known to be under its threshold.
bool PoolIsTooSmall(const Facts& facts) {
  bool seen = false;
  for (const std::string& id : facts.index.hosts) {
    const MachineState* host = facts.estate.Find(id);
    if (!host->host->has_current_count()) continue;
    if (host->host->current_count() >= 25) return false;
    seen = true;
  }
  return seen;
}

bool IsOtherChannel(Channel channel) {
  return channel == Channel::kMak || channel == Channel::kRetail || channel == Channel::kOem ||
         channel == Channel::kEvaluation || channel == Channel::kVirtualMachine;
}

const v1::Product* ProductOffKms(const Facts& facts) {
  if (facts.is_host || !facts.wants_kms() || facts.primary == nullptr) return nullptr;
  return IsOtherChannel(ChannelOf(*facts.primary)) ? facts.primary : nullptr;
}

Found MakUntilCount(const Facts& facts) {
  const v1::Product* product = ProductOffKms(facts);
  if (product == nullptr || ChannelOf(*product) != Channel::kMak || !PoolIsTooSmall(facts))
    return std::nullopt;
  return About("CLIENT_MAK_UNTIL_COUNT", facts, product).NoTreatments().Build();
}

Found KeyNotGvlk(const Facts& facts) {
  const v1::Product* product = ProductOffKms(facts);
  if (product != nullptr) {
    if (ChannelOf(*product) == Channel::kMak && PoolIsTooSmall(facts)) return std::nullopt;
    if (EditionNotVolume(facts).has_value()) return std::nullopt;
    FindingBuilder builder = About("CLIENT_KEY_NOT_GVLK", facts, product);
    builder.Saw("licensing", "channel", std::string(ChannelText(*product)));
    return AddAttempt(builder, facts).Build();
  }
  // The licence is not known, but the attempt says that a retail or digital key is in it.
  if (facts.attempt_error != 0x803F7001 || facts.is_host) return std::nullopt;
  FindingBuilder builder("CLIENT_KEY_NOT_GVLK", facts.machine);
  return AddAttempt(builder, facts).Build();
}

// --- the state -----------------------------------------------------------------------------------

Found NonGenuine(const Facts& facts) {
  if (Found found = OnError("CLIENT_NON_GENUINE", facts, IsNonGenuine)) return found;
  const v1::Product* product = FindProduct(facts, [](const v1::Product& p) {
    return p.status() == v1::LICENSE_STATUS_NON_GENUINE_GRACE || (p.has_genuine() && !p.genuine());
  });
  if (product != nullptr) return About("CLIENT_NON_GENUINE", facts, product).Build();
  if (!facts.machine.licensing.has_value()) return std::nullopt;
  for (const v1::Observation& seen : facts.machine.licensing->observations()) {
    if (!IsNonGenuine(seen.error())) continue;
    return FindingBuilder("CLIENT_NON_GENUINE", facts.machine)
        .Saw(absl::StrCat("event ", seen.event_id()), "error",
             absl::StrCat(Hex(seen.error()), " ", ErrorMeaning(seen.error())),
             seen.has_at() ? &seen.at() : nullptr)
        .Build();
  }
  return std::nullopt;
}

Found HardwareChanged(const Facts& facts) {
  return OnError("CLIENT_HARDWARE_CHANGED", facts, IsHardwareChanged);
}

Found ClockSkew(const Facts& facts) {
  const int limit = facts.policy.clock_skew_minutes() == 0
                        ? 60
                        : static_cast<int>(facts.policy.clock_skew_minutes());
  const bool measured = facts.machine.os.has_value() && facts.machine.os->has_clock_skew_minutes();
  const bool skewed = measured && std::abs(facts.machine.os->clock_skew_minutes()) >= limit;
  // An old complaint about the clock says nothing once the clock is measured to be right.
  const bool attempted = facts.attempt_error == 0xC004F06C && (!measured || skewed);
  if (!skewed && !attempted) return std::nullopt;
  FindingBuilder builder("CLIENT_CLOCK_SKEW", facts.machine);
  if (skewed) {
    builder.Saw("os", "clock_skew_minutes",
                absl::StrCat(facts.machine.os->clock_skew_minutes(), " against ",
                             facts.machine.os->clock_source()));
  }
  return AddAttempt(builder, facts).Build();
}

// --- the way to the host -------------------------------------------------------------------------

bool AsksAHost(const Facts& facts) {
  return facts.is_kms_client && !facts.is_host && ProductOffKms(facts) == nullptr;
}

Found HostOverride(const Facts& facts) {
  if (!facts.pinned || facts.is_host || !CloudOfHost(facts.host_name).empty()) return std::nullopt;
  FindingBuilder builder("CLIENT_HOST_OVERRIDE", facts.machine);
  builder.Saw("kms_client", "registered_host", facts.host_name);
  const bool known_host =
      facts.host_machine != nullptr && facts.index.hosts.contains(facts.host_machine->id);
  if (facts.host_dead && !known_host) {
    builder.Severity(v1::SEVERITY_WARNING);
    if (const v1::Probe* probe = facts.ProbeOf(facts.host_name))
      builder.Saw("probe", facts.host_name, probe->detail());
    AddAttempt(builder, facts);
  }
  return builder.Build();
}

bool IsPublicAddress(absl::string_view host) {
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (std::sscanf(std::string(host).c_str(), "%3u.%3u.%3u.%3u", &a, &b, &c, &d) != 4) return false;
  const bool is_private = a == 10 || a == 127 || (a == 172 && b >= 16 && b <= 31) ||
                          (a == 192 && b == 168) || (a == 169 && b == 254) ||
                          (a == 100 && b >= 64 && b <= 127);
  return !is_private;
}

Found HostUnsanctioned(const Facts& facts) {
  if (facts.host_name.empty() || facts.is_host || !CloudOfHost(facts.host_name).empty())
    return std::nullopt;
  const absl::string_view address = facts.machine.client->host_address();
  if (!address.empty() && !CloudOfHost(address).empty()) return std::nullopt;
  const bool known = absl::c_any_of(facts.policy.kms_hosts(), [&](const std::string& host) {
    return absl::EqualsIgnoreCase(host, facts.host_name) ||
           absl::EqualsIgnoreCase(host.substr(0, host.find('.')), facts.host_name);
  });
  const bool is_public = IsPublicAddress(facts.host_name) || IsPublicAddress(address);
  if (known || (facts.policy.kms_hosts().empty() && !is_public)) return std::nullopt;
  // A pinned host that does not answer is a stale setting, not a rogue one.
  if (facts.host_dead && !is_public) return std::nullopt;
  FindingBuilder builder("CLIENT_HOST_UNSANCTIONED", facts.machine);
  builder.Saw("kms_client", facts.pinned ? "registered_host" : "discovered_host", facts.host_name);
  if (!address.empty()) builder.Saw("kms_client", "host_address", std::string(address));
  return builder.Build();
}

Found NoNameServer(const Facts& facts) {
  const bool seen = facts.machine.names.has_value() && facts.machine.names->no_name_server();
  if (!seen && !IsNoNameServer(facts.attempt_error)) return std::nullopt;
  FindingBuilder builder("CLIENT_DNS_NO_SERVER", facts.machine);
  if (seen) builder.Saw("dns", "name servers", "none is configured");
  return AddAttempt(builder, facts).Build();
}

Found NoSrv(const Facts& facts) {
  if (facts.pinned || facts.is_host || ProductOffKms(facts) != nullptr ||
      NoNameServer(facts).has_value())
    return std::nullopt;
  const v1::NamesSection* names = facts.machine.names.has_value() ? &*facts.machine.names : nullptr;
  const bool asked = names != nullptr && !names->answers().empty();
  const bool none = asked && absl::c_all_of(names->answers(), [](const v1::SrvAnswer& answer) {
                      return answer.records().empty();
                    });
  if (asked ? !none : !IsNoSrv(facts.attempt_error)) return std::nullopt;
  if (asked && !facts.is_kms_client && facts.machine.licensing.has_value()) return std::nullopt;
  FindingBuilder builder("CLIENT_DNS_NO_SRV", facts.machine);
  if (asked) {
    for (const v1::SrvAnswer& answer : names->answers()) {
      builder.Saw("dns", answer.name(),
                  answer.error() == 0
                      ? "no SRV record"
                      : absl::StrCat(Hex(answer.error()), " ", ErrorMeaning(answer.error())));
    }
  }
  AddAttempt(builder, facts);
  builder.NoTreatments();
  // The client can be told its host where it is clear which one: the only one policy or estate
  // knows.
  if (facts.policy.kms_hosts_size() == 1) {
    builder.Treat("ensure_host", {{"host", facts.policy.kms_hosts(0)}, {"port", "1688"}})
        .Treat("activate");
  } else if (facts.policy.kms_hosts().empty() && facts.index.hosts.size() == 1) {
    const MachineState* host = facts.estate.Find(*facts.index.hosts.begin());
    builder
        .Treat("ensure_host", {{"host", NamesOf(*host).back()},
                               {"port", absl::StrCat(host->host->listening_port() == 0
                                                         ? kDefaultPort
                                                         : host->host->listening_port())}})
        .Treat("activate");
  }
  builder.Why(
      "publish the _vlmcs._tcp record of a KMS host in a domain that this machine searches, or "
      "name the sanctioned host in the policy");
  return builder.Build();
}

Found HostKeyMismatch(const Facts& facts) {
  return OnError("CLIENT_HOST_KEY_MISMATCH", facts,
                 [](uint32_t error) { return error == 0xC004F042; });
}

Found CountTooLow(const Facts& facts) {
  const bool by_code = facts.attempt_error == 0xC004F038;
  const v1::ActivationAttempt* attempt = facts.attempt;
  const bool by_answer =
      attempt != nullptr && attempt->has_bound() && !attempt->bound() && attempt->has_count() &&
      attempt->count() < (attempt->required_count() == 0 ? 25 : attempt->required_count());
  if (!by_code && !by_answer) return std::nullopt;
  FindingBuilder builder("CLIENT_COUNT_TOO_LOW", facts.machine);
  if (attempt != nullptr && attempt->has_count()) {
    builder.Saw(
        "event 12289", "count",
        absl::StrCat(
            attempt->count(), " of ",
            attempt->required_count() == 0 ? "25 or 5" : absl::StrCat(attempt->required_count())),
        attempt->has_at() ? &attempt->at() : nullptr);
  }
  return AddAttempt(builder, facts).Build();
}

Found HostUnreachable(const Facts& facts) {
  if (!AsksAHost(facts) &&
      !(facts.machine.licensing.has_value() == false && IsNoContact(facts.attempt_error)))
    return std::nullopt;
  const bool by_attempt =
      facts.attempt_error != 0 && IsNoContact(facts.attempt_error) && !facts.host_alive;
  const bool silent = facts.attempt != nullptr && facts.attempt_error == 0 &&
                      facts.attempt->has_answered() && !facts.attempt->answered() &&
                      !facts.host_alive;
  bool by_probe = facts.host_dead;
  if (facts.host_name.empty() && facts.machine.probes.has_value() &&
      facts.machine.probes->probes_size() > 0) {
    by_probe = absl::c_none_of(facts.machine.probes->probes(), [](const v1::Probe& probe) {
      return probe.result() == v1::PROBE_RESULT_KMS;
    });
  }
  if (!by_attempt && !silent && !by_probe) return std::nullopt;
  FindingBuilder builder("CLIENT_HOST_UNREACHABLE", facts.machine);
  if (!facts.host_name.empty()) builder.Saw("kms_client", "host", facts.host_name);
  if (facts.machine.probes.has_value()) {
    for (const v1::Probe& probe : facts.machine.probes->probes()) {
      if (probe.result() != v1::PROBE_RESULT_KMS)
        builder.Saw("probe", absl::StrCat(probe.host(), ":", probe.port()), probe.detail());
    }
  }
  AddAttempt(builder, facts);
  builder.NoTreatments();
  const bool licensed =
      facts.primary != nullptr && facts.primary->status() == v1::LICENSE_STATUS_LICENSED;
  const bool known_host =
      facts.host_machine != nullptr && facts.index.hosts.contains(facts.host_machine->id);
  if (facts.pinned && !known_host) builder.Treat("ensure_discovery");
  if (known_host || facts.pinned || !licensed) builder.Treat("activate");
  return builder.Build();
}

// --- what is left --------------------------------------------------------------------------------

const v1::Product* Unlicensed(const Facts& facts) {
  return FindProduct(facts, [](const v1::Product& p) {
    return p.status() != v1::LICENSE_STATUS_UNSPECIFIED &&
           p.status() != v1::LICENSE_STATUS_LICENSED;
  });
}

bool IsGrace(v1::LicenseStatus status) {
  return status == v1::LICENSE_STATUS_INITIAL_GRACE ||
         status == v1::LICENSE_STATUS_ADDITIONAL_GRACE ||
         status == v1::LICENSE_STATUS_EXTENDED_GRACE;
}

Found NeverActivated(const Facts& facts) {
  const v1::Product* product = Unlicensed(facts);
  if (product == nullptr || ChannelOf(*product) != Channel::kKmsClient) return std::nullopt;
  const uint32_t reason = product->status_reason();
  const bool told = reason == 0xC004F056 || reason == 0xC004F034;
  const bool activated_once =
      facts.machine.client.has_value() && facts.machine.client->has_last_activation_at();
  const bool fresh = product->status() == v1::LICENSE_STATUS_INITIAL_GRACE && !activated_once;
  if (!told && !fresh) return std::nullopt;
  FindingBuilder builder = About("CLIENT_NEVER_ACTIVATED", facts, product);
  return AddAttempt(builder, facts).Build();
}

Found GraceExpiring(const Facts& facts) {
  const v1::Product* product = Unlicensed(facts);
  if (product == nullptr || !IsGrace(product->status()) || !product->has_expires_at())
    return std::nullopt;
  const int warning_days = facts.policy.grace_warning_days() == 0
                               ? 30
                               : static_cast<int>(facts.policy.grace_warning_days());
  const int64_t days = (product->expires_at().seconds() - absl::ToUnixSeconds(facts.now)) / 86400;
  if (days >= warning_days) return std::nullopt;
  FindingBuilder builder = About("CLIENT_GRACE_EXPIRING", facts, product);
  builder.Saw("licensing", "days left", absl::StrCat(days));
  return AddAttempt(builder, facts).Build();
}

Found RenewalOverdue(const Facts& facts) {
  if (!AsksAHost(facts) || facts.primary == nullptr ||
      facts.primary->status() != v1::LICENSE_STATUS_LICENSED)
    return std::nullopt;
  if (ChannelOf(*facts.primary) != Channel::kKmsClient || !facts.machine.client.has_value())
    return std::nullopt;
  const v1::KmsClientSection& client = *facts.machine.client;
  if (!client.activation_object().empty() ||
      client.last_activation_type() == v1::ACTIVATION_TYPE_DIRECTORY)
    return std::nullopt;
  int64_t last = client.last_activation_at().seconds();
  if (last == 0 && facts.primary->has_expires_at())
    last = facts.primary->expires_at().seconds() - int64_t{kValidityDays} * 86400;
  if (last == 0) return std::nullopt;
  const int64_t interval =
      std::max<int64_t>(client.renewal_interval_minutes(), kRenewalMinutes) * 60;
  const int64_t age = absl::ToUnixSeconds(facts.now) - last;
  if (age <= 2 * interval) return std::nullopt;
  FindingBuilder builder = About("CLIENT_RENEWAL_OVERDUE", facts, facts.primary);
  builder.Saw("kms_client", "last activation", absl::StrCat(age / 86400, " days ago"));
  AddAttempt(builder, facts);
  return builder.NoTreatments().Treat("activate").Build();
}

Found NotLicensed(const Facts& facts) {
  const v1::Product* product = Unlicensed(facts);
  if (product == nullptr || facts.is_host) return std::nullopt;
  FindingBuilder builder = About("CLIENT_NOT_LICENSED", facts, product);
  return AddAttempt(builder, facts).Build();
}

// --- facts beside the state ----------------------------------------------------------------------

Found DuplicateCmid(const Facts& facts) {
  if (!facts.machine.client.has_value() || facts.machine.client->client_machine_id().empty())
    return std::nullopt;
  const std::string cmid = absl::AsciiStrToLower(facts.machine.client->client_machine_id());
  const auto sharing = facts.index.by_cmid.find(cmid);
  if (sharing == facts.index.by_cmid.end() || sharing->second.size() < 2) return std::nullopt;
  FindingBuilder builder("CLIENT_DUPLICATE_CMID", facts.machine);
  builder.Saw("kms_client", "client_machine_id", cmid);
  for (const std::string& id : sharing->second) {
    if (id != facts.machine.id)
      builder.Saw("kms_client", "the same id on", facts.estate.Find(id)->name);
  }
  builder.NoTreatments();
  if (*sharing->second.begin() == facts.machine.id) {
    // One may keep the id; the others get new ones.
    for (const std::string& id : sharing->second) {
      if (id != facts.machine.id)
        builder.Treat("reset_machine_id", {}, id).Treat("activate", {}, id);
    }
  } else {
    builder.Treat("reset_machine_id").Treat("activate");
  }
  return builder.Build();
}

Found CachingOff(const Facts& facts) {
  if (!AsksAHost(facts) || !facts.machine.client.has_value()) return std::nullopt;
  const v1::KmsClientSection& client = *facts.machine.client;
  if (!client.has_host_caching() || client.host_caching()) return std::nullopt;
  return FindingBuilder("CLIENT_CACHING_OFF", facts.machine)
      .Saw("kms_client", "host_caching", "disabled")
      .Build();
}

Found ActivationTypeLimited(const Facts& facts) {
  if (!facts.machine.client.has_value() || facts.is_host) return std::nullopt;
  const v1::ActivationType type = facts.machine.client->activation_type();
  if (type != v1::ACTIVATION_TYPE_DIRECTORY && type != v1::ACTIVATION_TYPE_TOKEN)
    return std::nullopt;
  if (facts.primary != nullptr && facts.primary->status() == v1::LICENSE_STATUS_LICENSED)
    return std::nullopt;
  return FindingBuilder("CLIENT_ACTIVATION_TYPE_LIMITED", facts.machine)
      .Saw("kms_client", "activation_type",
           type == v1::ACTIVATION_TYPE_DIRECTORY ? "directory only" : "token only")
      .Build();
}

Found ActivatedByDirectory(const Facts& facts) {
  if (!facts.index.directory_users.contains(facts.machine.id)) return std::nullopt;
  return FindingBuilder("CLIENT_ACTIVATED_BY_DIRECTORY", facts.machine)
      .Saw("kms_client", "activation_object", facts.machine.client->activation_object())
      .NoTreatments()
      .Build();
}

constexpr Rule kRules[] = {
    {Stage::kFact, &DuplicateCmid},         {Stage::kFact, &CachingOff},
    {Stage::kFact, &ActivationTypeLimited}, {Stage::kFact, &ActivatedByDirectory},
    {Stage::kFact, &HostOverride},          {Stage::kFact, &MakUntilCount},
    {Stage::kCause, &EditionNotVolume},     {Stage::kCause, &KeyWrongEdition},
    {Stage::kCause, &KeyNotGvlk},           {Stage::kCause, &ClockSkew},
    {Stage::kCause, &HostUnsanctioned},     {Stage::kCause, &NonGenuine},
    {Stage::kCause, &NoNameServer},         {Stage::kCause, &NoSrv},
    {Stage::kSymptom, &HardwareChanged},    {Stage::kSymptom, &HostKeyMismatch},
    {Stage::kSymptom, &CountTooLow},        {Stage::kSymptom, &HostUnreachable},
    {Stage::kGeneric, &NeverActivated},     {Stage::kGeneric, &GraceExpiring},
    {Stage::kGeneric, &RenewalOverdue},     {Stage::kGeneric, &NotLicensed},
};

}  // namespace

std::span<const Rule> ClientRules() { return kRules; }

}  // namespace keymedic::kms
