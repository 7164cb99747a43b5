// SPDX-License-Identifier: Apache-2.0
#include "controller/remediation/health.h"

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace keymedic::controller {
namespace {

bool Asks(const v1::RolloutPolicy& policy, v1::HealthCondition condition) {
  return std::find(policy.health().begin(), policy.health().end(), condition) !=
         policy.health().end();
}

template <typename List>
bool Contains(const List& list, const std::string& text) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

std::string TroubleOf(const v1::Target& target, const v1::RolloutPolicy& policy, bool connected,
                      const std::vector<v1::Finding>& findings) {
  if (!connected && Asks(policy, v1::HEALTH_CONDITION_CONNECTED)) {
    return absl::StrCat(target.display_name(), " has lost its agent");
  }
  std::set<std::string> back, news;
  for (const v1::Finding& finding : findings) {
    if (Contains(target.finding_codes(), finding.code())) {
      back.insert(finding.code());
    } else if (finding.severity() == v1::SEVERITY_CRITICAL &&
               !Contains(target.known_codes(), finding.code())) {
      news.insert(finding.code());
    }
  }
  if (!back.empty() && Asks(policy, v1::HEALTH_CONDITION_STAYS_CURED)) {
    return absl::StrCat(target.display_name(), " shows again ", absl::StrJoin(back, ", "));
  }
  if (!news.empty() && Asks(policy, v1::HEALTH_CONDITION_NO_NEW_CRITICAL)) {
    return absl::StrCat(target.display_name(), " has now ", absl::StrJoin(news, ", "));
  }
  return "";
}

}  // namespace

std::vector<std::string> TroublesOf(const v1::Remediation& remediation, FleetPort& fleet) {
  std::set<std::string> connected;
  for (const FleetPort::MachineInfo& machine : fleet.Machines()) {
    if (machine.connected) connected.insert(machine.id);
  }
  std::vector<std::string> troubles;
  for (const v1::Target& target : remediation.targets()) {
    if (target.state() != v1::TARGET_STATE_SUCCEEDED) continue;
    std::string trouble =
        TroubleOf(target, remediation.policy(), connected.contains(target.machine_id()),
                  fleet.FindingsOf(target.machine_id()));
    if (!trouble.empty()) troubles.push_back(std::move(trouble));
  }
  return troubles;
}

}  // namespace keymedic::controller
