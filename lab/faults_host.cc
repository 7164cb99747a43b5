// SPDX-License-Identifier: Apache-2.0
//
// Faults of KMS hosts: the way to them - service, firewall, port, address, network.
#include <algorithm>

#include "absl/strings/str_format.h"
#include "kms/tables.h"
#include "lab/fault_kinds.h"

namespace keymedic::lab {
namespace {

constexpr uint32_t kOtherPort = 1699;

void CloseFirewall(Landscape& landscape, const PlannedFault& fault, absl::Time) {
  for (auto& rule : HostOf(landscape, fault).rules) {
    if (rule.id() == kKmsRule) rule.set_enabled(false);
  }
}

void RemoveRule(Landscape& landscape, const PlannedFault& fault, absl::Time) {
  std::erase_if(HostOf(landscape, fault).rules,
                [](const auto& rule) { return rule.id() == kKmsRule; });
}

// Its network is taken for a public one, and the exception is for the organisation's.
void ChangeProfile(Landscape& landscape, const PlannedFault& fault, absl::Time) {
  Machine& machine = HostOf(landscape, fault);
  for (auto& rule : machine.rules) {
    if (rule.id() != kKmsRule) continue;
    rule.add_profiles("domain");
    rule.add_profiles("private");
  }
  machine.active_profile = "public";
}

void DisableService(Landscape& landscape, const PlannedFault& fault, absl::Time) {
  HostOf(landscape, fault).service_running = false;
  HostOf(landscape, fault).service_disabled = true;
}

void StopService(Landscape& landscape, const PlannedFault& fault, absl::Time) {
  HostOf(landscape, fault).service_running = false;
}

// The record is kept by hand from now on, and nobody told it.
void ChangePort(Landscape& landscape, const PlannedFault& fault, absl::Time) {
  KmsHost& host = *HostOf(landscape, fault).host;
  host.listening_port = fault.fault.port() == 0 ? kOtherPort : fault.fault.port();
  host.bound_port = host.listening_port;
  host.dns_publishing = false;
}

void CutOff(Landscape& landscape, const PlannedFault& fault, absl::Time) {
  landscape.Block("*", HostOf(landscape, fault));
}

void CutOffSite(Landscape& landscape, const PlannedFault& fault, absl::Time) {
  landscape.Block(fault.fault.site(), HostOf(landscape, fault));
}

// It moved, and its address record did not: at the old address there is nobody.
void LeaveOldAddress(Landscape& landscape, const PlannedFault& fault, absl::Time) {
  Machine& host = HostOf(landscape, fault);
  landscape.dns.AddAddress(host.fqdn(), absl::StrFormat("10.254.%d.%d", host.random.Uint64() % 250,
                                                        host.random.Uint64() % 250 + 1));
}

constexpr FaultKind kKinds[] = {
    {"host_firewall_closed", "the inbound exception for the KMS port is disabled", true,
     kTouchesFirewall, CloseFirewall},
    {"host_firewall_rule_missing", "the inbound exception for the KMS port was deleted", true,
     kTouchesFirewall, RemoveRule},
    {"host_firewall_wrong_profile", "the exception is not for the profile that became active", true,
     kTouchesFirewall, ChangeProfile},
    {"host_service_stopped", "the licensing service is stopped and disabled", true, kTouchesService,
     DisableService},
    {"host_service_down", "the licensing service is stopped, though not disabled", true,
     kTouchesService, StopService},
    {"host_port_changed", "the host listens on `port` (1699), its hand-kept record says 1688", true,
     kTouchesPort | kTouchesRecord, ChangePort},
    {"host_network_cut", "the network lets nobody through to the host", true, kTouchesNetwork,
     CutOff},
    {"host_site_cut_off", "the network lets nobody of `site` through to the host", true,
     kTouchesNetwork, CutOffSite},
    {"host_address_stale", "the host moved, and its address record did not", true, kTouchesWay,
     LeaveOldAddress},
};

}  // namespace

std::span<const FaultKind> HostPathFaults() { return kKinds; }

}  // namespace keymedic::lab
