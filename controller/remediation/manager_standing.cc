// SPDX-License-Identifier: Apache-2.0
//
// Standing treatments: findings that the policy names are planned and started as they appear, by
// the estate's rollout policy, one remediation at a time. One that does not end well is the last,
// until somebody has looked and saved the policy anew: otherwise its error budget would begin again
// each minute.
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/log.h"
#include "base/times.h"
#include "controller/remediation/manager.h"
#include "controller/remediation/states.h"

namespace keymedic::controller {
namespace {

constexpr char kPolicyActor[] = "policy";
constexpr absl::Duration kAfterNothing = absl::Hours(1);  // was left to do, or it could not start

std::string StartedFor(const v1::Policy& policy) { return absl::StrCat("policy ", policy.etag()); }

std::string SelectorOf(const v1::Policy& policy) {
  return absl::StrJoin(policy.automatic(), " or ", [](std::string* out, const std::string& code) {
    absl::StrAppend(out, "finding=", code);
  });
}

}  // namespace

bool RemediationManager::StandingHolds(const v1::Policy& policy) const {
  const v1::Remediation* last = nullptr;
  for (const auto& [id, header] : headers_) {
    if (!header.automatic() || !header.has_started_at()) continue;
    if (!IsEnded(header)) return true;
    if (last == nullptr || FromTimestamp(header.planned_at()) > FromTimestamp(last->planned_at())) {
      last = &header;
    }
  }
  return last != nullptr && last->state() != v1::REMEDIATION_STATE_SUCCEEDED &&
         last->start_request_id() == StartedFor(policy);
}

void RemediationManager::LookForStanding() {
  lane_->PostAfter(kStandingPause, [this] { LookForStanding(); });
  const absl::StatusOr<v1::Policy> policy = deps_.policy();
  if (!policy.ok() || policy->automatic().empty()) return;
  if (deps_.clock.Now() < standing_not_before_ || StandingHolds(*policy)) return;
  standing_not_before_ = deps_.clock.Now() + kAfterNothing;

  PlanOrder order{.request = {}, .actor = kPolicyActor, .automatic = true};
  order.request.set_selector(SelectorOf(*policy));
  const auto busy = BusyMachines();
  std::set<std::string>& only = order.only.emplace();
  for (const FleetPort::MachineInfo& machine : deps_.fleet.Machines()) {
    if (machine.connected && !busy.contains(machine.id)) only.insert(machine.id);
  }
  // Nothing is stored for a minute in which nothing was to be done.
  const absl::StatusOr<Draft> draft = MakeDraft(order, "");
  if (!draft.ok() || draft->remediation.targets().empty()) {
    standing_not_before_ = absl::InfinitePast();
    return;
  }
  BeginPlan(order, [this, policy = *policy](absl::StatusOr<v1::Remediation> plan) {
    if (plan.ok() && plan->targets_size() > 0) StartStanding(policy, *plan);
  });
}

void RemediationManager::StartStanding(const v1::Policy& policy, const v1::Remediation& plan) {
  v1::StartRemediationRequest request;
  request.set_name(plan.name());
  request.set_plan_hash(plan.plan_hash());
  request.set_request_id(StartedFor(policy));
  BeginRollout(request, kPolicyActor, [this](absl::StatusOr<v1::Remediation> started) {
    if (started.ok()) {
      standing_not_before_ = absl::InfinitePast();
      return;
    }
    log::Warning(
        "REMEDIATION_STANDING_NOT_STARTED",
        "a standing treatment was planned and could not be started: {}; trying again in {}",
        started.status().ToString(), absl::FormatDuration(kAfterNothing));
  });
}

}  // namespace keymedic::controller
