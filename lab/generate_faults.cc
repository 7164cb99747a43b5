// SPDX-License-Identifier: Apache-2.0
//
// Faults with their parameters, and which of them stand beside each other.
#include <algorithm>
#include <initializer_list>
#include <iterator>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "lab/generate_parts.h"

namespace keymedic::lab {
namespace {

constexpr uint32_t kUpdateErrors[] = {0x80072338, 0x8007232D, 0x8007232C};
constexpr uint32_t kPorts[] = {1689, 1699, 2688, 11688};
constexpr absl::string_view kRogues[] = {"kms.free-activation.example", "kms.digiboy.example",
                                         "kms8.msguides.example"};

bool IsOneOf(absl::string_view name, std::initializer_list<absl::string_view> names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

bool MovesCount(absl::string_view name) {
  return IsOneOf(
      name, {"count_too_low", "count_stuck", "count_split", "host_standby", "host_count_misread"});
}

bool IsLog(absl::string_view name) { return IsOneOf(name, {"host_log_full", "host_log_small"}); }

// These lay the evidence of the others into the host's log, or need it there.
bool NeedsLog(const FaultKind& kind) {
  return (kind.touches &
          (kTouchesRecord | kTouchesNetwork | kTouchesCount | kTouchesKey | kTouchesWay)) != 0;
}

// The pool is about how many it counts: whatever keeps requests away would be all there is to see.
bool KeepsRequestsAway(const FaultKind& kind) {
  return (kind.touches & (kTouchesFirewall | kTouchesService | kTouchesPort | kTouchesNetwork |
                          kTouchesKey | kTouchesWay | kTouchesRecord)) != 0;
}

bool GoTogether(const FaultKind& a, const FaultKind& b) {
  if (&a == &b || (a.touches & b.touches) != 0) return false;
  if ((IsLog(a.name) && NeedsLog(b)) || (IsLog(b.name) && NeedsLog(a))) return false;
  if ((MovesCount(a.name) && KeepsRequestsAway(b)) || (MovesCount(b.name) && KeepsRequestsAway(a)))
    return false;
  if (MovesCount(a.name) && MovesCount(b.name)) return false;
  // A host that is not licensed, or does not run, publishes nothing, rejects nobody.
  const auto silent = [](const FaultKind& kind) {
    return (kind.touches & kTouchesService) != 0 ||
           IsOneOf(kind.name,
                   {"host_not_activated", "host_activation_limit", "host_edition_cannot_host"});
  };
  const auto needs_life = [](const FaultKind& kind) {
    return (kind.touches & kTouchesRecord) != 0 ||
           IsOneOf(kind.name, {"host_key_wrong_group", "host_outdated"});
  };
  if ((silent(a) && needs_life(b)) || (silent(b) && needs_life(a))) return false;
  // Whoever does not get through is not rejected either.
  const auto shut = [](const FaultKind& kind) {
    return (kind.touches & (kTouchesFirewall | kTouchesPort | kTouchesNetwork | kTouchesWay)) != 0;
  };
  const auto rejects = [](const FaultKind& kind) { return kind.name == "host_key_wrong_group"; };
  if ((shut(a) && rejects(b)) || (shut(b) && rejects(a))) return false;
  // Behind another fault of the way nobody sees that the network is in it too.
  const auto network = [](const FaultKind& kind) {
    return (kind.touches & (kTouchesNetwork | kTouchesWay)) != 0;
  };
  return !((network(a) && (shut(b) || silent(b))) || (network(b) && (shut(a) || silent(a))));
}

}  // namespace

bool FitsInto(const FaultKind& kind, const Pool& pool) {
  constexpr size_t kMostOfOnePool = 3;
  if (pool.faults.size() >= kMostOfOnePool) return false;
  if (kind.name == "count_split" && (pool.machines < 30 || pool.machines > 90)) return false;
  if (MovesCount(kind.name) && kind.name != "count_split" && pool.machines < 15) return false;
  if (kind.name == "host_standby" && pool.machines < 32) return false;
  if (kind.name == "host_site_cut_off" && pool.machines < 30) return false;
  return std::all_of(pool.faults.begin(), pool.faults.end(),
                     [&](const FaultKind* other) { return GoTogether(kind, *other); });
}

bool GoesOver(const FaultKind& kind, const FaultKind& first) {
  // Clones are several; what needs a host of its own pool has none here.
  constexpr uint32_t kAlone = kTouchesAgent | kTouchesId | kTouchesWay | kTouchesNetwork;
  if ((kind.touches & kAlone) != 0 || (kind.touches & first.touches) != 0) return false;
  // Who holds no client key asks nobody, so nothing of the way can be seen.
  const bool asks_nobody =
      IsOneOf(first.name, {"client_mak", "client_retail", "client_oem", "client_home_edition",
                           "client_in_directory"}) ||
      IsOneOf(kind.name, {"client_mak", "client_retail", "client_oem", "client_home_edition"});
  return !asks_nobody || (kind.touches & kTouchesClock) != 0 ||
         (first.touches & (kTouchesClock | kTouchesId)) != 0;
}

void Shape(const FaultKind& kind, Dice& dice, Pool& pool) {
  if (IsOneOf(kind.name, {"count_split", "host_standby"})) pool.two_hosts = true;
  if (kind.name == "host_site_cut_off") pool.two_sites = true;
  if (IsOneOf(kind.name, {"host_outdated", "host_key_wrong_group"})) pool.older_host = true;
  if (kind.name == "count_split") pool.exactly = dice.Between(28, std::min(44u, pool.machines - 2));
  if (kind.name == "count_too_low")
    pool.exactly = dice.Between(8, std::min(23u, pool.machines - 2));
}

v1::Fault DrawHostFault(const FaultKind& kind, const Pool& pool, Dice& dice) {
  v1::Fault fault;
  fault.set_fault(std::string(kind.name));
  fault.set_target(pool.hosts[0]);
  fault.set_since_days(pool.machines < 60 && dice.Chance(0.08) ? dice.Days(150, 178)
                                                               : dice.Lately(0.5, 60));
  if (MovesCount(kind.name)) fault.set_since_days(dice.Days(2, 40));
  if (kind.name == "count_split") fault.set_host(pool.hosts[1]);
  if (kind.name == "host_site_cut_off") fault.set_site(pool.sites.back());
  if (IsOneOf(kind.name, {"host_dns_publish_denied", "host_dns_publish_failing"}))
    fault.set_error(dice.Pick(kUpdateErrors));
  if (kind.name == "host_port_changed") fault.set_port(dice.Pick(kPorts));
  if (kind.name == "host_key_wrong_group") {
    fault.set_family(pool.host_build == 17763   ? "Windows Server 2019"
                     : pool.host_build == 14393 ? "Windows Server 2016"
                                                : "Windows Server 2022");
  }
  if (kind.name == "srv_stale")
    fault.set_host(absl::StrCat("kms-", dice.Between(1, 99), "-gone.", pool.domain));
  if (kind.name == "srv_rogue") {
    fault.set_host(dice.Chance(0.5) ? absl::StrCat("kms-dev", dice.Between(1, 9), ".", pool.domain)
                                    : std::string(dice.Pick(kRogues)));
  }
  return fault;
}

v1::Fault DrawClientFault(const FaultKind& kind, const Pool& pool, Dice& dice) {
  const absl::string_view name = kind.name;
  v1::Fault fault;
  fault.set_fault(std::string(name));
  fault.set_machines(absl::StrCat(dice.Pick(pool.prefixes), "-*"));
  fault.set_count(IsOneOf(name, {"duplicate_cmid", "clones_without_rearms"}) ? dice.Between(2, 4)
                                                                             : dice.Between(1, 3));
  fault.set_since_days(dice.Days(0.5, 60));
  fault.set_over_others((kind.touches & (kTouchesClock | kTouchesCaching | kTouchesId)) != 0 &&
                        dice.Chance(0.5));
  if (name == "client_activated_by_rogue") fault.set_since_days(dice.Days(0.5, 6));
  if (name == "client_renewals_stopped") fault.set_since_days(dice.Days(15, 230));
  if (IsOneOf(name, {"client_hardware_changed", "client_never_activated"}))
    fault.set_since_days(dice.Days(1, 50));
  if (name == "agent_silent") fault.set_since_days(dice.Days(0.2, 20));
  if (IsOneOf(name, {"client_pinned_host", "client_pinned_other_port"}))
    fault.set_host(dice.Pick(pool.hosts));
  if (name == "client_pinned_other_port") fault.set_port(dice.Pick(kPorts));
  if (name == "client_pinned_dead_host" && dice.Chance(0.5))
    fault.set_host(absl::StrCat("kms-", dice.Between(1, 9), "-old.", pool.domain));
  if (IsOneOf(name, {"client_pinned_rogue", "client_activated_by_rogue"}) && dice.Chance(0.7))
    fault.set_host(std::string(dice.Pick(kRogues)));
  if (name == "client_clock_off") {
    const double hours = dice.Chance(0.3) ? dice.Days(1.5, 3.5) : dice.Days(4.6, 80);
    fault.set_hours(dice.Chance(0.5) ? hours : -hours);
  }
  return fault;
}

}  // namespace keymedic::lab
