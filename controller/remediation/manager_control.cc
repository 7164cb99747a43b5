// SPDX-License-Identifier: Apache-2.0
//
// What people ask of a remediation that runs: pause, resume, abort, skip.
#include <array>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/status_macros.h"
#include "controller/remediation/manager.h"
#include "controller/remediation/states.h"

namespace keymedic::controller {
namespace {

constexpr std::array<absl::string_view, 4> kActs = {"remediation.pause", "remediation.resume",
                                                    "remediation.abort", "remediation.skip"};

std::optional<uint32_t> FindTarget(const v1::Remediation& remediation, absl::string_view machine) {
  const absl::string_view id = absl::StripPrefix(machine, "machines/");
  for (int i = 0; i < remediation.targets_size(); ++i) {
    const v1::Target& target = remediation.targets(i);
    if (target.machine_id() == id || absl::EqualsIgnoreCase(target.display_name(), id)) return i;
  }
  return std::nullopt;
}

}  // namespace

void RemediationManager::Apply(Control control, v1::ControlRemediationRequest request,
                               std::string actor, Done done) {
  lane_->Post([this, control, request = std::move(request), actor = std::move(actor),
               done = std::move(done)] { ApplyControl(control, request, actor, done); });
}

// Without effects: it is in no state for that.
absl::StatusOr<Rollout::Effects> RemediationManager::Controlled(
    Control control, const v1::ControlRemediationRequest& request, Rollout& rollout) const {
  const absl::Time now = deps_.clock.Now();
  if (rollout.remediation().state() == v1::REMEDIATION_STATE_ABORTED) return Rollout::Effects();
  if (control == Control::kPause) return rollout.Pause(request.reason(), now);
  if (control == Control::kResume) return rollout.Resume(now);
  if (control == Control::kAbort) return rollout.Abort(request.reason(), now);
  const auto index = FindTarget(rollout.remediation(), request.machine());
  if (!index) {
    return absl::NotFoundError(absl::StrCat("remediation ", rollout.remediation().id(),
                                            " has no target '", request.machine(),
                                            "'; see keymedic remediations show"));
  }
  const v1::Target& target = rollout.remediation().targets(*index);
  const std::string state = StateName(target.state());
  const std::string name = target.display_name();
  Rollout::Effects effects = rollout.Skip(
      *index,
      absl::StrCat("left out by hand", request.reason().empty() ? "" : ": ", request.reason()),
      now);
  if (!effects.targets.empty()) return effects;
  return absl::FailedPreconditionError(
      absl::StrCat(name, " is ", state, " and can no longer be left out"));
}

void RemediationManager::ApplyControl(Control control, const v1::ControlRemediationRequest& request,
                                      const std::string& actor, Done done) {
  absl::StatusOr<v1::Remediation> remediation = Read(request.name());
  if (!remediation.ok()) return done(remediation.status());
  const std::string id = remediation->id();
  const v1::RemediationState before = remediation->state();
  const bool planned = before == v1::REMEDIATION_STATE_PLANNED;
  const absl::string_view act = kActs[static_cast<size_t>(control)];
  const std::string detail = control == Control::kSkip
                                 ? absl::StrCat(request.machine(), " ", request.reason())
                                 : request.reason();
  const AuditRecord line{actor, std::string(act), remediation->name(), detail};
  if (planned && control == Control::kAbort) {
    running_[id] = MakeRollout(*std::move(remediation));
  }
  const auto rollout = running_.find(id);
  absl::StatusOr<Rollout::Effects> effects = Rollout::Effects();
  if (rollout != running_.end()) effects = Controlled(control, request, *rollout->second);
  if (!effects.ok()) return done(effects.status());
  if (!effects->header && effects->targets.empty()) {
    return done(absl::FailedPreconditionError(absl::StrCat(
        act, ": remediation ", id, " is ",
        absl::StripPrefix(v1::RemediationState_Name(before), "REMEDIATION_STATE_"),
        headers_.contains(id) && !IsEnded(headers_[id]) && !planned && rollout == running_.end()
            ? " and stands still until the store takes writes"
            : "")));
  }
  Carry(id, *std::move(effects), {line}, [this, id, done = std::move(done)](absl::Status status) {
    done(status.ok() ? Read(id) : status);
  });
}

}  // namespace keymedic::controller
