// SPDX-License-Identifier: Apache-2.0
#include "plugins/kms_host/firewall_exception.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "kms/tables.h"

namespace keymedic {
namespace {

using roles::Plan;
using systems::Hresult;
using systems::kWindowsKmsRule;

const v1::FirewallRule* Find(const v1::FirewallSection& section, const std::string& id) {
  for (const v1::FirewallRule& rule : section.rules()) {
    if (rule.id() == id) return &rule;
  }
  return nullptr;
}

template <typename List, typename Value>
bool Contains(const List& list, const Value& value) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

// Does it, or would it if it were enabled, concern the port where this machine is now?
bool Concerns(const v1::FirewallRule& rule, const v1::FirewallSection& section, uint32_t port) {
  return Contains(rule.tcp_ports(), port) && (!section.local_rules_ignored() || rule.of_policy()) &&
         (rule.profiles().empty() || !section.has_active_profile() ||
          Contains(rule.profiles(), section.active_profile()));
}

bool Fits(const v1::FirewallRule& rule, const v1::FirewallSection& section, uint32_t port) {
  return rule.inbound_allow() && Concerns(rule, section, port);
}

// The enabled rule that keeps the port closed, whatever else lets it in; null: none.
const v1::FirewallRule* FindBlock(const v1::FirewallSection& section, uint32_t port) {
  for (const v1::FirewallRule& rule : section.rules()) {
    if (rule.enabled() && !rule.inbound_allow() && Concerns(rule, section, port)) return &rule;
  }
  return nullptr;
}

std::string Describe(const v1::FirewallRule* rule) {
  if (rule == nullptr) return "absent";
  std::string ports;
  for (const uint32_t port : rule->tcp_ports()) absl::StrAppend(&ports, " ", port);
  return absl::StrCat(rule->enabled() ? "enabled" : "disabled", ", TCP", ports);
}

v1::FirewallRule OwnRule(uint32_t port, bool enabled) {
  v1::FirewallRule rule;
  rule.set_id(kOwnRule);
  rule.set_enabled(enabled);
  rule.set_inbound_allow(true);
  rule.add_tcp_ports(port);
  return rule;
}

absl::StatusOr<Hresult> Done(const absl::Status& status) {
  if (!status.ok()) return status;
  return 0;
}

// `wanted` in the place of the rule of ours that is there, if one is.
Plan PutOwnRule(systems::Firewall& firewall, const v1::FirewallSection& section,
                const v1::FirewallRule& wanted) {
  const v1::FirewallRule* own = Find(section, kOwnRule);
  Plan plan;
  plan.Add(absl::StrCat("firewall_rule ", kOwnRule), Describe(own), Describe(&wanted));
  if (own != nullptr && own->tcp_ports_size() == 1) {
    plan.SetInverse("ensure_firewall_exception", {{"enabled", own->enabled() ? "true" : "false"},
                                                  {"rule", kOwnRule},
                                                  {"port", absl::StrCat(own->tcp_ports(0))}});
  } else {
    plan.SetInverse("ensure_firewall_exception", {{"enabled", "false"}, {"rule", kOwnRule}});
  }
  plan.apply = [&firewall, wanted, exists = own != nullptr]() -> absl::StatusOr<Hresult> {
    if (exists) KM_RETURN_IF_ERROR(firewall.RemoveRule(kOwnRule));
    return Done(firewall.AddInboundRule(wanted));
  };
  return plan;
}

}  // namespace

absl::StatusOr<Plan> PlanFirewallException(systems::Firewall& firewall, uint32_t port) {
  KM_ASSIGN_OR_RETURN(const v1::FirewallSection section, firewall.Read(port));
  Plan plan;
  if (const v1::FirewallRule* block = FindBlock(section, port)) {
    return absl::FailedPreconditionError(
        absl::StrCat("the enabled firewall rule '", block->id(), "' blocks TCP ", port,
                     ", and a block goes before every exception: disable it",
                     block->of_policy() ? " in the group policy" : ""));
  }
  for (const v1::FirewallRule& rule : section.rules()) {
    if (rule.enabled() && Fits(rule, section, port)) return plan;
  }
  if (section.local_rules_ignored()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "group policy ignores the firewall rules of this machine's own in the profile '",
        section.active_profile(), "': add an inbound rule for TCP ", port, " to the policy"));
  }
  const v1::FirewallRule* windows = Find(section, kWindowsKmsRule);
  if (windows != nullptr && !windows->enabled() && Fits(*windows, section, port)) {
    plan.Add(absl::StrCat("firewall_rule ", kWindowsKmsRule), "disabled", "enabled");
    plan.SetInverse("ensure_firewall_exception", {{"enabled", "false"}, {"rule", kWindowsKmsRule}});
    plan.apply = [&firewall] { return Done(firewall.SetRuleEnabled(kWindowsKmsRule, true)); };
    return plan;
  }
  return PutOwnRule(firewall, section, OwnRule(port, /*enabled=*/true));
}

absl::StatusOr<Plan> PlanOwnRule(systems::Firewall& firewall, uint32_t port, bool enabled) {
  KM_ASSIGN_OR_RETURN(const v1::FirewallSection section, firewall.Read(port));
  const v1::FirewallRule* own = Find(section, kOwnRule);
  const v1::FirewallRule wanted = OwnRule(port, enabled);
  if (own != nullptr && Describe(own) == Describe(&wanted)) return Plan();
  return PutOwnRule(firewall, section, wanted);
}

absl::StatusOr<Plan> PlanFirewallClosing(systems::Firewall& firewall, std::string rule) {
  if (rule.empty()) rule = kWindowsKmsRule;
  if (rule != kWindowsKmsRule && rule != kOwnRule) {
    return absl::InvalidArgumentError(
        absl::StrCat("parameter rule='", rule, "' of ensure_firewall_",
                     "exception: ", kWindowsKmsRule, " or ", kOwnRule));
  }
  KM_ASSIGN_OR_RETURN(const v1::FirewallSection section, firewall.Read(kms::kDefaultPort));
  const v1::FirewallRule* present = Find(section, rule);
  Plan plan;
  if (present == nullptr || (rule == kWindowsKmsRule && !present->enabled())) return plan;
  if (rule == kOwnRule) {
    plan.Add(absl::StrCat("firewall_rule ", rule), Describe(present), "absent");
    plan.apply = [&firewall] { return Done(firewall.RemoveRule(kOwnRule)); };
  } else {
    plan.Add(absl::StrCat("firewall_rule ", rule), "enabled", "disabled");
    plan.SetInverse("ensure_firewall_exception", {});
    plan.apply = [&firewall] { return Done(firewall.SetRuleEnabled(kWindowsKmsRule, false)); };
  }
  return plan;
}

}  // namespace keymedic
