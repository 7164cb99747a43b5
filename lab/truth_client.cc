// SPDX-License-Identifier: Apache-2.0
//
// What is true of clients.
#include <algorithm>

#include "absl/strings/ascii.h"
#include "kms/tables.h"
#include "lab/truth_teller.h"

namespace keymedic::lab {
namespace {

using keymedic::v1::LICENSE_STATUS_LICENSED;
constexpr absl::Duration kDay = absl::Hours(24);

int Or(uint32_t value, int otherwise) { return value == 0 ? otherwise : static_cast<int>(value); }

bool IsLicensed(const Machine& machine) {
  return machine.product.status == LICENSE_STATUS_LICENSED;
}

bool IsGrace(const Machine& machine) {
  const auto status = machine.product.status;
  return status == keymedic::v1::LICENSE_STATUS_INITIAL_GRACE ||
         status == keymedic::v1::LICENSE_STATUS_ADDITIONAL_GRACE;
}

// Set up for its cloud's own KMS endpoint.
bool IsInCloud(const Machine& machine) {
  return !kms::CloudOfHost(machine.client.registered_host).empty();
}

bool IsPinned(const Machine& machine) {
  return !machine.client.registered_host.empty() && !IsInCloud(machine);
}

bool IsPublic(absl::string_view address) { return address.substr(0, 3) != "10."; }

}  // namespace

uint32_t TruthTeller::ThresholdOf(const Machine& machine) { return machine.is_server ? 5 : 25; }

// The hosts that DNS names for it, or that stand in its domain, count too few for it.
bool TruthTeller::IsPoolShort(const Machine& machine) const {
  const uint32_t needed = ThresholdOf(machine);
  std::set<const Machine*> pool;
  for (const Srv& record : landscape_.DiscoverHosts(machine))
    pool.insert(landscape_.FindHost(record.target));
  for (const Machine* const host : hosts_) {
    if (host->domain == machine.domain) pool.insert(host);
  }
  bool known = false;
  for (const Machine* const host : pool) {
    const auto truth = host_truths_.find(host);
    // Nobody can know a count that is told wrongly.
    if (truth == host_truths_.end() || host->host->misread_count.has_value()) continue;
    if (truth->second.count >= needed) return false;
    known = true;
  }
  return known;
}

bool TruthTeller::IsOverdue(const Machine& machine) const {
  return IsLicensed(machine) && machine.product.is_gvlk() && !machine.client.by_directory &&
         machine.client.last_activation.has_value() &&
         now_ - *machine.client.last_activation > 2 * kRenewalInterval;
}

Statement TruthTeller::Plain(const Machine& machine) const {
  if (IsLicensed(machine)) return {"CLIENT_RENEWAL_OVERDUE", machine.name};
  // Once its grace is over, only its history tells what never was from what lapsed.
  const bool over = machine.product.status == keymedic::v1::LICENSE_STATUS_NOTIFICATION;
  if (!machine.client.last_activation.has_value() && !over)
    return {"CLIENT_NEVER_ACTIVATED", machine.name};
  if (IsGrace(machine) && machine.product.ends - now_ < kDay * Or(policy_.grace_warning_days(), 30))
    return {"CLIENT_GRACE_EXPIRING", machine.name};
  return {"CLIENT_NOT_LICENSED", machine.name};
}

void TruthTeller::TellKey(const Machine& machine) {
  const std::string& name = machine.name;
  const kms::Edition* const edition = kms::FindEdition(machine.edition_id, machine.build);
  const ProductState& product = machine.product;
  const auto root = [&](absl::string_view code) {
    Say(code, name, true);
    roots_[name].insert({std::string(code), name});
  };
  if (!product.is_gvlk() && (!policy_.has_expect_kms() || policy_.expect_kms())) {
    if (edition != nullptr && !edition->has_volume_key) {
      root("CLIENT_EDITION_NOT_VOLUME");
    } else if (product.key_channel == "Volume:MAK" && IsPoolShort(machine)) {
      Say("CLIENT_MAK_UNTIL_COUNT", name, true);
    } else {
      root("CLIENT_KEY_NOT_GVLK");
    }
  }
  const kms::Gvlk* const own = kms::GvlkForEdition(machine.edition_id, machine.build);
  if (product.is_gvlk() && (own == nullptr || own->partial_key != product.partial_key))
    root("CLIENT_KEY_WRONG_EDITION");
  if (!product.genuine) root("CLIENT_NON_GENUINE");
  if (!IsLicensed(machine) && product.reason == kReasonHardware) root("CLIENT_HARDWARE_CHANGED");
  // The same answer for what lapsed.
  if (!IsLicensed(machine) && product.reason == kReasonAdditionalGrace)
    Say("CLIENT_HARDWARE_CHANGED", name, false);
}

void TruthTeller::TellState(Machine& machine, const std::vector<Obstacle>& obstacles) {
  const std::string& name = machine.name;
  const ProductState& product = machine.product;
  if (!IsLicensed(machine)) {
    Say("CLIENT_NOT_LICENSED", name, false);
    if (product.is_gvlk() && (product.status == keymedic::v1::LICENSE_STATUS_INITIAL_GRACE ||
                              !machine.client.last_activation.has_value()))
      Say("CLIENT_NEVER_ACTIVATED", name, false);
    if (IsGrace(machine) && product.ends - now_ < kDay * Or(policy_.grace_warning_days(), 30))
      Say("CLIENT_GRACE_EXPIRING", name, false);
  }
  if (IsOverdue(machine)) Say("CLIENT_RENEWAL_OVERDUE", name, false);
  if (!product.is_gvlk()) return;
  const bool suffers = !IsLicensed(machine) || IsOverdue(machine) || machine.client.last_error != 0;
  if (!suffers) return;
  for (const Obstacle& obstacle : obstacles) roots_[name].merge(CausesOf(machine, obstacle));
  // Behind whatever keeps it from a host, every host would reject its clock.
  if (!roots_[name].empty() && absl::AbsDuration(machine.clock_error) > kMaxClockDifference)
    roots_[name].insert({"CLIENT_CLOCK_SKEW", name});
  const bool stands_still = !IsLicensed(machine) || IsOverdue(machine);
  const bool unexplained = roots_[name].empty();
  if (stands_still && unexplained) Say(Plain(machine).code, name, true);
  // Whatever is in its way, it does not try.
  if (stands_still && (unexplained || !machine.client.automatic))
    roots_[name].insert(Plain(machine));
  // The catalogue has one word for what lapsed and for what was rebuilt.
  if (unexplained && !IsLicensed(machine) && product.reason == kReasonAdditionalGrace)
    roots_[name].insert({"CLIENT_HARDWARE_CHANGED", name});
  if (roots_[name].empty()) roots_.erase(name);  // it will work next time
}

void TruthTeller::TellRogue(const Machine& machine) {
  const ClientState& client = machine.client;
  const std::string& name = machine.name;
  const Machine* const pinned =
      client.registered_host.empty() ? nullptr : landscape_.FindHost(client.registered_host);
  const bool asks = machine.product.is_gvlk() && !UsesDirectory(machine);
  bool unsanctioned = false;
  if (pinned != nullptr && pinned->host != nullptr && !IsApproved(*pinned) && !IsInCloud(machine)) {
    unsanctioned = asks && (!policy_.kms_hosts().empty() || IsPublic(pinned->address));
    Say("CLIENT_HOST_UNSANCTIONED", name, unsanctioned);
  }
  const Machine* const by =
      client.activated_by.empty() ? nullptr : landscape_.Find(client.activated_by);
  if (by != nullptr && !IsApproved(*by) && kms::CloudOfHost(by->name).empty()) {
    // Of a private host that nobody listed, and that the client names itself, nobody can tell.
    const bool known = pinned != by || !policy_.kms_hosts().empty() || IsPublic(by->address);
    unsanctioned = unsanctioned || (asks && known);
    Say("CLIENT_HOST_UNSANCTIONED", name, asks && known);
  }
  const Machine* const found =
      client.found_host.empty() ? nullptr : landscape_.FindHost(client.found_host);
  if (found != nullptr && !IsApproved(*found)) Say("CLIENT_HOST_UNSANCTIONED", name, false);
  // It would be sent there.
  for (const Srv& record : landscape_.DiscoverHosts(machine)) {
    const Machine* const host = landscape_.FindHost(record.target);
    if (client.registered_host.empty() && host != nullptr && !IsApproved(*host)) {
      Say("CLIENT_HOST_UNSANCTIONED", name, false,
          OfRecords("DNS_SRV_UNSANCTIONED", machine, record.target));
    }
  }
  if (!IsPinned(machine)) return;
  // A host that is gone is on no list either.
  if (unsanctioned || pinned == nullptr)
    Say("CLIENT_HOST_UNSANCTIONED", name, false, {{"CLIENT_HOST_OVERRIDE", name}});
  Say("CLIENT_HOST_OVERRIDE", name, asks && !unsanctioned);
}

void TruthTeller::TellPath(Machine& machine, const std::vector<Obstacle>& obstacles) {
  const std::string& name = machine.name;
  if (machine.no_name_server) Say("CLIENT_DNS_NO_SERVER", name, true);
  if (!machine.product.is_gvlk() || UsesDirectory(machine)) return;
  if (!machine.client.host_caching) Say("CLIENT_CACHING_OFF", name, true);
  const bool looks = machine.client.registered_host.empty() && !machine.no_name_server;
  if (looks && landscape_.DiscoverHosts(machine).empty()) {
    const Causes causes = CausesOfNoRecord(machine);
    Say("CLIENT_DNS_NO_SRV", name, causes.contains({"CLIENT_DNS_NO_SRV", name}), causes);
    if (causes.contains({"CLIENT_LOOKUP_DOMAIN_WRONG", name}))
      Say("CLIENT_LOOKUP_DOMAIN_WRONG", name, true);
  }
  bool reached = false;
  Causes silence;
  std::vector<KnownHost> hosts;
  if (looks || !machine.client.registered_host.empty()) hosts = KnownHosts(landscape_, machine);
  for (const KnownHost& known : hosts) {
    Obstacle obstacle{.kind = Obstacle::Kind::kNoContact,
                      .host = known.name,
                      .port = known.port,
                      .connection = landscape_.Connect(machine, known.name, known.port)};
    if (obstacle.connection.result == Reached::kKms) {
      reached = true;
    } else {
      silence.merge(CausesOfSilence(machine, obstacle));
    }
  }
  if (!hosts.empty() && !reached) {
    Say("CLIENT_HOST_UNREACHABLE", name, silence.contains({"CLIENT_HOST_UNREACHABLE", name}),
        silence);
  }
  for (const Obstacle& obstacle : obstacles) {
    if (obstacle.kind == Obstacle::Kind::kKeyGroup) Say("CLIENT_HOST_KEY_MISMATCH", name, false);
    if (obstacle.kind == Obstacle::Kind::kCount) Say("CLIENT_COUNT_TOO_LOW", name, false);
  }
}

void TruthTeller::TellClient(Machine& machine) {
  const std::string& name = machine.name;
  const std::vector<Obstacle> obstacles = Rehearse(landscape_, machine, now_);
  TellKey(machine);
  TellState(machine, obstacles);
  TellRogue(machine);
  TellPath(machine, obstacles);
  if (absl::AbsDuration(machine.clock_error) >= absl::Minutes(Or(policy_.clock_skew_minutes(), 60)))
    Say("CLIENT_CLOCK_SKEW", name, true);
  using keymedic::v1::ActivationType;
  const bool limited = machine.client.type == keymedic::v1::ACTIVATION_TYPE_DIRECTORY ||
                       machine.client.type == keymedic::v1::ACTIVATION_TYPE_TOKEN;
  if (limited && !UsesDirectory(machine))
    Say("CLIENT_ACTIVATION_TYPE_LIMITED", name, machine.product.is_gvlk());
  if (machine.client.by_directory && machine.product.is_gvlk() && IsLicensed(machine))
    Say("CLIENT_ACTIVATED_BY_DIRECTORY", name, true);
}

}  // namespace keymedic::lab
