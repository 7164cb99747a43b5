// SPDX-License-Identifier: Apache-2.0
//
// Clients: what the licensing service says of its own state, and what is left when nothing says
// why.
#include <algorithm>
#include <cstdlib>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "kms/diagnosis/evidence.h"

namespace keymedic::kms {
namespace {

constexpr int64_t kDay = 86400;
constexpr int64_t kValidity = 180 * kDay;  // of one KMS activation
constexpr int64_t kRenewal = 7 * kDay;     // how often a client renews, unless its host says so

// A number of the policy; 0 there means the default.
int64_t Or(uint32_t value, int64_t otherwise) { return value == 0 ? otherwise : value; }

Found NonGenuine(const Facts& facts) {
  if (Found found = OnError("CLIENT_NON_GENUINE", facts, &IsNonGenuine)) return found;
  const v1::Product* product = FindProduct(facts, [](const v1::Product& p) {
    return p.status() == v1::LICENSE_STATUS_NON_GENUINE_GRACE || (p.has_genuine() && !p.genuine());
  });
  if (product != nullptr) return About("CLIENT_NON_GENUINE", facts, product).Build();
  // What a log said once is over when the product is licensed now.
  if (!facts.machine.licensing.has_value() || facts.licensed()) return std::nullopt;
  for (const v1::Observation& seen : facts.machine.licensing->observations()) {
    if (!IsNonGenuine(seen.error())) continue;
    return FindingBuilder("CLIENT_NON_GENUINE", facts.machine)
        .Saw(absl::StrCat("event ", seen.event_id()), "error", ErrorText(seen.error()),
             seen.has_at() ? &seen.at() : nullptr)
        .Build();
  }
  return std::nullopt;
}

bool IsHardware(uint32_t error) { return error == 0xC004F00F; }

// The state itself says it, whatever the newest attempt met.
Found HardwareRejected(const Facts& facts) {
  const v1::Product* product = FindProduct(facts, [](const v1::Product& p) {
    return p.status() != v1::LICENSE_STATUS_LICENSED && IsHardware(p.status_reason());
  });
  if (product == nullptr) return std::nullopt;
  return About("CLIENT_HARDWARE_CHANGED", facts, product).Build();
}

Found HardwareChanged(const Facts& facts) {
  return OnError("CLIENT_HARDWARE_CHANGED", facts, &IsHardware);
}

bool IsClock(uint32_t error) { return error == 0xC004F06C; }

// By how many minutes the clock is off, if that is more than the policy allows; 0: it is not, or
// nobody measured it.
int MinutesOff(const Facts& facts) {
  const int off = facts.machine.os.has_value() ? facts.machine.os->clock_skew_minutes() : 0;
  return std::abs(off) >= Or(facts.policy.clock_skew_minutes(), 60) ? off : 0;
}

// A host rejects what was sent more than four hours before or after it by its own clock.
bool ClockStops(const Facts& facts) {
  constexpr int kTolerated = 240;
  const bool measured = facts.machine.os.has_value() && facts.machine.os->has_clock_skew_minutes();
  const int off = MinutesOff(facts);
  // An old complaint about the clock says nothing once the clock is measured to be right.
  return std::abs(off) >= kTolerated || (facts.Shows(&IsClock) && (!measured || off != 0));
}

Found ClockFinding(const Facts& facts) {
  FindingBuilder builder("CLIENT_CLOCK_SKEW", facts.machine);
  if (const int off = MinutesOff(facts); off != 0) {
    builder.Saw("os", "clock_skew_minutes",
                absl::StrCat(off, " against ", facts.machine.os->clock_source()));
  }
  AddRejection(builder, facts);
  return AddError(builder, facts).Build();
}

Found ClockSkew(const Facts& facts) {
  return ClockStops(facts) ? ClockFinding(facts) : std::nullopt;
}

// Worth saying, but not what keeps the machine from being activated.
Found ClockDrifts(const Facts& facts) {
  return MinutesOff(facts) != 0 && !ClockStops(facts) ? ClockFinding(facts) : std::nullopt;
}

// What a reader found told in two ways. It left the field absent, so that no rule judges by it.
Found Contradictory(const Facts& facts) {
  if (facts.machine.contradictions.empty()) return std::nullopt;
  FindingBuilder builder("EVIDENCE_CONTRADICTORY", facts.machine);
  for (const Contradiction& told : facts.machine.contradictions) {
    builder.Saw(told.one_source, told.field, told.one)
        .Saw(told.other_source, told.field, told.other);
  }
  return builder.Build();
}

// The agent is there and is told nothing: what its system answered stands in the evidence.
Found Unreadable(const Facts& facts) {
  FindingBuilder builder("AGENT_STATE_UNREADABLE", facts.machine);
  bool any = false;
  const auto saw = [&](absl::string_view source, const auto& section) {
    if (!section.has_value() || !section->has_unavailable()) return;
    builder.Saw(source, "unavailable", section->unavailable());
    any = true;
  };
  saw("licensing", facts.machine.licensing);
  saw("firewall", facts.machine.firewall);
  return any ? Found(builder.Build()) : std::nullopt;
}

const v1::Product* Unlicensed(const Facts& facts) {
  return FindProduct(facts, [](const v1::Product& p) {
    return p.status() != v1::LICENSE_STATUS_UNSPECIFIED &&
           p.status() != v1::LICENSE_STATUS_LICENSED;
  });
}

// When the client was last activated by a KMS host; 0: not known.
int64_t LastActivation(const Facts& facts) {
  const v1::KmsClientSection& client = *facts.machine.client;
  if (client.has_last_activation_at()) return client.last_activation_at().seconds();
  return facts.primary->has_expires_at() ? facts.primary->expires_at().seconds() - kValidity : 0;
}

// How long ago the last activation was, in seconds, if that is too long; 0 if it is not.
int64_t OverdueFor(const Facts& facts) {
  if (!facts.licensed() || facts.is_host || facts.channel != Channel::kKmsClient ||
      !facts.machine.client.has_value() || facts.index.directory_users.contains(facts.machine.id))
    return 0;
  const int64_t last = LastActivation(facts);
  if (last == 0) return 0;
  const int64_t interval =
      std::max<int64_t>(int64_t{facts.machine.client->renewal_interval_minutes()} * 60, kRenewal);
  const int64_t age = absl::ToUnixSeconds(facts.now) - last;
  return age > 2 * interval ? age : 0;
}

// Of a licensed client on KMS it says that the next renewal will fail.
Found ActivationTypeLimited(const Facts& facts) {
  if (!facts.never_asks() || facts.is_host || !facts.wants_kms() ||
      facts.index.directory_users.contains(facts.machine.id) ||
      (facts.licensed() && facts.channel != Channel::kKmsClient))
    return std::nullopt;
  FindingBuilder builder("CLIENT_ACTIVATION_TYPE_LIMITED", facts.machine);
  // It is why the machine is not licensed, or soon will not be.
  if (Unlicensed(facts) != nullptr || OverdueFor(facts) != 0)
    builder.Severity(v1::SEVERITY_WARNING);
  return builder
      .Saw("kms_client", "activation_type",
           facts.machine.client->activation_type() == v1::ACTIVATION_TYPE_DIRECTORY
               ? "directory only"
               : "token only")
      .Build();
}

Found ActivatedByDirectory(const Facts& facts) {
  if (!facts.index.directory_users.contains(facts.machine.id)) return std::nullopt;
  const v1::KmsClientSection& client = *facts.machine.client;
  FindingBuilder builder("CLIENT_ACTIVATED_BY_DIRECTORY", facts.machine);
  if (client.activation_object().empty()) {
    builder.Saw("kms_client", "last_activation_type", "directory");
  } else {
    builder.Saw("kms_client", "activation_object", client.activation_object());
  }
  return builder.NoTreatments().Build();
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
  const int64_t days = (product->expires_at().seconds() - absl::ToUnixSeconds(facts.now)) / kDay;
  if (days >= Or(facts.policy.grace_warning_days(), 30)) return std::nullopt;
  FindingBuilder builder = About("CLIENT_GRACE_EXPIRING", facts, product);
  builder.Saw("licensing", "days left", absl::StrCat(std::max<int64_t>(days, 0)));
  return AddAttempt(builder, facts).Build();
}

Found RenewalOverdue(const Facts& facts) {
  const int64_t age = OverdueFor(facts);
  if (age == 0) return std::nullopt;
  FindingBuilder builder = About("CLIENT_RENEWAL_OVERDUE", facts, facts.primary);
  builder.Saw("kms_client", "last activation", absl::StrCat(age / kDay, " days ago"));
  return AddAttempt(builder, facts).Build();
}

Found NotLicensed(const Facts& facts) {
  const v1::Product* product = Unlicensed(facts);
  if (product == nullptr) return std::nullopt;
  FindingBuilder builder = About("CLIENT_NOT_LICENSED", facts, product);
  return AddAttempt(builder, facts).Build();
}

// In the grace that follows a change of hardware, and equally an activation that was not renewed:
// only a machine that was activated not so long ago cannot have lapsed.
Found OutOfTolerance(const Facts& facts) {
  constexpr uint32_t kAdditionalGrace = 0x4004F00D;
  const v1::Product* product = Unlicensed(facts);
  if (product == nullptr || product->status_reason() != kAdditionalGrace) return std::nullopt;
  const bool lapsed = facts.machine.client.has_value() &&
                      facts.machine.client->has_last_activation_at() &&
                      absl::ToUnixSeconds(facts.now) - LastActivation(facts) >= kValidity;
  if (lapsed) return std::nullopt;
  return About("CLIENT_HARDWARE_CHANGED", facts, product).Build();
}

constexpr Rule kRules[] = {
    {Stage::kFact, &Contradictory},        {Stage::kFact, &ActivationTypeLimited},
    {Stage::kFact, &ActivatedByDirectory}, {Stage::kFact, &ClockDrifts},
    {Stage::kFact, &Unreadable},           {Stage::kCause, &ClockSkew},
    {Stage::kCause, &NonGenuine},          {Stage::kCause, &HardwareRejected},
    {Stage::kSymptom, &HardwareChanged},   {Stage::kGeneric, &NeverActivated},
    {Stage::kGeneric, &GraceExpiring},     {Stage::kGeneric, &RenewalOverdue},
    {Stage::kGeneric, &NotLicensed},       {Stage::kGeneric, &OutOfTolerance},
};

}  // namespace

std::span<const Rule> ClientStateRules() { return kRules; }

}  // namespace keymedic::kms
