// SPDX-License-Identifier: Apache-2.0
//
// Rows of the firewall's classes as the section. A rule's identity is its InstanceID, which is
// never translated; our own rules, made through an interface that gives them a GUID, are known by
// the name that we gave them. Pure; any thread.
#ifndef KEYMEDIC_PLUGINS_SYSTEMS_WINDOWS_FIREWALL_RULES_H_
#define KEYMEDIC_PLUGINS_SYSTEMS_WINDOWS_FIREWALL_RULES_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "plugins/systems/systems.h"
#include "plugins/systems/windows/wmi_value.h"

namespace keymedic::systems {

bool IsOwnRule(absl::string_view id);

// What one store says: its inbound rules and the port filters that go with them.
struct FirewallRows {
  std::vector<WmiRow> rules;
  std::vector<WmiRow> ports;
};
// The rule of Windows for KMS, our own, and those that name `port`; blocks only if enabled.
std::vector<v1::FirewallRule> RulesForPort(const FirewallRows& rows, uint32_t port);

// Adds what only `active`, the store of what is in force, has: rules of group policy. One that both
// have counts as enabled if it is in either.
void MergeActive(const std::vector<v1::FirewallRule>& active, std::vector<v1::FirewallRule>& rules);

// A block that is in force, whoever's exception says otherwise.
bool IsBlock(const v1::FirewallRule& rule);
// Takes those away that an address filter (rows of MSFT_NetAddressFilter) makes blocks for some
// addresses only, or whose filter is not among them.
void KeepBlocksForAll(const std::vector<WmiRow>& filters, std::vector<v1::FirewallRule>& rules);

// "domain", "private" or "public": of several networks that where a KMS host serves, first domain,
// then private. Nothing if there is no network.
std::optional<std::string> ActiveProfile(const std::vector<WmiRow>& networks);
// What its profile of that name says in a column that is 0, 1 or 2 for "not configured".
std::optional<bool> ProfileFlag(const std::vector<WmiRow>& profiles, absl::string_view profile,
                                const std::string& column);

// The bits of `profiles` as INetFwRule takes them; empty: all.
int32_t ProfileBits(const v1::FirewallRule& rule);

}  // namespace keymedic::systems

#endif  // KEYMEDIC_PLUGINS_SYSTEMS_WINDOWS_FIREWALL_RULES_H_
