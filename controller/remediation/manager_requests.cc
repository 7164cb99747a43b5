// SPDX-License-Identifier: Apache-2.0
//
// What people ask of the manager: plan, start, pause, resume, abort, get, list.
#include <algorithm>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/hash.h"
#include "base/status_macros.h"
#include "base/times.h"
#include "controller/remediation/manager.h"
#include "controller/remediation/planner.h"
#include "controller/remediation/states.h"
#include "controller/remediation/stored.h"

namespace keymedic::controller {
namespace {

std::string IdOf(const std::string& name) {
  return std::string(absl::StripPrefix(name, "remediations/"));
}

std::string StateWord(v1::RemediationState state) {
  return std::string(absl::StripPrefix(v1::RemediationState_Name(state), "REMEDIATION_STATE_"));
}

void FillNames(v1::Remediation& remediation) {
  remediation.set_name(absl::StrCat("remediations/", remediation.id()));
}

}  // namespace

// --- Plan ---

void RemediationManager::Plan(v1::PlanRemediationRequest request, std::string actor, Done done) {
  lane_->Post([this, request = std::move(request), actor = std::move(actor),
               done = std::move(done)] { BeginPlan(request, actor, done); });
}

void RemediationManager::BeginPlan(const v1::PlanRemediationRequest& request,
                                   const std::string& actor, Done done) {
  // The id follows from the request's, so a repeated request finds its plan also after a restart.
  const std::string id = absl::StrCat(
      "r-", request.request_id().empty()
                ? absl::BytesToHexString(deps_.random.Bytes(5))
                : Sha256Hex(absl::StrCat(actor, "\n", request.request_id())).substr(0, 10));
  const auto same = planning_.find(id);
  if (same != planning_.end()) {
    same->second.done.push_back(std::move(done));
    return;
  }
  if (const auto stored = headers_.find(id); stored != headers_.end()) {
    if (stored->second.selector() == request.selector()) {
      // Behind the plan's own write, if that is still under way.
      return Write({}, {}, [this, id, done](absl::Status status) { done(Read(id)); });
    }
    return done(absl::InvalidArgumentError(
        absl::StrCat("request_id '", request.request_id(), "' was used for the selector '",
                     stored->second.selector(), "'; use a new one for each request")));
  }
  const EstateView view{deps_.fleet.Machines(), deps_.fleet.Findings(), deps_.treatments};
  absl::StatusOr<Draft> draft = DraftPlan(request, view);
  if (!draft.ok()) return done(draft.status());
  draft->remediation.set_id(id);
  FillNames(draft->remediation);
  draft->remediation.set_state(v1::REMEDIATION_STATE_PLANNED);
  draft->remediation.set_planned_by(actor);
  PlanJob job{CheckRun(*std::move(draft)), {}};
  job.done.push_back(std::move(done));
  PlanJob& planned = planning_.emplace(id, std::move(job)).first->second;
  SendChecks(id, planned.run.Begin(deps_.clock.Now()));
}

void RemediationManager::SendChecks(const std::string& id, CheckRun::Sends sends) {
  CheckRun& run = planning_.at(id).run;
  while (!sends.empty()) {
    CheckRun::Sends more;
    for (const CheckRun::Send& send : sends) {
      if (deps_.fleet.Send(send.machine_id, send.command)) continue;
      for (CheckRun::Send& next : run.NotSent(send.command, deps_.clock.Now())) {
        more.push_back(std::move(next));
      }
    }
    sends = std::move(more);
  }
  if (run.done()) return EndPlan(id);
  ArmTimer();
}

void RemediationManager::EndPlan(const std::string& id) {
  auto job = std::make_shared<PlanJob>(std::move(planning_.extract(id).mapped()));
  Draft draft = std::move(job->run).Finish();
  FinishPlan(draft);
  v1::Remediation plan = std::move(draft.remediation);
  *plan.mutable_planned_at() = ToTimestamp(deps_.clock.Now());
  Batch batch = {HeaderRow(plan)};
  for (int i = 0; i < plan.targets_size(); ++i) batch.push_back(TargetRow(plan, i));
  const AuditRecord line{
      plan.planned_by(), "remediation.plan", plan.name(),
      absl::StrCat("selector '", plan.selector(), "': ", plan.targets_size(), " targets, ",
                   plan.untreatable_size(), " untreatable, hash ", plan.plan_hash())};
  headers_[id] = plan;
  headers_[id].clear_targets();
  Write({line}, std::move(batch), [this, id, job, plan](absl::Status status) {
    if (!status.ok()) headers_.erase(id);
    for (const Done& done : job->done) {
      done(status.ok() ? absl::StatusOr<v1::Remediation>(plan) : status);
    }
  });
}

// --- Start ---

void RemediationManager::Start(v1::StartRemediationRequest request, std::string actor, Done done) {
  lane_->Post([this, request = std::move(request), actor = std::move(actor),
               done = std::move(done)] { BeginRollout(request, actor, done); });
}

absl::Status RemediationManager::CheckNotBusy(const v1::Remediation& remediation) const {
  std::map<absl::string_view, const std::string*> busy;
  for (const auto& [id, rollout] : running_) {
    for (const v1::Target& target : rollout->remediation().targets()) {
      if (!IsEnd(target.state())) busy[target.machine_id()] = &id;
    }
  }
  for (const v1::Target& target : remediation.targets()) {
    const auto found = busy.find(target.machine_id());
    if (found == busy.end() || IsEnd(target.state())) continue;
    return absl::FailedPreconditionError(
        absl::StrCat(target.display_name(), " is being treated by remediation ", *found->second,
                     ", and a machine is treated by one at a time; wait for it or abort it"));
  }
  return absl::OkStatus();
}

absl::StatusOr<v1::Remediation> RemediationManager::PrepareStart(
    const v1::StartRemediationRequest& request) const {
  KM_ASSIGN_OR_RETURN(v1::Remediation remediation, Read(request.name()));
  if (remediation.state() != v1::REMEDIATION_STATE_PLANNED) {
    return absl::FailedPreconditionError(
        absl::StrCat("remediation ", remediation.id(), " is ", StateWord(remediation.state()),
                     " and is not started again; make a new plan"));
  }
  if (request.plan_hash() != remediation.plan_hash()) {
    return absl::FailedPreconditionError(
        absl::StrCat("remediation ", remediation.id(), " has the plan hash '",
                     remediation.plan_hash(), "', not '", request.plan_hash(),
                     "': what was approved is not this plan; look at it again"));
  }
  if (PlanHash(remediation) != remediation.plan_hash()) {
    return absl::DataLossError(absl::StrCat("the stored plan of remediation ", remediation.id(),
                                            " does not fit its own hash; make a new plan"));
  }
  if (remediation.targets().empty()) {
    return absl::FailedPreconditionError(absl::StrCat("remediation ", remediation.id(),
                                                      " has no targets; see what it lists as "
                                                      "untreatable"));
  }
  if (request.has_policy()) {
    *remediation.mutable_policy() = request.policy();
    KM_RETURN_IF_ERROR(CompletePolicy(*remediation.mutable_policy()));
    AssignWaves(remediation);
  }
  KM_RETURN_IF_ERROR(CheckNotBusy(remediation));
  return remediation;
}

void RemediationManager::BeginRollout(const v1::StartRemediationRequest& request,
                                      const std::string& actor, Done done) {
  const std::string id = IdOf(request.name());
  const auto header = headers_.find(id);
  const bool repeated = header != headers_.end() && !request.request_id().empty() &&
                        header->second.start_request_id() == request.request_id();
  if (repeated) return done(Read(id));
  absl::StatusOr<v1::Remediation> remediation = PrepareStart(request);
  if (!remediation.ok()) return done(remediation.status());
  remediation->set_started_by(actor);
  remediation->set_start_request_id(request.request_id());
  const AuditRecord line{actor, "remediation.start", remediation->name(),
                         absl::StrCat(remediation->targets_size(), " targets, budget ",
                                      BudgetOf(*remediation), ", hash ", remediation->plan_hash())};
  running_[id] = std::make_unique<Rollout>(*std::move(remediation));
  Rollout::Effects effects = running_[id]->Start(deps_.clock.Now());
  // Another policy may have cut all waves anew.
  for (int i = 0; i < running_[id]->remediation().targets_size(); ++i) effects.targets.insert(i);
  Carry(id, std::move(effects), {line}, [this, id, done = std::move(done)](absl::Status status) {
    done(status.ok() ? Read(id) : status);
  });
}

// --- Control ---

void RemediationManager::Apply(Control control, v1::ControlRemediationRequest request,
                               std::string actor, Done done) {
  lane_->Post([this, control, request = std::move(request), actor = std::move(actor),
               done = std::move(done)] { ApplyControl(control, request, actor, done); });
}

void RemediationManager::ApplyControl(Control control, const v1::ControlRemediationRequest& request,
                                      const std::string& actor, Done done) {
  absl::StatusOr<v1::Remediation> remediation = Read(request.name());
  if (!remediation.ok()) return done(remediation.status());
  const std::string id = remediation->id();
  const v1::RemediationState before = remediation->state();
  const bool planned = before == v1::REMEDIATION_STATE_PLANNED;
  const char* act = control == Control::kPause    ? "remediation.pause"
                    : control == Control::kResume ? "remediation.resume"
                                                  : "remediation.abort";
  const AuditRecord line{actor, act, remediation->name(), request.reason()};
  if (planned && control == Control::kAbort) {
    running_[id] = std::make_unique<Rollout>(*std::move(remediation));
  }
  const auto rollout = running_.find(id);
  Rollout::Effects effects;
  if (rollout != running_.end() && before != v1::REMEDIATION_STATE_ABORTED) {
    const absl::Time now = deps_.clock.Now();
    if (control == Control::kPause) effects = rollout->second->Pause(request.reason(), now);
    if (control == Control::kResume) effects = rollout->second->Resume(now);
    if (control == Control::kAbort) effects = rollout->second->Abort(request.reason(), now);
  }
  if (!effects.header) {
    return done(absl::FailedPreconditionError(absl::StrCat(
        act, ": remediation ", id, " is ", StateWord(before),
        headers_.contains(id) && !IsEnded(headers_[id]) && !planned && rollout == running_.end()
            ? " and stands still until the store takes writes"
            : "")));
  }
  Carry(id, std::move(effects), {line}, [this, id, done = std::move(done)](absl::Status status) {
    done(status.ok() ? Read(id) : status);
  });
}

// --- Reading ---

absl::StatusOr<v1::Remediation> RemediationManager::Read(const std::string& name) const {
  const std::string id = IdOf(name);
  if (planning_.contains(id)) {
    return absl::UnavailableError(absl::StrCat("remediation ", id, " is still being planned"));
  }
  const auto rollout = running_.find(id);
  v1::Remediation remediation;
  if (rollout != running_.end()) {
    remediation = rollout->second->remediation();
  } else {
    KM_ASSIGN_OR_RETURN(remediation, LoadRemediation(deps_.store, id));
  }
  FillTotals(remediation);
  return remediation;
}

void RemediationManager::Get(std::string name, Done done) {
  lane_->Post([this, name = std::move(name), done = std::move(done)] { done(Read(name)); });
}

void RemediationManager::List(
    v1::ListRemediationsRequest request,
    std::function<void(absl::StatusOr<v1::ListRemediationsResponse>)> done) {
  lane_->Post(
      [this, request = std::move(request), done = std::move(done)] { done(ReadPage(request)); });
}

absl::StatusOr<v1::ListRemediationsResponse> RemediationManager::ReadPage(
    const v1::ListRemediationsRequest& request) const {
  std::vector<const v1::Remediation*> newest_first;
  for (const auto& [id, header] : headers_) newest_first.push_back(&header);
  auto key = [](const v1::Remediation* r) {
    return std::pair(FromTimestamp(r->planned_at()), r->id());
  };
  std::sort(newest_first.begin(), newest_first.end(),
            [&](auto* a, auto* b) { return key(a) > key(b); });
  size_t next = 0;
  if (!request.page_token().empty()) {
    // The token is the id of the page's first remediation.
    next = std::find_if(newest_first.begin(), newest_first.end(),
                        [&](auto* r) { return r->id() == request.page_token(); }) -
           newest_first.begin();
    if (next == newest_first.size()) {
      return absl::InvalidArgumentError(
          absl::StrCat("page_token '", request.page_token(), "' is not one that was given out"));
    }
  }
  const size_t size = request.page_size() <= 0 ? 100 : std::min(request.page_size(), 1000);
  v1::ListRemediationsResponse response;
  for (; next < newest_first.size() && response.remediations_size() < static_cast<int>(size);
       ++next) {
    v1::Remediation& header = *response.add_remediations();
    header = *newest_first[next];
    const auto rollout = running_.find(header.id());
    if (rollout != running_.end()) *header.mutable_totals() = rollout->second->Progress().totals();
  }
  if (next < newest_first.size()) response.set_next_page_token(newest_first[next]->id());
  return response;
}

}  // namespace keymedic::controller
