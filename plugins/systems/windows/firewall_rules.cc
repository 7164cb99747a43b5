// SPDX-License-Identifier: Apache-2.0
#include "plugins/systems/windows/firewall_rules.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"

namespace keymedic::systems {
namespace {

constexpr int64_t kYes = 1;
constexpr int64_t kAllow = 2;
constexpr int64_t kInbound = 1;
constexpr int64_t kOfPolicy = 2;  // PolicyStoreSourceType
constexpr int32_t kAllProfiles = 0x7FFFFFFF;
constexpr std::pair<int32_t, const char*> kProfiles[] = {
    {1, "domain"}, {2, "private"}, {4, "public"}};

struct Range {
  uint32_t first = 0;
  uint32_t last = 0;
};

// "1688" or "5000-5010"; nothing for "Any", "RPC" and whatever else Windows has names for.
std::optional<Range> ParseRange(absl::string_view text) {
  const std::pair<absl::string_view, absl::string_view> ends =
      absl::StrSplit(text, absl::MaxSplits('-', 1));
  Range range;
  if (!absl::SimpleAtoi(ends.first, &range.first)) return std::nullopt;
  range.last = range.first;
  if (!ends.second.empty() && !absl::SimpleAtoi(ends.second, &range.last)) return std::nullopt;
  return range;
}

struct Ports {
  std::vector<uint32_t> named;
  bool has_asked = false;
};

Ports PortsOf(const WmiRow& filter, uint32_t asked) {
  Ports ports;
  bool in_range = false;
  for (const std::string& text : filter.List("LocalPort")) {
    for (const absl::string_view piece : absl::StrSplit(text, ',', absl::SkipWhitespace())) {
      const auto range = ParseRange(absl::StripAsciiWhitespace(piece));
      if (!range.has_value()) continue;
      if (range->first == range->last) ports.named.push_back(range->first);
      if (asked < range->first || asked > range->last) continue;
      ports.has_asked = true;
      in_range = in_range || range->first != range->last;
    }
  }
  if (in_range) ports.named.push_back(asked);
  std::sort(ports.named.begin(), ports.named.end());
  ports.named.erase(std::unique(ports.named.begin(), ports.named.end()), ports.named.end());
  return ports;
}

v1::FirewallRule MakeRule(const WmiRow& row, std::string id, const Ports& ports) {
  v1::FirewallRule rule;
  rule.set_id(std::move(id));
  if (const auto enabled = row.Number("Enabled")) rule.set_enabled(*enabled == kYes);
  rule.set_inbound_allow(row.Number("Action").value_or(0) == kAllow &&
                         row.Number("Direction").value_or(kInbound) == kInbound);
  for (const uint32_t port : ports.named) rule.add_tcp_ports(port);
  if (row.Number("PolicyStoreSourceType") == kOfPolicy) rule.set_of_policy(true);
  const int64_t bits = row.Number("Profiles").value_or(0);
  if ((bits & 7) == 0 || (bits & 7) == 7) return rule;
  for (const auto& [bit, name] : kProfiles) {
    if ((bits & bit) != 0) rule.add_profiles(name);
  }
  return rule;
}

std::string IdentityOf(const WmiRow& row) {
  const std::string name = row.Text("ElementName").value_or("");
  return IsOwnRule(name) ? name : row.Text("InstanceID").value_or("");
}

}  // namespace

bool IsBlock(const v1::FirewallRule& rule) {
  return rule.enabled() && rule.has_inbound_allow() && !rule.inbound_allow();
}

void KeepBlocksForAll(const std::vector<WmiRow>& filters, std::vector<v1::FirewallRule>& rules) {
  const auto for_all = [&](const v1::FirewallRule& rule) {
    return std::any_of(filters.begin(), filters.end(), [&](const WmiRow& filter) {
      if (filter.Text("InstanceID") != rule.id()) return false;
      const auto remote = filter.List("RemoteAddress");
      return remote.empty() || remote == std::vector<std::string>{"Any"};
    });
  };
  const auto goes = [&](const v1::FirewallRule& rule) {
    return IsBlock(rule) && rule.id() != kWindowsKmsRule && !IsOwnRule(rule.id()) && !for_all(rule);
  };
  rules.erase(std::remove_if(rules.begin(), rules.end(), goes), rules.end());
}

bool IsOwnRule(absl::string_view id) { return absl::StartsWith(id, kOwnRulePrefix); }

std::vector<v1::FirewallRule> RulesForPort(const FirewallRows& rows, uint32_t port) {
  std::map<std::string, Ports> ports;
  for (const WmiRow& filter : rows.ports) {
    const std::string protocol = filter.Text("Protocol").value_or("TCP");
    if (!absl::EqualsIgnoreCase(protocol, "TCP") && protocol != "6") continue;
    ports[filter.Text("InstanceID").value_or("")] = PortsOf(filter, port);
  }
  std::vector<v1::FirewallRule> rules;
  for (const WmiRow& row : rows.rules) {
    std::string id = IdentityOf(row);
    const Ports& of_rule = ports[row.Text("InstanceID").value_or("")];
    const bool always = id == kWindowsKmsRule || IsOwnRule(id);
    v1::FirewallRule rule = MakeRule(row, std::move(id), of_rule);
    const bool counts = rule.inbound_allow() || IsBlock(rule);
    if (always || (counts && of_rule.has_asked)) rules.push_back(std::move(rule));
  }
  // WMI promises no order.
  std::sort(rules.begin(), rules.end(),
            [](const auto& a, const auto& b) { return a.id() < b.id(); });
  return rules;
}

void MergeActive(const std::vector<v1::FirewallRule>& active,
                 std::vector<v1::FirewallRule>& rules) {
  const size_t local = rules.size();
  for (const v1::FirewallRule& rule : active) {
    const auto known = std::find_if(rules.begin(), rules.begin() + static_cast<ptrdiff_t>(local),
                                    [&](const auto& r) { return r.id() == rule.id(); });
    if (known == rules.begin() + static_cast<ptrdiff_t>(local)) {
      rules.push_back(rule);
    } else if (rule.enabled() && (!known->enabled() || rule.of_policy()) && !IsOwnRule(rule.id())) {
      *known = rule;
    }
  }
}

std::optional<std::string> ActiveProfile(const std::vector<WmiRow>& networks) {
  int64_t best = -1;  // 0 public, 1 private, 2 domain: higher is where a host is meant to serve
  for (const WmiRow& network : networks) {
    best = std::max(best, network.Number("NetworkCategory").value_or(-1));
  }
  switch (best) {
    case 0:
      return "public";
    case 1:
      return "private";
    case 2:
      return "domain";
    default:
      return std::nullopt;
  }
}

std::optional<bool> ProfileFlag(const std::vector<WmiRow>& profiles, absl::string_view profile,
                                const std::string& column) {
  for (const WmiRow& row : profiles) {
    const std::string id = row.Text("InstanceID").value_or("");
    const std::string name = row.Text("Name").value_or(id.substr(id.rfind('|') + 1));
    if (!absl::EqualsIgnoreCase(name, profile)) continue;
    const auto flag = row.Number(column);
    if (flag == 0 || flag == 1) return flag == 1;  // 2: not configured, so not known
  }
  return std::nullopt;
}

int32_t ProfileBits(const v1::FirewallRule& rule) {
  int32_t bits = 0;
  for (const auto& [bit, name] : kProfiles) {
    if (std::find(rule.profiles().begin(), rule.profiles().end(), name) != rule.profiles().end()) {
      bits |= bit;
    }
  }
  return bits == 0 ? kAllProfiles : bits;
}

}  // namespace keymedic::systems
