// SPDX-License-Identifier: Apache-2.0
//
// Faults of clients.
#include "absl/strings/str_cat.h"
#include "kms/tables.h"
#include "lab/client.h"
#include "lab/fault_kinds.h"

namespace keymedic::lab {
namespace {

constexpr double kClockHours = 7;
constexpr uint32_t kOtherPort = 1699;
constexpr uint32_t kEventHardwareChanged = 1040;
constexpr uint32_t kEventGenuineState = 8209;

void UseMak(Landscape& landscape, const PlannedFault& fault, absl::Time) {
  ForEachClient(landscape, fault, [](Machine& m) { m.product = MakeMakProduct(m); });
}

void UseRetail(Landscape& landscape, const PlannedFault& fault, absl::Time) {
  ForEachClient(landscape, fault, [](Machine& m) { m.product = MakeRetailProduct(m); });
}

void UseOem(Landscape& landscape, const PlannedFault& fault, absl::Time) {
  ForEachClient(landscape, fault, [](Machine& m) { m.product = MakeOemProduct(m); });
}

// Bought over the counter: it came with the manufacturer's key.
void UseHomeEdition(Landscape& landscape, const PlannedFault& fault, absl::Time now) {
  ForEachClient(landscape, fault, [&](Machine& m) {
    m.edition_id = "Core";
    m.product = MakeClientProduct(m, now);
    m.client.registered_host.clear();
  });
}

void UseOtherEditionsKey(Landscape& landscape, const PlannedFault& fault, absl::Time now) {
  ForEachClient(landscape, fault, [&](Machine& m) {
    const absl::string_view own = m.product.partial_key;
    for (const absl::string_view edition :
         {"Professional", "Enterprise", "ServerStandard", "ServerDatacenter"}) {
      const kms::Gvlk* other = kms::GvlkForEdition(edition, m.build);
      const bool for_server = edition.substr(0, 6) == "Server";
      if (other == nullptr || other->partial_key == own || for_server != m.is_server) continue;
      m.product = MakeGvlkProduct(m, other->partial_key, now);
      return;
    }
  });
}

void PinDeadHost(Landscape& landscape, const PlannedFault& fault, absl::Time) {
  ForEachClient(landscape, fault, [&](Machine& m) {
    std::string host = fault.fault.host();
    if (host.empty()) host = absl::StrCat("kms-old.", m.domain);
    // Its address record outlived it.
    if (landscape.dns.Address(host).empty()) landscape.dns.AddAddress(host, "10.255.0.1");
    m.client.registered_host = host;
    m.client.registered_port = fault.fault.port();
  });
}

void Pin(Landscape& landscape, const PlannedFault& fault, uint32_t port) {
  const std::string host = landscape.Find(fault.fault.host())->fqdn();
  ForEachClient(landscape, fault, [&](Machine& m) {
    m.client.registered_host = host;
    m.client.registered_port = port;
  });
}

void PinHost(Landscape& landscape, const PlannedFault& fault, absl::Time) {
  Pin(landscape, fault, fault.fault.port());
}

void PinOtherPort(Landscape& landscape, const PlannedFault& fault, absl::Time) {
  Pin(landscape, fault, fault.fault.port() == 0 ? kOtherPort : fault.fault.port());
}

void PinRogueHost(Landscape& landscape, const PlannedFault& fault, absl::Time now) {
  ForEachClient(landscape, fault, [&](Machine& m) {
    const Machine& rogue = RogueHost(landscape, fault.fault, m.domain, now);
    m.client.registered_host = rogue.name;
    m.client.registered_port = 0;
    AttemptActivation(landscape, m, now, Trigger::kPerson);
  });
}

// With a tool that covers its tracks: the setting is gone, what the host said of itself is not.
void ActivateByRogue(Landscape& landscape, const PlannedFault& fault, absl::Time now) {
  ForEachClient(landscape, fault, [&](Machine& m) {
    const std::string before = m.client.registered_host;
    m.client.registered_host = RogueHost(landscape, fault.fault, m.domain, now).name;
    AttemptActivation(landscape, m, now, Trigger::kPerson);
    m.client.registered_host = before;
    m.client.host_address.clear();
  });
}

void TurnClock(Landscape& landscape, const PlannedFault& fault, absl::Time) {
  const double hours = fault.fault.hours() == 0 ? kClockHours : fault.fault.hours();
  ForEachClient(landscape, fault, [&](Machine& m) { m.clock_error = absl::Hours(1) * hours; });
}

// The first of them was the image of the others, and nobody generalised it.
void CloneMachineId(Landscape& landscape, const PlannedFault& fault, absl::Time) {
  const std::string id = landscape.Find(fault.machines[0])->client.machine_id;
  ForEachClient(landscape, fault, [&](Machine& m) { m.client.machine_id = id; });
}

void CloneWithoutRearms(Landscape& landscape, const PlannedFault& fault, absl::Time now) {
  CloneMachineId(landscape, fault, now);
  ForEachClient(landscape, fault, [](Machine& m) { m.rearms_left = 0; });
}

void CachingOff(Landscape& landscape, const PlannedFault& fault, absl::Time) {
  ForEachClient(landscape, fault, [](Machine& m) { m.client.host_caching = false; });
}

void StopTrying(Machine& m) {
  ++m.client.attempt_turn;  // what was planned is void
  m.client.automatic = false;
}

void NeverActivate(Landscape& landscape, const PlannedFault& fault, absl::Time now) {
  ForEachClient(landscape, fault, [&](Machine& m) {
    Reinstall(landscape, m, now);
    StopTrying(m);
  });
}

void StopRenewals(Landscape& landscape, const PlannedFault& fault, absl::Time) {
  ForEachClient(landscape, fault, StopTrying);
}

// A new mainboard: out of tolerance, and automatic activation is switched off.
void ChangeHardware(Landscape& landscape, const PlannedFault& fault, absl::Time now) {
  ForEachClient(landscape, fault, [&](Machine& m) {
    m.product.status = keymedic::v1::LICENSE_STATUS_ADDITIONAL_GRACE;
    m.product.reason = kReasonHardware;
    m.product.ends = now + kGrace;
    m.application.Write(kEventHardwareChanged, m.Local(now), {kWindowsApplicationId});
    StopTrying(m);
  });
}

void LoseGenuine(Landscape& landscape, const PlannedFault& fault, absl::Time now) {
  ForEachClient(landscape, fault, [&](Machine& m) {
    m.product.genuine = false;
    m.product.status = keymedic::v1::LICENSE_STATUS_NOTIFICATION;
    m.product.reason = kReasonNonGenuine;
    m.product.ends = absl::InfiniteFuture();
    m.application.Write(kEventGenuineState, m.Local(now), {"0x00000001", kWindowsApplicationId});
  });
}

void LimitType(Landscape& landscape, const PlannedFault& fault, absl::Time) {
  ForEachClient(landscape, fault, [&](Machine& m) {
    m.client.type = keymedic::v1::ACTIVATION_TYPE_DIRECTORY;
    m.client.directory_object.clear();
  });
}

// Its directory has an activation object: nothing is wrong.
void JoinDirectory(Landscape& landscape, const PlannedFault& fault, absl::Time now) {
  ForEachClient(landscape, fault, [&](Machine& m) {
    m.client.directory_object = "KMS AD Activation Object";
    AttemptActivation(landscape, m, now, Trigger::kPerson);
  });
}

void LoseSuffixes(Landscape& landscape, const PlannedFault& fault, absl::Time) {
  ForEachClient(landscape, fault, [](Machine& m) { m.suffixes = {"workgroup.invalid"}; });
}

void PinLookupDomain(Landscape& landscape, const PlannedFault& fault, absl::Time) {
  ForEachClient(landscape, fault, [&](Machine& m) {
    m.client.lookup_domain =
        fault.fault.host().empty() ? absl::StrCat("old.", m.domain) : fault.fault.host();
  });
}

void LoseNameServer(Landscape& landscape, const PlannedFault& fault, absl::Time) {
  ForEachClient(landscape, fault, [](Machine& m) { m.no_name_server = true; });
}

void BlockOutbound(Landscape& landscape, const PlannedFault& fault, absl::Time) {
  ForEachClient(landscape, fault, [](Machine& m) { m.outbound_blocked = true; });
}

void SilenceAgent(Landscape& landscape, const PlannedFault& fault, absl::Time now) {
  ForEachClient(landscape, fault, [&](Machine& m) {
    m.agent_silent_since = now - absl::Hours(1) * fault.fault.hours();
  });
}

void QuarantinePlugin(Landscape& landscape, const PlannedFault& fault, absl::Time) {
  ForEachClient(landscape, fault, [](Machine& m) { m.quarantined_plugin = "kms_client"; });
}

constexpr uint32_t kTouchesLicence = kTouchesKey | kTouchesActivity;
constexpr FaultKind kKinds[] = {
    {"client_mak", "a multiple activation key instead of the client key", false, kTouchesLicence,
     UseMak},
    {"client_retail", "a retail key instead of the client key", false, kTouchesLicence, UseRetail},
    {"client_oem", "the manufacturer's key instead of the client key", false, kTouchesLicence,
     UseOem},
    {"client_home_edition", "a home edition, which has no volume key", false,
     kTouchesLicence | kTouchesWay, UseHomeEdition},
    {"client_wrong_edition_key", "the client key of another edition", false, kTouchesLicence,
     UseOtherEditionsKey},
    {"client_pinned_dead_host", "registered with a host that is gone (`host`, `port`)", false,
     kTouchesWay, PinDeadHost},
    {"client_pinned_host", "registered with a KMS host of the estate (`host`)", false, kTouchesWay,
     PinHost},
    {"client_pinned_other_port", "the same, with a `port` (1699) on which it does not listen",
     false, kTouchesWay, PinOtherPort},
    {"client_pinned_rogue", "registered with a live host that nobody approved (`host`)", false,
     kTouchesWay, PinRogueHost},
    {"client_activated_by_rogue", "activated once by a host that nobody approved (`host`)", false,
     kTouchesWay, ActivateByRogue},
    {"client_clock_off", "the clock is off by `hours` (7)", false, kTouchesClock, TurnClock},
    {"duplicate_cmid", "cloned from one image without a new client machine id", false, kTouchesId,
     CloneMachineId},
    {"clones_without_rearms", "the same, and no rearm is left to part them", false, kTouchesId,
     CloneWithoutRearms},
    {"client_caching_off", "the client forgets its host", false, kTouchesCaching, CachingOff},
    {"client_never_activated", "set up anew, and automatic activation is switched off", false,
     kTouchesWholeClient, NeverActivate},
    {"client_renewals_stopped", "activated, and automatic activation was switched off since", false,
     kTouchesActivity, StopRenewals},
    {"client_hardware_changed", "other hardware, and automatic activation is switched off", false,
     kTouchesLicence, ChangeHardware},
    {"client_non_genuine", "genuine validation fails", false, kTouchesLicence, LoseGenuine},
    {"client_type_limited", "may only activate through the directory, which has no object", false,
     kTouchesType, LimitType},
    {"client_in_directory", "activated by an activation object: nothing is wrong", false,
     kTouchesType | kTouchesWay, JoinDirectory},
    {"client_wrong_suffix", "has lost its domain: asks for hosts in one that does not exist", false,
     kTouchesNames, LoseSuffixes},
    {"client_wrong_lookup_domain", "looks for hosts in a domain that has none only (`host`)", false,
     kTouchesNames, PinLookupDomain},
    {"client_no_name_server", "has no name server", false, kTouchesNames, LoseNameServer},
    {"client_port_blocked", "what it sends to a KMS host is dropped on the way", false,
     kTouchesNetwork, BlockOutbound},
    {"agent_silent", "its agent is not heard of any more (since `hours` before)", false,
     kTouchesAgent, SilenceAgent},
    {"plugin_crashes", "the plugin kms_client was taken out of service on it", false, kTouchesAgent,
     QuarantinePlugin},
};

}  // namespace

std::span<const FaultKind> ClientFaults() { return kKinds; }

}  // namespace keymedic::lab
