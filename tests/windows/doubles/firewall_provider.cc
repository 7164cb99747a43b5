// SPDX-License-Identifier: Apache-2.0
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/hash.h"
#include "tests/windows/doubles/lab_machine.h"
#include "tests/windows/doubles/providers.h"

namespace keymedic::doubles {
namespace {

constexpr int64_t kYes = 1, kNo = 2;  // Enabled of a rule
constexpr int64_t kInbound = 1, kOutbound = 2;
constexpr int64_t kAllow = 2, kBlock = 4;
constexpr uint32_t kKmsPort = 1688;  // a lab shows all of its rules, whatever the port
constexpr char kClassPrefix[] = "MSFT|FW|FirewallRule|";

struct Profile {
  const char* name;
  const char* section_name;
  int64_t bit, category;
};
constexpr Profile kProfiles[] = {
    {"Domain", "domain", 1, 2}, {"Private", "private", 2, 1}, {"Public", "public", 4, 0}};

// Keys are those of the CIM class above it; what people call the rule's id is not among them.
ClassPtr RuleClass() {
  auto rule = std::make_shared<Class>();
  rule->name = "MSFT_NetFirewallRule";
  for (const char* key :
       {"CreationClassName", "PolicyRuleName", "SystemCreationClassName", "SystemName"}) {
    rule->properties.push_back({.name = key, .key = true});
  }
  for (const char* text : {"InstanceID", "ElementName", "DisplayName", "DisplayGroup", "RuleGroup",
                           "Description", "Caption", "Owner", "PolicyStoreSource", "Status"}) {
    rule->properties.push_back({.name = text});
  }
  for (const char* number : {"Enabled", "Direction", "Action", "Profiles", "EdgeTraversalPolicy",
                             "PrimaryStatus", "PolicyStoreSourceType"}) {
    rule->properties.push_back({.name = number, .type = CIM_UINT16});
  }
  rule->methods = {{.name = "Enable"}, {.name = "Disable"}};
  return rule;
}

ClassPtr SimpleClass(const char* name, std::vector<Property> properties) {
  auto made = std::make_shared<Class>();
  made->name = name;
  made->properties = std::move(properties);
  return made;
}

ClassPtr PortFilterClass() {
  constexpr CIMTYPE kTexts = CIM_STRING | CIM_FLAG_ARRAY;
  return SimpleClass("MSFT_NetProtocolPortFilter", {{.name = "InstanceID", .key = true},
                                                    {.name = "Protocol"},
                                                    {.name = "LocalPort", .type = kTexts},
                                                    {.name = "RemotePort", .type = kTexts},
                                                    {.name = "IcmpType", .type = kTexts}});
}

ClassPtr AddressFilterClass() {
  constexpr CIMTYPE kTexts = CIM_STRING | CIM_FLAG_ARRAY;
  return SimpleClass("MSFT_NetAddressFilter", {{.name = "InstanceID", .key = true},
                                               {.name = "LocalAddress", .type = kTexts},
                                               {.name = "RemoteAddress", .type = kTexts}});
}

ClassPtr ProfileClass() {
  return SimpleClass("MSFT_NetFirewallProfile",
                     {{.name = "InstanceID", .key = true},
                      {.name = "Name"},
                      {.name = "Enabled", .type = CIM_UINT16},
                      {.name = "AllowLocalFirewallRules", .type = CIM_UINT16},
                      {.name = "DefaultInboundAction", .type = CIM_UINT16},
                      {.name = "DefaultOutboundAction", .type = CIM_UINT16}});
}

ClassPtr ConnectionClass() {
  return SimpleClass("MSFT_NetConnectionProfile",
                     {{.name = "InstanceID", .key = true},
                      {.name = "Name"},
                      {.name = "InterfaceAlias"},
                      {.name = "InterfaceIndex", .type = CIM_UINT32},
                      {.name = "NetworkCategory", .type = CIM_UINT32}});
}

// An identity that is always the same and that nobody could have meant.
std::string GuidOf(const std::string& name) {
  const std::string hex = Sha256Hex(name);
  return absl::StrCat("{", hex.substr(0, 8), "-", hex.substr(8, 4), "-4", hex.substr(13, 3), "-8",
                      hex.substr(17, 3), "-", hex.substr(20, 12), "}");
}

std::string InstanceOf(const std::string& id) { return IsAddedRule(id) ? GuidOf(id) : id; }

int64_t ProfileBits(const v1::FirewallRule& rule) {
  int64_t bits = 0;
  for (const std::string& name : rule.profiles()) {
    for (const Profile& profile : kProfiles)
      if (name == profile.section_name) bits |= profile.bit;
  }
  return bits;
}

Values RuleRow(const std::string& instance, const std::string& name) {
  Values row;
  row["CreationClassName"] = absl::StrCat(kClassPrefix, instance);
  for (const char* key : {"PolicyRuleName", "SystemCreationClassName", "SystemName"})
    row[key] = std::string();
  row["InstanceID"] = instance;
  row["ElementName"] = name;
  row["DisplayName"] =
      std::string("Eine übersetzte Regel");  // of no use to anybody who looks for it
  row["Enabled"] = kYes;
  row["Direction"] = kInbound;
  row["Action"] = kAllow;
  row["Profiles"] = int64_t{0};
  row["PrimaryStatus"] = int64_t{1};
  return row;
}

Values FilterRow(const std::string& instance, const std::string& protocol,
                 std::vector<std::string> ports) {
  Values row;
  row["InstanceID"] = instance;
  row["Protocol"] = protocol;
  row["LocalPort"] = std::move(ports);
  row["RemotePort"] = std::vector<std::string>{"Any"};
  return row;
}

// What stands in every Windows beside the rules that matter.
struct Other {
  const char *id, *name, *protocol, *port;
  int64_t direction;
  bool enabled;
};
constexpr Other kOthers[] = {
    {"RemoteEventLogSvc-RPCSS-In-TCP", "@FirewallAPI.dll,-29265", "TCP", "RPCEPMap", kInbound,
     true},
    {"CoreNet-DHCP-In", "@FirewallAPI.dll,-25301", "UDP", "68", kInbound, true},
    {"WMI-WINMGMT-Out-TCP", "@FirewallAPI.dll,-34258", "TCP", "Any", kOutbound, true},
    {"WINRM-HTTP-In-TCP", "@FirewallAPI.dll,-30253", "TCP", "5985", kInbound, false},
};

// Of the fault "firewall=block": rules that a lab does not have.
struct Block {
  const char *id, *remote;
};
constexpr Block kBlocks[] = {{"{4F000000-0000-4000-8000-000000000001}", "Any"},
                             {"{4F000000-0000-4000-8000-000000000002}", "203.0.113.0/24"}};
bool Blocks() { return FaultValue("firewall") == "block"; }

HRESULT Read(const std::function<void(const v1::FirewallSection&)>& use) {
  v1::FirewallSection section;
  const absl::Status status = WithLabMachine([&](systems::Systems& machine) {
    const auto read = machine.firewall->Read(kKmsPort);
    if (read.ok()) section = *read;
    return read.status();
  });
  if (!status.ok()) return ToHresult(status);
  use(section);
  return WBEM_S_NO_ERROR;
}

HRESULT RuleRows(std::vector<Values>& rows) {
  return Read([&](const v1::FirewallSection& section) {
    for (const v1::FirewallRule& rule : section.rules()) {
      const std::string name = IsAddedRule(rule.id()) ? rule.id() : "@FirewallAPI.dll,-80201";
      Values row = RuleRow(InstanceOf(rule.id()), name);
      row["Enabled"] = rule.enabled() ? kYes : kNo;
      row["Action"] = rule.inbound_allow() ? kAllow : kBlock;
      row["Profiles"] = ProfileBits(rule);
      rows.push_back(std::move(row));
    }
    for (const Other& other : kOthers) {
      Values row = RuleRow(other.id, other.name);
      row["Enabled"] = other.enabled ? kYes : kNo;
      row["Direction"] = other.direction;
      rows.push_back(std::move(row));
    }
    for (const Block& block : kBlocks) {
      if (!Blocks()) continue;
      rows.push_back(RuleRow(block.id, "Block KMS"));
      rows.back()["Action"] = kBlock;
    }
  });
}

HRESULT FilterRows(std::vector<Values>& rows) {
  return Read([&](const v1::FirewallSection& section) {
    for (const v1::FirewallRule& rule : section.rules()) {
      std::vector<std::string> ports;
      for (const uint32_t port : rule.tcp_ports()) ports.push_back(absl::StrCat(port));
      if (ports.empty()) ports.push_back("Any");
      rows.push_back(FilterRow(InstanceOf(rule.id()), "TCP", std::move(ports)));
    }
    for (const Other& other : kOthers)
      rows.push_back(FilterRow(other.id, other.protocol, {other.port}));
    for (const Block& block : kBlocks)
      if (Blocks()) rows.push_back(FilterRow(block.id, "TCP", {absl::StrCat(kKmsPort)}));
  });
}

HRESULT AddressRows(std::vector<Values>& rows) {
  for (const Block& block : kBlocks) {
    if (!Blocks()) continue;
    Values& row = rows.emplace_back();
    row["InstanceID"] = std::string(block.id);
    row["LocalAddress"] = std::vector<std::string>{"Any"};
    row["RemoteAddress"] = std::vector<std::string>{block.remote};
  }
  return WBEM_S_NO_ERROR;
}

HRESULT ProfileRows(std::vector<Values>& rows) {
  return Read([&](const v1::FirewallSection& section) {
    for (const Profile& profile : kProfiles) {
      Values& row = rows.emplace_back();
      row["InstanceID"] = absl::StrCat("MSFT|FW|FirewallProfile|", profile.name);
      row["Name"] = std::string(profile.name);
      row["Enabled"] = int64_t{section.enabled() ? 1 : 0};
      // Not configured, unless group policy says no.
      row["AllowLocalFirewallRules"] = int64_t{FaultValue("firewall") == "policy" ? 0 : 2};
      row["DefaultInboundAction"] = int64_t{4};
      row["DefaultOutboundAction"] = int64_t{2};
    }
  });
}

HRESULT ConnectionRows(std::vector<Values>& rows) {
  return Read([&](const v1::FirewallSection& section) {
    Values& row = rows.emplace_back();
    row["InstanceID"] = std::string("{00000000-0000-4000-8000-000000000002};2");
    row["Name"] = std::string("Network");
    row["InterfaceAlias"] = std::string("Ethernet");
    row["InterfaceIndex"] = int64_t{2};
    for (const Profile& profile : kProfiles) {
      if (section.active_profile() == profile.section_name)
        row["NetworkCategory"] = profile.category;
    }
  });
}

HRESULT CallRule(const std::string& method, const Values& row, const Values&) {
  const std::string instance = std::get<std::string>(row.find("InstanceID")->second);
  std::string id;
  const HRESULT read = Read([&](const v1::FirewallSection& section) {
    for (const v1::FirewallRule& rule : section.rules())
      if (InstanceOf(rule.id()) == instance) id = rule.id();
  });
  if (FAILED(read)) return read;
  if (id.empty()) return E_ACCESSDENIED;  // one of the others, which a lab does not have
  return Do([&](systems::Systems& machine) -> absl::StatusOr<systems::Hresult> {
    const absl::Status done = machine.firewall->SetRuleEnabled(id, method == "Enable");
    if (!done.ok()) return done;
    return 0;
  });
}

}  // namespace

bool IsAddedRule(const std::string& id) { return absl::StartsWith(id, "KeyMedic-"); }

std::vector<Provider> MakeFirewallProviders() {
  return {{.definition = RuleClass(), .rows = RuleRows, .call = CallRule},
          {.definition = PortFilterClass(), .rows = FilterRows},
          {.definition = AddressFilterClass(), .rows = AddressRows},
          {.definition = ProfileClass(), .rows = ProfileRows},
          {.definition = ConnectionClass(), .rows = ConnectionRows}};
}

}  // namespace keymedic::doubles
