// SPDX-License-Identifier: Apache-2.0
#include "kms/diagnosis/forecast_machine.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/times.h"

namespace keymedic::kms {
namespace {

constexpr int kToleratedSkewMinutes = 4 * 60;
constexpr uint32_t kClockError = 0xC004F06C;

// Findings of a host that answers nobody while they last.
constexpr absl::string_view kClosers[] = {
    "HOST_SERVICE_STOPPED",
    "HOST_FIREWALL_CLOSED",
    "HOST_NOT_LICENSED",
    "HOST_UNREACHABLE",
};

std::string Day(absl::Time time) { return absl::FormatTime("%Y-%m-%d", time, absl::UTCTimeZone()); }

MachineOutlook Unknown(std::string reason) {
  return {.course = Course::kUnknown, .reason = std::move(reason)};
}

// When this client was last activated; InfinitePast: not known.
absl::Time LastActivation(const Facts& facts) {
  if (facts.machine.client.has_value() && facts.machine.client->has_last_activation_at())
    return FromTimestamp(facts.machine.client->last_activation_at());
  return facts.primary->has_expires_at() ? FromTimestamp(facts.primary->expires_at()) - kKmsValidity
                                         : absl::InfinitePast();
}

absl::Duration RenewalIntervalOf(const Facts& facts) {
  const absl::Duration said = facts.machine.client.has_value()
                                  ? absl::Minutes(facts.machine.client->renewal_interval_minutes())
                                  : absl::ZeroDuration();
  return std::max(said, kRenewalInterval);
}

// Does the newest attempt still tell what the next one will meet? What was looked at since then
// (a probe, DNS, the clock) is newer.
bool StillFails(const Facts& facts, absl::Time last_activation) {
  const v1::ActivationAttempt* attempt = facts.attempt;
  if (attempt == nullptr || (attempt->has_at() && FromTimestamp(attempt->at()) <= last_activation))
    return false;
  const uint32_t error = facts.attempt_error;
  constexpr uint32_t kIsFailure = 0x80000000;
  if ((error & kIsFailure) == 0) {
    if (attempt->has_answered() && !attempt->answered()) return !facts.host_alive;
    return attempt->has_bound() && !attempt->bound();
  }
  if (IsNoContact(error)) return !facts.host_alive;
  if (IsNoSrv(error) && facts.machine.names.has_value()) return IsToldNoSrv(*facts.machine.names);
  if (error == kClockError && facts.machine.os.has_value() &&
      facts.machine.os->has_clock_skew_minutes())
    return std::abs(facts.machine.os->clock_skew_minutes()) >= kToleratedSkewMinutes;
  return true;
}

bool IsAboutCount(const Facts& facts) {
  if (IsCountTooLow(facts.attempt_error)) return true;
  return facts.attempt != nullptr && facts.attempt_error == 0 && facts.attempt->has_count() &&
         facts.attempt->count() < static_cast<uint32_t>(RequiredCountOf(facts));
}

std::string AttemptText(const Facts& facts) {
  const std::string when =
      facts.attempt->has_at() ? absl::StrCat(" of ", Day(FromTimestamp(facts.attempt->at()))) : "";
  return facts.attempt_error != 0
             ? absl::StrCat("its newest attempt", when, " failed with ", Hex(facts.attempt_error))
             : absl::StrCat("its newest attempt", when, " did not activate it");
}

bool UsesDirectory(const Facts& facts) {
  return facts.index.directory_users.contains(facts.machine.id);
}

// What keeps its requests from a host, or a host's answer from it; empty: nothing that it shows.
std::string Hindrance(const Facts& facts, absl::Time last_activation) {
  if (UsesDirectory(facts)) return "";
  // A host that the estate knows tells its count itself, and newer.
  const bool judged_there = facts.host_machine != nullptr && IsAboutCount(facts);
  if (!judged_there && StillFails(facts, last_activation)) return AttemptText(facts);
  if (facts.host_dead)
    return absl::StrCat("the host that it asks, ", facts.host_name, ", is silent");
  const int skew = facts.machine.os.has_value() ? facts.machine.os->clock_skew_minutes() : 0;
  if (std::abs(skew) >= kToleratedSkewMinutes)
    return absl::StrCat("its clock is off by ", skew, " minutes");
  if (facts.host_name.empty() && facts.machine.names.has_value() &&
      IsToldNoSrv(*facts.machine.names))
    return "DNS names no host to it";
  return "";
}

std::string StoppedBecause(const Facts& facts, absl::Time now) {
  const absl::Time last = LastActivation(facts);
  std::string hindrance = Hindrance(facts, last);
  if (hindrance.empty() && now - last > 2 * RenewalIntervalOf(facts) &&
      last != absl::InfinitePast())
    return absl::StrCat("it has not renewed since ", Day(last));
  return hindrance;
}

MachineOutlook Leaves(absl::Time expires, std::string reason) {
  if (expires == absl::InfiniteFuture()) {
    return Unknown(absl::StrCat("its renewal is stopped (", reason,
                                "), and until when it is licensed is not known"));
  }
  return {.course = Course::kLeavesLicensed, .at = expires, .reason = std::move(reason)};
}

MachineOutlook OfOtherLicense(const Facts& facts) {
  const v1::Product& product = *facts.primary;
  const absl::Time expires =
      product.has_expires_at() ? FromTimestamp(product.expires_at()) : absl::InfiniteFuture();
  switch (facts.channel) {
    case Channel::kEvaluation:
    case Channel::kMak:
    case Channel::kRetail:
    case Channel::kOem: {
      const absl::Time ends = product.has_evaluation_ends_at()
                                  ? std::min(expires, FromTimestamp(product.evaluation_ends_at()))
                                  : expires;
      if (ends != absl::InfiniteFuture())
        return {.course = Course::kLicenseEnds, .at = ends, .reason = "its license has an end"};
      if (facts.channel == Channel::kEvaluation) return Unknown("the end of its evaluation");
      return {.course = Course::kForever, .reason = std::string(ChannelText(product))};
    }
    case Channel::kKmsHost:
      if (!product.has_expires_at()) return {.course = Course::kForever, .reason = "a host key"};
      return Unknown("why its host key has an end");
    case Channel::kVirtualMachine:
      return Unknown("whether its hypervisor renews it: that is not seen from here");
    default:
      return Unknown("of what kind its key is");
  }
}

}  // namespace

int RequiredCountOf(const Facts& facts) {
  if (facts.attempt != nullptr && facts.attempt->required_count() != 0)
    return static_cast<int>(facts.attempt->required_count());
  if (facts.sku != nullptr && facts.sku->required_count != 0)
    return static_cast<int>(facts.sku->required_count);
  const bool server = facts.machine.os.has_value() && facts.machine.os->is_server();
  return server ? kServerThreshold : kDesktopThreshold;
}

bool IsInRhythm(const v1::RequestSummary& request, absl::Time now) {
  return request.last_error() == 0 && request.has_last_at() &&
         now - FromTimestamp(request.last_at()) <= 2 * kRenewalInterval;
}

MachineOutlook Outlooks::Of(const MachineState& machine) {
  const Facts facts(estate_, machine, policy_, now_);
  if (facts.primary == nullptr) return Unknown("its license: no state of it has arrived");
  const v1::Product& product = *facts.primary;
  switch (product.status()) {
    case v1::LICENSE_STATUS_LICENSED:
      if (product.permanent()) return {.course = Course::kForever, .reason = "permanent"};
      return facts.channel == Channel::kKmsClient ? OfKmsClient(facts) : OfOtherLicense(facts);
    case v1::LICENSE_STATUS_INITIAL_GRACE:
    case v1::LICENSE_STATUS_ADDITIONAL_GRACE:
    case v1::LICENSE_STATUS_NON_GENUINE_GRACE:
    case v1::LICENSE_STATUS_EXTENDED_GRACE:
      if (!product.has_expires_at()) return Unknown("when its grace period ends");
      return {.course = Course::kLeavesGrace,
              .at = FromTimestamp(product.expires_at()),
              .reason = "it is in a grace period"};
    case v1::LICENSE_STATUS_UNLICENSED:
    case v1::LICENSE_STATUS_NOTIFICATION:
      return {.course = Course::kNotLicensed, .reason = "it is not licensed now"};
    default:
      return Unknown("the state of its license");
  }
}

bool Outlooks::LeavesLicensed(const MachineState& machine) {
  const Course course = Of(machine).course;
  return course == Course::kLeavesLicensed || course == Course::kLicenseEnds;
}

MachineOutlook Outlooks::OfKmsClient(const Facts& facts) {
  const absl::Time last = LastActivation(facts);
  absl::Time expires = absl::InfiniteFuture();
  if (facts.primary->has_expires_at()) {
    expires = FromTimestamp(facts.primary->expires_at());
  } else if (last != absl::InfinitePast()) {
    expires = last + kKmsValidity;
  }
  if (std::string stopped = StoppedBecause(facts, now_); !stopped.empty()) {
    MachineOutlook outlook = Leaves(expires, std::move(stopped));
    if (facts.host_machine != nullptr && !facts.host_alive) {
      outlook.host = facts.host_machine;
      outlook.host_code = ClosedBy(*facts.host_machine);
    }
    return outlook;
  }
  if (last == absl::InfinitePast())
    return Unknown("when it was last activated, and so whether it renews");
  if (std::optional<MachineOutlook> by_host = StoppedByHost(facts, expires))
    return *std::move(by_host);
  return {.course = Course::kRenews, .reason = absl::StrCat("activated on ", Day(last))};
}

// A host that answers nobody, or that counts too few and will go on to do so, stops those that have
// no other one.
std::optional<MachineOutlook> Outlooks::StoppedByHost(const Facts& facts, absl::Time expires) {
  const MachineState* host = facts.host_machine;
  const int required = RequiredCountOf(facts);
  if (host == nullptr || UsesDirectory(facts) || Serves(*host, required)) return std::nullopt;
  const std::string& closed_by = ClosedBy(*host);
  // It sees for itself that this host answers.
  if (!closed_by.empty() && facts.host_alive && closed_by != "HOST_NOT_LICENSED")
    return std::nullopt;
  if (!facts.pinned && !facts.machine.names.has_value() && estate_.index().hosts.size() > 1) {
    return Unknown("which other hosts DNS names to it, as its own, " + host->name +
                   ", does not serve it");
  }
  if (!facts.pinned && facts.machine.names.has_value()) {
    for (const v1::SrvAnswer& answer : facts.machine.names->answers()) {
      for (const v1::SrvRecord& record : answer.records()) {
        const MachineState* other = estate_.FindByHostName(record.target());
        if (other == host) continue;
        if (other == nullptr)
          return Unknown(absl::StrCat("whether ", record.target(), " serves it, as its own host, ",
                                      host->name, ", does not"));
        if (Serves(*other, required)) return std::nullopt;
      }
    }
  }
  MachineOutlook outlook =
      closed_by.empty()
          ? Leaves(expires, absl::StrCat("its host ", host->name, " counts ",
                                         CountOf(*host->host).value_or(0), " of ", required))
          : Leaves(expires, absl::StrCat("its host ", host->name, " answers nobody"));
  outlook.host = host;
  outlook.host_code = closed_by.empty() ? "HOST_COUNT_TOO_LOW" : closed_by;
  return outlook;
}

bool Outlooks::Serves(const MachineState& host, int required) {
  if (!ClosedBy(host).empty()) return false;
  const std::optional<int> count = host.host.has_value() ? CountOf(*host.host) : std::nullopt;
  if (!count.has_value()) return true;
  // A count that is short grows while enough machines ask.
  return *count >= required || ReturningTo(host) >= required;
}

const std::string& Outlooks::ClosedBy(const MachineState& host) {
  const auto [it, is_new] = closed_by_.try_emplace(host.id);
  if (!is_new) return it->second;
  const std::vector<v1::Finding> findings = DiagnoseMachine(estate_, host.id, policy_, now_);
  for (absl::string_view closer : kClosers) {
    if (absl::c_any_of(findings, [&](const v1::Finding& f) { return f.code() == closer; })) {
      it->second = std::string(closer);
      break;
    }
  }
  return it->second;
}

// Unlicensed machines ask, too, and count: those whose newest request was answered.
bool Outlooks::IsAsker(const Facts& facts) {
  if (facts.host_machine == nullptr || facts.is_host || !facts.is_kms_client ||
      !facts.machine.client.has_value() ||
      !IsMachineId(facts.machine.client->client_machine_id()) || UsesDirectory(facts))
    return false;
  if (facts.attempt != nullptr && facts.attempt->answered() && facts.attempt->has_at() &&
      now_ - FromTimestamp(facts.attempt->at()) <= 2 * kRenewalInterval)
    return true;
  return facts.licensed() && facts.channel == Channel::kKmsClient &&
         LastActivation(facts) != absl::InfinitePast() && StoppedBecause(facts, now_).empty();
}

void Outlooks::FindAskers() {
  if (std::exchange(askers_found_, true)) return;
  for (const auto& [id, machine] : estate_.index().machines) {
    if (!machine.client.has_value()) continue;
    const Facts facts(estate_, machine, policy_, now_);
    if (IsAsker(facts)) askers_[facts.host_machine->id].push_back(&machine);
  }
}

const std::vector<const MachineState*>& Outlooks::AskersOf(const MachineState& host) {
  FindAskers();
  return askers_[host.id];
}

int Outlooks::ReturningTo(const MachineState& host) {
  const auto [it, is_new] = returning_.try_emplace(host.id, 0);
  if (!is_new) return it->second;
  absl::flat_hash_set<std::string> ids;
  for (const MachineState* asker : AskersOf(host))
    ids.insert(absl::AsciiStrToLower(asker->client->client_machine_id()));
  if (host.host.has_value()) {
    for (const v1::RequestSummary& request : host.host->requests()) {
      std::string id = absl::AsciiStrToLower(request.client_machine_id());
      if (IsMachineId(id) && !estate_.index().by_cmid.contains(id) && IsInRhythm(request, now_))
        ids.insert(std::move(id));
    }
  }
  return it->second = static_cast<int>(ids.size());
}

}  // namespace keymedic::kms
