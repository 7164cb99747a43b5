// SPDX-License-Identifier: Apache-2.0
//
// What works on every operating system: name look-ups and the endpoint probe, and the little that
// this machine says of itself where there is no volume activation.
//
// Life cycle and threads: as for all systems (systems.h): one plugin, one thread. Calls block, each
// for a bounded time.
#ifndef KEYMEDIC_PLUGINS_SYSTEMS_PORTABLE_PORTABLE_H_
#define KEYMEDIC_PLUGINS_SYSTEMS_PORTABLE_PORTABLE_H_

#include <memory>

#include "absl/time/time.h"
#include "plugins/systems/portable/resolver.h"
#include "plugins/systems/systems.h"

namespace keymedic::systems {

std::unique_ptr<Names> MakePortableNames(ResolverOptions options = {});

// `limit` covers the name, the connection and the answer together.
std::unique_ptr<EndpointProbe> MakePortableProbe(absl::Duration limit = absl::Seconds(5),
                                                 ResolverOptions options = {});

std::unique_ptr<Machine> MakePortableMachine();

// Seams of a machine without volume activation: each answers kUnimplemented with one sentence.
std::unique_ptr<LicensingSystem> MakeUnavailableLicensing();
std::unique_ptr<EventLog> MakeUnavailableEventLog();
std::unique_ptr<Firewall> MakeUnavailableFirewall();
std::unique_ptr<Services> MakeUnavailableServices();

// This machine; names and the addresses that the probe needs are asked as `resolver` says. On
// Windows its source is windows/local_windows.cc.
Systems MakeLocalSystems(const ResolverOptions& resolver = {});

}  // namespace keymedic::systems

#endif  // KEYMEDIC_PLUGINS_SYSTEMS_PORTABLE_PORTABLE_H_
