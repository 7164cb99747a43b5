// SPDX-License-Identifier: Apache-2.0
//
// What becomes of a draft once every machine has answered CHECK: what was refused goes, the rest
// gets its order, its waves and its hash.
#include <algorithm>
#include <cmath>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "base/hash.h"
#include "controller/remediation/planner.h"
#include "controller/remediation/states.h"

namespace keymedic::controller {
namespace {

// Moves targets that CHECK refused, and those that wait for them, to what cannot be treated.
void DropRefused(Draft& draft) {
  v1::Remediation& remediation = draft.remediation;
  for (const v1::Target& target : remediation.targets()) {
    const bool only_activates =
        std::none_of(target.steps().begin(), target.steps().end(), [](const v1::Step& step) {
          return step.action() != kActivate && step.outcome() != v1::OUTCOME_NO_CHANGE;
        });
    if (draft.needs_change.contains(target.machine_id()) && only_activates &&
        !IsEnd(target.state())) {
      draft.refused.emplace(target.machine_id(), "follows from a cause that cannot be treated");
    }
  }
  for (bool again = true; again;) {
    again = false;
    for (const v1::Target& target : remediation.targets()) {
      if (draft.refused.contains(target.machine_id()) || IsEnd(target.state())) continue;
      for (const std::string& first : target.after()) {
        const auto found = draft.refused.find(first);
        if (found == draft.refused.end()) continue;
        draft.refused.emplace(target.machine_id(),
                              absl::StrCat("waits for another machine: ", found->second));
        again = true;
        break;
      }
    }
  }
  for (const auto& [machine_id, why] : draft.refused) {
    for (v1::Finding finding : draft.findings[machine_id]) {
      finding.set_why_untreatable(why);
      *remediation.add_untreatable() = std::move(finding);
    }
  }
  auto& targets = *remediation.mutable_targets();
  targets.erase(
      std::remove_if(targets.begin(), targets.end(),
                     [&](const v1::Target& t) { return draft.refused.contains(t.machine_id()); }),
      targets.end());
}

}  // namespace

void FinishPlan(Draft& draft) {
  DropRefused(draft);
  auto& targets = *draft.remediation.mutable_targets();
  // Machines that are away come last, so that no wave waits for them.
  std::sort(targets.begin(), targets.end(), [](const v1::Target& a, const v1::Target& b) {
    auto key = [](const v1::Target& t) {
      const bool away = t.wave() > 0 && t.state() == v1::TARGET_STATE_QUEUED_OFFLINE;
      return std::tuple(t.wave() > 0, away, t.display_name(), t.machine_id());
    };
    return key(a) < key(b);
  });
  AssignWaves(draft.remediation);
  FillTotals(draft.remediation);
  draft.remediation.set_plan_hash(PlanHash(draft.remediation));
}

void AssignWaves(v1::Remediation& remediation) {
  const v1::RolloutPolicy& policy = remediation.policy();
  uint32_t wave = 1;
  double size = policy.canary();
  uint32_t in_wave = 0;
  for (v1::Target& target : *remediation.mutable_targets()) {
    if (target.wave() == 0) continue;
    if (in_wave >= size) {
      size = wave == 1 ? policy.first_wave() : std::floor(size * policy.growth());
      ++wave;
      in_wave = 0;
    }
    target.set_wave(wave);
    ++in_wave;
  }
}

std::string PlanHash(const v1::Remediation& remediation) {
  v1::Remediation plan;
  *plan.mutable_targets() = remediation.targets();
  for (v1::Target& target : *plan.mutable_targets()) {
    target.clear_wave();
    target.clear_state();
    target.clear_message();
    target.clear_display_name();
    target.clear_site();
    target.clear_kms_host();
    target.clear_utc_offset_minutes();
    target.clear_known_codes();
  }
  return Sha256Hex(SerializeDeterministic(plan));
}

}  // namespace keymedic::controller
