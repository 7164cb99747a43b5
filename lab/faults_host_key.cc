// SPDX-License-Identifier: Apache-2.0
//
// Faults of KMS hosts: their key, their Windows, their log.
#include "lab/fault_kinds.h"

namespace keymedic::lab {
namespace {

constexpr uint32_t kSmallLogBytes = 64 << 10;
constexpr uint32_t kTinyLogBytes = 2 << 10;
constexpr uint32_t kHrSkuNotFound = 0xC004F015;
constexpr uint32_t kDesktopBuild = 19045;
constexpr uint32_t kFirstRevision = 1;  // as on the installation medium

void License(Machine& machine, const HostKeyFamily& family, absl::Time now) {
  machine.product = MakeHostProduct(machine, family, MakePartialKey(machine.random), now);
  machine.product.status = keymedic::v1::LICENSE_STATUS_LICENSED;
  machine.product.reason = 0;
  machine.host->csvlk_family = std::string(family.family);
  machine.host->extended_pid = machine.product.extended_pid;
}

void SwapHostKey(Landscape& landscape, const PlannedFault& fault, absl::Time now) {
  License(HostOf(landscape, fault),
          *FindHostKeyFamily(fault.fault.family().empty() ? "Windows Server 2012 R2"
                                                          : fault.fault.family()),
          now);
}

void DeactivateHost(Landscape& landscape, const PlannedFault& fault, absl::Time now) {
  Machine& machine = HostOf(landscape, fault);
  const std::string extended_pid = machine.product.extended_pid;
  machine.product = MakeHostProduct(machine, *FindHostKeyFamily(machine.host->csvlk_family),
                                    machine.product.partial_key, now);
  machine.product.extended_pid = extended_pid;  // the key is the same
}

void UseUpHostKey(Landscape& landscape, const PlannedFault& fault, absl::Time now) {
  DeactivateHost(landscape, fault, now);
  ProductState& product = HostOf(landscape, fault).product;
  product.refusal = product.reason = kHrKeyUsedUp;
}

// The key's product is not there on such a Windows, so the key was never activated.
void UseWrongEdition(Landscape& landscape, const PlannedFault& fault, absl::Time now) {
  DeactivateHost(landscape, fault, now);
  Machine& machine = HostOf(landscape, fault);
  machine.product.refusal = machine.product.reason = kHrSkuNotFound;
  if (machine.random.Uint64() % 2 == 0) {
    machine.edition_id = "ServerTurbine";  // Datacenter: Azure Edition
    if (machine.build < 20348) machine.build = 20348;
  } else {
    machine.edition_id = "Enterprise";
    machine.build = kDesktopBuild;
    machine.is_server = false;
  }
  machine.host->build = machine.build;
}

// The key is a newer one than its Windows, which lacks the update for it.
void WithholdUpdates(Landscape& landscape, const PlannedFault& fault, absl::Time now) {
  Machine& machine = HostOf(landscape, fault);
  machine.revision = machine.host->revision = kFirstRevision;
  if (!fault.fault.family().empty())
    License(machine, *FindHostKeyFamily(fault.fault.family()), now);
}

void FillLog(Landscape& landscape, const PlannedFault& fault, absl::Time) {
  HostOf(landscape, fault).host->log.StopOverwriting(kSmallLogBytes);
}

void ShrinkLog(Landscape& landscape, const PlannedFault& fault, absl::Time) {
  HostOf(landscape, fault).host->log.SetMaxBytes(kTinyLogBytes);
}

constexpr FaultKind kKinds[] = {
    {"host_key_wrong_group", "the host has a key of `family` (Windows Server 2012 R2)", true,
     kTouchesKey, SwapHostKey},
    {"host_not_activated", "the host's key was never activated: it does not serve", true,
     kTouchesKey, DeactivateHost},
    {"host_activation_limit", "the host's key is used up: Microsoft refuses to activate it", true,
     kTouchesKey, UseUpHostKey},
    {"host_edition_cannot_host", "the host became an Azure Edition, or a desktop: no key fits it",
     true, kTouchesKey, UseWrongEdition},
    {"host_outdated", "the host has no updates, and a newer key (`family`, or its own)", true,
     kTouchesKey, WithholdUpdates},
    {"host_log_full", "the Key Management Service log is small and does not overwrite", true,
     kTouchesLog, FillLog},
    {"host_log_small", "the Key Management Service log holds a few requests only", true,
     kTouchesLog, ShrinkLog},
};

}  // namespace

std::span<const FaultKind> HostKeyFaults() { return kKinds; }

}  // namespace keymedic::lab
