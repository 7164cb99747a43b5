// SPDX-License-Identifier: Apache-2.0
#include "tests/windows/doubles/firewall_policy.h"

#include <string>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "tests/windows/doubles/com_object.h"
#include "tests/windows/doubles/lab_machine.h"
#include "tests/windows/doubles/providers.h"

namespace keymedic::doubles {
namespace {

constexpr LONG kTcp = 6;

// Nobody here calls by name.
template <typename Interface>
class Dispatched : public ComObject<Interface> {
 public:
  HRESULT STDMETHODCALLTYPE GetTypeInfoCount(UINT* count) override {
    *count = 0;
    return S_OK;
  }
  HRESULT STDMETHODCALLTYPE GetTypeInfo(UINT, LCID, ITypeInfo**) override { return E_NOTIMPL; }
  HRESULT STDMETHODCALLTYPE GetIDsOfNames(REFIID, LPOLESTR*, UINT, LCID, DISPID*) override {
    return E_NOTIMPL;
  }
  HRESULT STDMETHODCALLTYPE Invoke(DISPID, REFIID, LCID, WORD, DISPPARAMS*, VARIANT*, EXCEPINFO*,
                                   UINT*) override {
    return E_NOTIMPL;
  }

 protected:
  void* OfferMore(REFIID iid) override {
    return IsEqualIID(iid, IID_IDispatch) ? static_cast<Interface*>(this) : nullptr;
  }
};

HRESULT Give(const std::string& text, BSTR* out) {
  *out = ToBstr(text);
  return S_OK;
}
HRESULT Take(BSTR text, std::string& out) {
  out = FromBstr(text);
  return S_OK;
}
template <typename T>
HRESULT Set(T& to, T value) {
  to = value;
  return S_OK;
}

class Rule final : public Dispatched<INetFwRule> {
 public:
  HRESULT STDMETHODCALLTYPE get_Name(BSTR* out) override { return Give(name_, out); }
  HRESULT STDMETHODCALLTYPE put_Name(BSTR in) override { return Take(in, name_); }
  HRESULT STDMETHODCALLTYPE get_Description(BSTR* out) override { return Give(description_, out); }
  HRESULT STDMETHODCALLTYPE put_Description(BSTR in) override { return Take(in, description_); }
  HRESULT STDMETHODCALLTYPE get_ApplicationName(BSTR* out) override {
    return Give(application_, out);
  }
  HRESULT STDMETHODCALLTYPE put_ApplicationName(BSTR in) override { return Take(in, application_); }
  HRESULT STDMETHODCALLTYPE get_ServiceName(BSTR* out) override { return Give(service_, out); }
  HRESULT STDMETHODCALLTYPE put_ServiceName(BSTR in) override { return Take(in, service_); }
  HRESULT STDMETHODCALLTYPE get_LocalPorts(BSTR* out) override { return Give(local_ports_, out); }
  HRESULT STDMETHODCALLTYPE put_LocalPorts(BSTR in) override { return Take(in, local_ports_); }
  HRESULT STDMETHODCALLTYPE get_RemotePorts(BSTR* out) override { return Give(remote_ports_, out); }
  HRESULT STDMETHODCALLTYPE put_RemotePorts(BSTR in) override { return Take(in, remote_ports_); }
  HRESULT STDMETHODCALLTYPE get_LocalAddresses(BSTR* out) override {
    return Give(local_addresses_, out);
  }
  HRESULT STDMETHODCALLTYPE put_LocalAddresses(BSTR in) override {
    return Take(in, local_addresses_);
  }
  HRESULT STDMETHODCALLTYPE get_RemoteAddresses(BSTR* out) override {
    return Give(remote_addresses_, out);
  }
  HRESULT STDMETHODCALLTYPE put_RemoteAddresses(BSTR in) override {
    return Take(in, remote_addresses_);
  }
  HRESULT STDMETHODCALLTYPE get_IcmpTypesAndCodes(BSTR* out) override { return Give(icmp_, out); }
  HRESULT STDMETHODCALLTYPE put_IcmpTypesAndCodes(BSTR in) override { return Take(in, icmp_); }
  HRESULT STDMETHODCALLTYPE get_InterfaceTypes(BSTR* out) override {
    return Give(interface_types_, out);
  }
  HRESULT STDMETHODCALLTYPE put_InterfaceTypes(BSTR in) override {
    return Take(in, interface_types_);
  }
  HRESULT STDMETHODCALLTYPE get_Grouping(BSTR* out) override { return Give(grouping_, out); }
  HRESULT STDMETHODCALLTYPE put_Grouping(BSTR in) override { return Take(in, grouping_); }
  HRESULT STDMETHODCALLTYPE get_Protocol(LONG* out) override { return Set(*out, protocol_); }
  HRESULT STDMETHODCALLTYPE put_Protocol(LONG in) override { return Set(protocol_, in); }
  HRESULT STDMETHODCALLTYPE get_Direction(NET_FW_RULE_DIRECTION* out) override {
    return Set(*out, direction_);
  }
  HRESULT STDMETHODCALLTYPE put_Direction(NET_FW_RULE_DIRECTION in) override {
    return Set(direction_, in);
  }
  HRESULT STDMETHODCALLTYPE get_Enabled(VARIANT_BOOL* out) override { return Set(*out, enabled_); }
  HRESULT STDMETHODCALLTYPE put_Enabled(VARIANT_BOOL in) override { return Set(enabled_, in); }
  HRESULT STDMETHODCALLTYPE get_Profiles(LONG* out) override { return Set(*out, profiles_); }
  HRESULT STDMETHODCALLTYPE put_Profiles(LONG in) override { return Set(profiles_, in); }
  HRESULT STDMETHODCALLTYPE get_EdgeTraversal(VARIANT_BOOL* out) override {
    return Set(*out, edge_);
  }
  HRESULT STDMETHODCALLTYPE put_EdgeTraversal(VARIANT_BOOL in) override { return Set(edge_, in); }
  HRESULT STDMETHODCALLTYPE get_Action(NET_FW_ACTION* out) override { return Set(*out, action_); }
  HRESULT STDMETHODCALLTYPE put_Action(NET_FW_ACTION in) override { return Set(action_, in); }
  HRESULT STDMETHODCALLTYPE get_Interfaces(VARIANT*) override { return E_NOTIMPL; }
  HRESULT STDMETHODCALLTYPE put_Interfaces(VARIANT) override { return E_NOTIMPL; }

 private:
  std::string name_, description_, application_, service_, local_ports_, remote_ports_,
      local_addresses_, remote_addresses_, icmp_, interface_types_, grouping_;
  LONG protocol_ = 256;  // any
  NET_FW_RULE_DIRECTION direction_ = NET_FW_RULE_DIR_IN;
  VARIANT_BOOL enabled_ = VARIANT_FALSE, edge_ = VARIANT_FALSE;
  LONG profiles_ = NET_FW_PROFILE2_ALL;
  NET_FW_ACTION action_ = NET_FW_ACTION_ALLOW;
};

void AddProfiles(LONG bits, v1::FirewallRule& out) {
  if (bits == NET_FW_PROFILE2_ALL) return;
  if ((bits & NET_FW_PROFILE2_DOMAIN) != 0) out.add_profiles("domain");
  if ((bits & NET_FW_PROFILE2_PRIVATE) != 0) out.add_profiles("private");
  if ((bits & NET_FW_PROFILE2_PUBLIC) != 0) out.add_profiles("public");
}

// Like Windows, takes what was put into the rule and no more than that.
HRESULT ReadRule(INetFwRule& rule, v1::FirewallRule& out) {
  BSTR name = nullptr, ports = nullptr;
  LONG protocol = 0, profiles = 0;
  VARIANT_BOOL enabled = VARIANT_FALSE;
  NET_FW_ACTION action = NET_FW_ACTION_BLOCK;
  NET_FW_RULE_DIRECTION direction = NET_FW_RULE_DIR_OUT;
  rule.get_Name(&name);
  rule.get_LocalPorts(&ports);
  rule.get_Protocol(&protocol);
  rule.get_Profiles(&profiles);
  rule.get_Enabled(&enabled);
  rule.get_Action(&action);
  rule.get_Direction(&direction);
  out.set_id(FromBstr(name));
  const std::string port_list = FromBstr(ports);
  SysFreeString(name);
  SysFreeString(ports);
  if (out.id().empty() || protocol != kTcp || direction != NET_FW_RULE_DIR_IN) return E_INVALIDARG;
  for (const auto text : absl::StrSplit(port_list, ',')) {
    uint32_t port = 0;
    if (!absl::SimpleAtoi(text, &port) || port == 0 || port > 65535) return E_INVALIDARG;
    out.add_tcp_ports(port);
  }
  out.set_enabled(enabled != VARIANT_FALSE);
  out.set_inbound_allow(action == NET_FW_ACTION_ALLOW);
  AddProfiles(profiles, out);
  return S_OK;
}

class Rules final : public Dispatched<INetFwRules> {
 public:
  HRESULT STDMETHODCALLTYPE Add(INetFwRule* rule) override {
    if (rule == nullptr) return E_INVALIDARG;
    v1::FirewallRule wanted;
    const HRESULT read = ReadRule(*rule, wanted);
    if (FAILED(read)) return read;
    return Do([&](systems::Systems& machine) -> absl::StatusOr<systems::Hresult> {
      const absl::Status done = machine.firewall->AddInboundRule(wanted);
      if (!done.ok()) return done;
      return 0;
    });
  }
  // Real Windows says yes to a name that it does not have.
  HRESULT STDMETHODCALLTYPE Remove(BSTR name) override {
    return Do([&](systems::Systems& machine) -> absl::StatusOr<systems::Hresult> {
      const absl::Status done = machine.firewall->RemoveRule(FromBstr(name));
      if (!done.ok() && !absl::IsNotFound(done)) return done;
      return 0;
    });
  }
  HRESULT STDMETHODCALLTYPE get_Count(LONG*) override { return E_NOTIMPL; }
  HRESULT STDMETHODCALLTYPE Item(BSTR, INetFwRule**) override {
    return HRESULT_FROM_WIN32(ERROR_FILE_NOT_FOUND);
  }
  HRESULT STDMETHODCALLTYPE get__NewEnum(IUnknown**) override { return E_NOTIMPL; }
};

class Policy final : public Dispatched<INetFwPolicy2> {
 public:
  HRESULT STDMETHODCALLTYPE get_Rules(INetFwRules** rules) override {
    *rules = new Rules;
    return S_OK;
  }

  // What nobody who is tested here calls.
  using Profile = NET_FW_PROFILE_TYPE2;
  HRESULT STDMETHODCALLTYPE get_CurrentProfileTypes(LONG*) override { return E_NOTIMPL; }
  HRESULT STDMETHODCALLTYPE get_FirewallEnabled(Profile, VARIANT_BOOL*) override {
    return E_NOTIMPL;
  }
  HRESULT STDMETHODCALLTYPE put_FirewallEnabled(Profile, VARIANT_BOOL) override {
    return E_NOTIMPL;
  }
  HRESULT STDMETHODCALLTYPE get_ExcludedInterfaces(Profile, VARIANT*) override { return E_NOTIMPL; }
  HRESULT STDMETHODCALLTYPE put_ExcludedInterfaces(Profile, VARIANT) override { return E_NOTIMPL; }
  HRESULT STDMETHODCALLTYPE get_BlockAllInboundTraffic(Profile, VARIANT_BOOL*) override {
    return E_NOTIMPL;
  }
  HRESULT STDMETHODCALLTYPE put_BlockAllInboundTraffic(Profile, VARIANT_BOOL) override {
    return E_NOTIMPL;
  }
  HRESULT STDMETHODCALLTYPE get_NotificationsDisabled(Profile, VARIANT_BOOL*) override {
    return E_NOTIMPL;
  }
  HRESULT STDMETHODCALLTYPE put_NotificationsDisabled(Profile, VARIANT_BOOL) override {
    return E_NOTIMPL;
  }
  HRESULT STDMETHODCALLTYPE
  get_UnicastResponsesToMulticastBroadcastDisabled(Profile, VARIANT_BOOL*) override {
    return E_NOTIMPL;
  }
  HRESULT STDMETHODCALLTYPE
  put_UnicastResponsesToMulticastBroadcastDisabled(Profile, VARIANT_BOOL) override {
    return E_NOTIMPL;
  }
  HRESULT STDMETHODCALLTYPE get_ServiceRestriction(INetFwServiceRestriction**) override {
    return E_NOTIMPL;
  }
  HRESULT STDMETHODCALLTYPE EnableRuleGroup(LONG, BSTR, VARIANT_BOOL) override { return E_NOTIMPL; }
  HRESULT STDMETHODCALLTYPE IsRuleGroupEnabled(LONG, BSTR, VARIANT_BOOL*) override {
    return E_NOTIMPL;
  }
  HRESULT STDMETHODCALLTYPE RestoreLocalFirewallDefaults() override { return E_NOTIMPL; }
  HRESULT STDMETHODCALLTYPE get_DefaultInboundAction(Profile, NET_FW_ACTION*) override {
    return E_NOTIMPL;
  }
  HRESULT STDMETHODCALLTYPE put_DefaultInboundAction(Profile, NET_FW_ACTION) override {
    return E_NOTIMPL;
  }
  HRESULT STDMETHODCALLTYPE get_DefaultOutboundAction(Profile, NET_FW_ACTION*) override {
    return E_NOTIMPL;
  }
  HRESULT STDMETHODCALLTYPE put_DefaultOutboundAction(Profile, NET_FW_ACTION) override {
    return E_NOTIMPL;
  }
  HRESULT STDMETHODCALLTYPE get_IsRuleGroupCurrentlyEnabled(BSTR, VARIANT_BOOL*) override {
    return E_NOTIMPL;
  }
  HRESULT STDMETHODCALLTYPE get_LocalPolicyModifyState(NET_FW_MODIFY_STATE*) override {
    return E_NOTIMPL;
  }
};

}  // namespace

INetFwPolicy2* MakeFirewallPolicy() { return new Policy; }
INetFwRule* MakeFirewallRule() { return new Rule; }

}  // namespace keymedic::doubles
