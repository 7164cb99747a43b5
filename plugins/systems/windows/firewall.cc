// SPDX-License-Identifier: Apache-2.0
#include "plugins/systems/windows/firewall.h"

#include <netfw.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"
#include "base/windows/wide.h"
#include "plugins/systems/windows/com.h"
#include "plugins/systems/windows/firewall_rules.h"

namespace keymedic::systems {
namespace {

constexpr char kRuleClass[] = "MSFT_NetFirewallRule";
constexpr absl::Duration kLimit = absl::Seconds(20);

using Context = std::map<std::string, std::string>;
const Context& ActiveStore() {
  static const auto& context = *new Context{{"PolicyStore", "ActiveStore"}};
  return context;
}

// What INetFwPolicy2 needs; made on the caller's thread, used on COM's.
struct NewRule {
  std::string name;
  std::string ports;
  int32_t profiles = 0;
  bool enabled = false;
};

HRESULT OpenRules(ComPtr<INetFwRules>& rules) {
  ComPtr<INetFwPolicy2> policy;
  const HRESULT result = CoCreateInstance(__uuidof(NetFwPolicy2), nullptr, CLSCTX_INPROC_SERVER,
                                          __uuidof(INetFwPolicy2), policy.OutVoid());
  return FAILED(result) ? result : policy->get_Rules(rules.Out());
}

HRESULT FillRule(INetFwRule& rule, const NewRule& wanted) {
  HRESULT result = S_OK;
  const auto then = [&](HRESULT next) {
    if (SUCCEEDED(result)) result = next;
  };
  const Bstr name{absl::string_view(wanted.name)}, ports{absl::string_view(wanted.ports)};
  const Bstr group(std::wstring_view(L"KeyMedic"));
  const Bstr description(std::wstring_view(L"Lets KMS clients reach this KMS host."));
  then(rule.put_Name(name.get()));
  then(rule.put_Description(description.get()));
  then(rule.put_Grouping(group.get()));
  then(rule.put_Protocol(NET_FW_IP_PROTOCOL_TCP));  // before the ports, which depend on it
  then(rule.put_LocalPorts(ports.get()));
  then(rule.put_Direction(NET_FW_RULE_DIR_IN));
  then(rule.put_Profiles(wanted.profiles));
  then(rule.put_Action(NET_FW_ACTION_ALLOW));
  then(rule.put_Enabled(wanted.enabled ? VARIANT_TRUE : VARIANT_FALSE));
  return result;
}

HRESULT Add(const NewRule& wanted) {
  ComPtr<INetFwRules> rules;
  ComPtr<INetFwRule> rule;
  HRESULT result = OpenRules(rules);
  if (SUCCEEDED(result)) {
    result = CoCreateInstance(__uuidof(NetFwRule), nullptr, CLSCTX_INPROC_SERVER,
                              __uuidof(INetFwRule), rule.OutVoid());
  }
  if (SUCCEEDED(result)) result = FillRule(*rule.get(), wanted);
  return FAILED(result) ? result : rules->Add(rule.get());
}

HRESULT Remove(const std::string& name) {
  ComPtr<INetFwRules> rules;
  const Bstr text{absl::string_view(name)};
  const HRESULT result = OpenRules(rules);
  return FAILED(result) ? result : rules->Remove(text.get());
}

absl::Status Refuse(absl::string_view id) {
  return absl::InvalidArgumentError(absl::StrCat("the firewall rule '", id,
                                                 "' is not KeyMedic's: its name does not begin"
                                                 " with ",
                                                 kOwnRulePrefix));
}

class WindowsFirewall final : public Firewall {
 public:
  WindowsFirewall(std::shared_ptr<ComThread> thread, std::unique_ptr<Wmi> wmi)
      : thread_(std::move(thread)), wmi_(std::move(wmi)) {}

  absl::StatusOr<v1::FirewallSection> Read(uint32_t port) override {
    KM_ASSIGN_OR_RETURN(const FirewallRows local, ReadStore({}));
    std::vector<v1::FirewallRule> rules = RulesForPort(local, port);
    // What policy adds is worth having, but nothing that is known fails for it.
    if (const auto active = ReadStore(ActiveStore()); active.ok()) {
      MergeActive(RulesForPort(*active, port), rules);
    }
    if (std::any_of(rules.begin(), rules.end(), IsBlock)) {
      const auto filters = wmi_->Query({.class_name = "MSFT_NetAddressFilter",
                                        .columns = {"InstanceID", "RemoteAddress"},
                                        .context = ActiveStore()});
      KeepBlocksForAll(filters.ok() ? *filters : std::vector<WmiRow>(), rules);
    }
    v1::FirewallSection section;
    FillProfile(section);
    for (v1::FirewallRule& rule : rules) *section.add_rules() = std::move(rule);
    return section;
  }

  absl::Status SetRuleEnabled(absl::string_view rule_id, bool enabled) override {
    KM_ASSIGN_OR_RETURN(const WmiRow rule, Find(rule_id));
    const std::string method = enabled ? "Enable" : "Disable";
    KM_ASSIGN_OR_RETURN(
        const Hresult refused,
        wmi_->Call({.class_name = kRuleClass, .path = rule.path(), .method = method}));
    if (refused == 0) return absl::OkStatus();
    return windows::HresultError(absl::StrCat(method, " the firewall rule '", rule_id, "'"),
                                 refused);
  }

  absl::Status AddInboundRule(const v1::FirewallRule& rule) override {
    if (!IsOwnRule(rule.id())) return Refuse(rule.id());
    const auto known = Find(rule.id());
    if (known.ok()) {
      return absl::AlreadyExistsError(
          absl::StrCat("the firewall rule '", rule.id(), "' exists already"));
    }
    if (!absl::IsNotFound(known.status())) return known.status();
    const NewRule wanted{.name = rule.id(),
                         .ports = absl::StrJoin(rule.tcp_ports(), ","),
                         .profiles = ProfileBits(rule),
                         .enabled = rule.enabled()};
    return Change(absl::StrCat("add the firewall rule '", rule.id(), "'"),
                  [wanted] { return Add(wanted); });
  }

  absl::Status RemoveRule(absl::string_view rule_id) override {
    if (!IsOwnRule(rule_id)) return Refuse(rule_id);
    KM_RETURN_IF_ERROR(Find(rule_id).status());
    return Change(absl::StrCat("remove the firewall rule '", rule_id, "'"),
                  [name = std::string(rule_id)] { return Remove(name); });
  }

 private:
  absl::StatusOr<FirewallRows> ReadStore(const Context& context) {
    FirewallRows rows;
    KM_ASSIGN_OR_RETURN(
        rows.rules, wmi_->Query({.class_name = kRuleClass,
                                 .columns = {"InstanceID", "ElementName", "Enabled", "Direction",
                                             "Action", "Profiles", "PolicyStoreSourceType"},
                                 .where = "Direction = 1",
                                 .context = context}));
    KM_ASSIGN_OR_RETURN(rows.ports, wmi_->Query({.class_name = "MSFT_NetProtocolPortFilter",
                                                 .columns = {"InstanceID", "Protocol", "LocalPort"},
                                                 .where = "Protocol = 'TCP'",
                                                 .context = context}));
    return rows;
  }

  // Which network this is, and what holds there: unknown if Windows does not say.
  void FillProfile(v1::FirewallSection& section) {
    const auto networks =
        wmi_->Query({.class_name = "MSFT_NetConnectionProfile", .columns = {"NetworkCategory"}});
    if (!networks.ok()) return;
    const auto active = ActiveProfile(*networks);
    if (!active.has_value()) return;
    section.set_active_profile(*active);
    WmiQuery query{.class_name = "MSFT_NetFirewallProfile",
                   .columns = {"InstanceID", "Name", "Enabled", "AllowLocalFirewallRules"},
                   .context = ActiveStore()};
    std::optional<bool> enabled;
    if (const auto in_force = wmi_->Query(query); in_force.ok()) {
      enabled = ProfileFlag(*in_force, *active, "Enabled");
      if (ProfileFlag(*in_force, *active, "AllowLocalFirewallRules") == false) {
        section.set_local_rules_ignored(true);
      }
    }
    query.context.clear();
    if (!enabled.has_value()) {
      if (const auto local = wmi_->Query(query); local.ok()) {
        enabled = ProfileFlag(*local, *active, "Enabled");
      }
    }
    if (enabled.has_value()) section.set_enabled(*enabled);
  }

  absl::StatusOr<WmiRow> Find(absl::string_view id) {
    const auto unknown = [&] {
      return absl::NotFoundError(absl::StrCat("there is no firewall rule '", id, "'"));
    };
    if (id.empty() || id.find_first_of("'\\\"") != absl::string_view::npos) return unknown();
    const char* key = IsOwnRule(id) ? "ElementName" : "InstanceID";
    KM_ASSIGN_OR_RETURN(auto rows, wmi_->Query({.class_name = kRuleClass,
                                                .columns = {},
                                                .where = absl::StrCat(key, " = '", id, "'")}));
    if (rows.empty()) return unknown();
    return std::move(rows.front());
  }

  absl::Status Change(const std::string& what, std::function<HRESULT()> change) {
    return thread_->Call(what, kLimit, [what, change = std::move(change)]() -> absl::Status {
      const HRESULT result = change();
      if (SUCCEEDED(result)) return absl::OkStatus();
      return windows::HresultError(what, static_cast<uint32_t>(result));
    });
  }

  const std::shared_ptr<ComThread> thread_;
  const std::unique_ptr<Wmi> wmi_;
};

}  // namespace

std::unique_ptr<Firewall> MakeWindowsFirewall(std::shared_ptr<ComThread> thread,
                                              std::unique_ptr<Wmi> wmi) {
  return std::make_unique<WindowsFirewall>(std::move(thread), std::move(wmi));
}

}  // namespace keymedic::systems
