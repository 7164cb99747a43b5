// SPDX-License-Identifier: Apache-2.0
//
// What people ask of the manager: plan, retry, approve, start, get, list. Control of a running one
// is in manager_control.cc.
#include <algorithm>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "base/hash.h"
#include "base/status_macros.h"
#include "base/times.h"
#include "controller/remediation/manager.h"
#include "controller/remediation/planner.h"
#include "controller/remediation/states.h"
#include "controller/remediation/stored.h"
#include "controller/store/page.h"

namespace keymedic::controller {
namespace {

std::string IdOf(const std::string& name) {
  return std::string(absl::StripPrefix(name, "remediations/"));
}

void FillNames(v1::Remediation& remediation) {
  remediation.set_name(absl::StrCat("remediations/", remediation.id()));
}

// ", approved: reset_machine_id": what a person gave his word for, for the audit log.
std::string ApprovedActions(const v1::Remediation& plan) {
  if (plan.approve().empty()) return "";
  return absl::StrCat(", approved: ", absl::StrJoin(plan.approve(), ", "));
}

}  // namespace

// --- Plan ---

void RemediationManager::Plan(v1::PlanRemediationRequest request, std::string actor, Done done) {
  lane_->Post(
      [this, request = std::move(request), actor = std::move(actor), done = std::move(done)] {
        BeginPlan({request, actor}, done);
      });
}

void RemediationManager::Retry(v1::RetryRemediationRequest request, std::string actor, Done done) {
  lane_->Post([this, request = std::move(request), actor = std::move(actor),
               done = std::move(done)] { BeginRetry(request, actor, done); });
}

// What the request leaves open is the estate's.
absl::StatusOr<v1::RolloutPolicy> RemediationManager::PolicyFor(
    const v1::RolloutPolicy& asked) const {
  KM_ASSIGN_OR_RETURN(v1::Policy estate, deps_.policy());
  v1::RolloutPolicy policy = std::move(*estate.mutable_rollout());
  if (asked.windows_size() > 0) policy.clear_windows();
  if (asked.health_size() > 0) policy.clear_health();
  if (asked.has_queue_timeout()) policy.clear_queue_until();
  policy.MergeFrom(asked);
  KM_RETURN_IF_ERROR(CompletePolicy(policy));
  return policy;
}

absl::StatusOr<Draft> RemediationManager::MakeDraft(const PlanOrder& order, const std::string& id) {
  v1::PlanRemediationRequest request = order.request;
  KM_ASSIGN_OR_RETURN(*request.mutable_policy(), PolicyFor(request.policy()));
  const EstateView view{deps_.fleet.Machines(), deps_.fleet.Findings(), deps_.treatments,
                        [this](const auto& finding, const auto& machine, const auto& action) {
                          return tried_.WhyNotAgain(finding, machine, action);
                        },
                        [this](const auto& machine, const auto& action) {
                          if (deps_.secrets == nullptr) return absl::OkStatus();
                          return deps_.secrets(machine, action).status();
                        }};
  KM_ASSIGN_OR_RETURN(Draft draft,
                      DraftPlan(request, view, order.only.has_value() ? &*order.only : nullptr));
  v1::Remediation& plan = draft.remediation;
  plan.set_id(id);
  FillNames(plan);
  plan.set_state(v1::REMEDIATION_STATE_PLANNED);
  plan.set_planned_by(order.actor);
  plan.set_retry_of(order.retry_of);
  plan.set_automatic(order.automatic);
  *plan.mutable_treat() = request.treat();
  *plan.mutable_approve() = request.approve();
  return draft;
}

void RemediationManager::BeginPlan(const PlanOrder& order, Done done) {
  const v1::PlanRemediationRequest& request = order.request;
  // The id follows from the request's, so a repeated request finds its plan also after a restart.
  const std::string id = absl::StrCat(
      "r-", request.request_id().empty()
                ? absl::BytesToHexString(deps_.random.Bytes(5))
                : Sha256Hex(absl::StrCat(order.actor, "\n", request.request_id())).substr(0, 10));
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
  absl::StatusOr<Draft> draft = MakeDraft(order, id);
  if (!draft.ok()) return done(draft.status());
  if (request.validate_only()) {
    draft->remediation.clear_id();
    draft->remediation.clear_name();
    FillTotals(draft->remediation);
    CompareWithLast(draft->remediation);
    return done(std::move(draft->remediation));
  }
  PlanJob job{CheckRun(*std::move(draft)), {}};
  job.done.push_back(std::move(done));
  PlanJob& planned = planning_.emplace(id, std::move(job)).first->second;
  SendChecks(id, planned.run.Begin(deps_.clock.Now()));
}

void RemediationManager::BeginRetry(const v1::RetryRemediationRequest& request,
                                    const std::string& actor, Done done) {
  absl::StatusOr<v1::Remediation> old = Read(request.name());
  if (!old.ok()) return done(old.status());
  if (!IsEnded(*old)) {
    return done(absl::FailedPreconditionError(
        absl::StrCat("remediation ", old->id(), " is ", StateName(old->state()),
                     " and has not ended; what is left shows when it has")));
  }
  PlanOrder order{.request = {}, .actor = actor, .retry_of = old->name()};
  std::set<std::string>& only = order.only.emplace();
  order.request.set_selector(old->selector());
  *order.request.mutable_treat() = old->treat();
  *order.request.mutable_approve() = old->approve();
  *order.request.mutable_policy() = old->policy();
  if (FromTimestamp(old->policy().queue_until()) <= deps_.clock.Now()) {
    order.request.mutable_policy()->clear_queue_until();
  }
  order.request.set_request_id(request.request_id());
  order.request.set_again(true);  // whoever retries has seen what failed
  for (const v1::Target& target : old->targets()) {
    if (IsGood(target.state()) || (request.failed_only() && !IsLoss(target.state()))) continue;
    only.insert(target.machine_id());
  }
  if (only.empty()) {
    return done(absl::FailedPreconditionError(absl::StrCat(
        "remediation ", old->id(), " has nothing left to retry",
        request.failed_only() ? ": no target failed; without --failed also the skipped and the "
                                "cancelled are tried again"
                              : "")));
  }
  BeginPlan(order, std::move(done));
}

// What the same selector gave when it was planned last.
void RemediationManager::CompareWithLast(v1::Remediation& plan) const {
  const v1::Remediation* last = nullptr;
  for (const auto& [id, header] : headers_) {
    const bool same = header.selector() == plan.selector() && id != plan.id();
    if (!same || !header.retry_of().empty()) continue;
    if (last == nullptr || FromTimestamp(header.planned_at()) > FromTimestamp(last->planned_at())) {
      last = &header;
    }
  }
  if (last == nullptr) return;
  const absl::StatusOr<v1::Remediation> before = Read(last->id());
  if (!before.ok()) return;
  std::map<std::string, std::string> names, old_names;
  for (const v1::Target& t : plan.targets()) names[t.machine_id()] = t.display_name();
  for (const v1::Target& t : before->targets()) old_names[t.machine_id()] = t.display_name();
  v1::SelectionChange& change = *plan.mutable_since_last();
  change.set_last(before->name());
  *change.mutable_planned_at() = before->planned_at();
  for (const auto& [machine, name] : names) {
    if (!old_names.contains(machine)) change.add_added(name);
  }
  for (const auto& [machine, name] : old_names) {
    if (!names.contains(machine)) change.add_removed(name);
  }
}

void RemediationManager::SendChecks(const std::string& id, CheckRun::Sends sends) {
  CheckRun& run = planning_.at(id).run;
  while (!sends.empty()) {
    CheckRun::Sends more;
    for (const CheckRun::Send& send : sends) {
      if (Send(send.machine_id, send.command)) continue;
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
  CompareWithLast(plan);
  Batch batch = {HeaderRow(plan)};
  for (int i = 0; i < plan.targets_size(); ++i) batch.push_back(TargetRow(plan, i));
  const AuditRecord line{plan.planned_by(), "remediation.plan", plan.name(),
                         absl::StrCat("selector '", plan.selector(), "': ", plan.targets_size(),
                                      " targets, ", plan.untreatable_size(), " untreatable, hash ",
                                      plan.plan_hash(), ApprovedActions(plan))};
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

std::map<std::string, std::string> RemediationManager::BusyMachines() const {
  std::map<std::string, std::string> busy;
  for (const auto& [id, rollout] : running_) {
    for (const v1::Target& target : rollout->remediation().targets()) {
      if (!IsEnd(target.state())) busy[target.machine_id()] = id;
    }
  }
  return busy;
}

absl::Status RemediationManager::CheckNotBusy(const v1::Remediation& remediation) const {
  const std::map<std::string, std::string> busy = BusyMachines();
  for (const v1::Target& target : remediation.targets()) {
    const auto found = busy.find(target.machine_id());
    if (found == busy.end() || IsEnd(target.state())) continue;
    return absl::FailedPreconditionError(
        absl::StrCat(target.display_name(), " is being treated by remediation ", found->second,
                     ", and a machine is treated by one at a time; wait for it or abort it"));
  }
  return absl::OkStatus();
}

// One that is planned, unharmed, and that whose hash was given.
absl::StatusOr<v1::Remediation> RemediationManager::ReadPlan(const std::string& name,
                                                             const std::string& plan_hash) const {
  KM_ASSIGN_OR_RETURN(v1::Remediation remediation, Read(name));
  if (remediation.state() != v1::REMEDIATION_STATE_PLANNED) {
    return absl::FailedPreconditionError(
        absl::StrCat("remediation ", remediation.id(), " is ", StateName(remediation.state()),
                     " and is not started again; make a new plan"));
  }
  if (plan_hash != remediation.plan_hash()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "remediation ", remediation.id(), " has the plan hash '", remediation.plan_hash(),
        "', not '", plan_hash, "': what was approved is not this plan; look at it again"));
  }
  if (PlanHash(remediation) != remediation.plan_hash()) {
    return absl::DataLossError(absl::StrCat("the stored plan of remediation ", remediation.id(),
                                            " does not fit its own hash; make a new plan"));
  }
  return remediation;
}

void RemediationManager::Approve(v1::ApproveRemediationRequest request, std::string actor,
                                 Done done) {
  lane_->Post([this, request = std::move(request), actor = std::move(actor),
               done = std::move(done)] { ApproveNow(request, actor, done); });
}

void RemediationManager::ApproveNow(const v1::ApproveRemediationRequest& request,
                                    const std::string& actor, Done done) {
  absl::StatusOr<v1::Remediation> plan = ReadPlan(request.name(), request.plan_hash());
  if (!plan.ok()) return done(plan.status());
  plan->set_approved_by(actor);
  *plan->mutable_approved_at() = ToTimestamp(deps_.clock.Now());
  const std::string id = plan->id();
  headers_[id] = *plan;
  headers_[id].clear_targets();
  const AuditRecord line{actor, "remediation.approve", plan->name(),
                         absl::StrCat("hash ", plan->plan_hash())};
  Write({line}, {HeaderRow(*plan)}, [this, id, done, plan](absl::Status status) {
    if (!status.ok()) headers_[id].clear_approved_by();
    done(status.ok() ? plan : status);
  });
}

absl::StatusOr<v1::Remediation> RemediationManager::PrepareStart(
    const v1::StartRemediationRequest& request, const std::string& actor) const {
  KM_ASSIGN_OR_RETURN(v1::Remediation remediation, ReadPlan(request.name(), request.plan_hash()));
  KM_ASSIGN_OR_RETURN(const v1::Policy estate, deps_.policy());
  const bool approved = !remediation.approved_by().empty() && remediation.approved_by() != actor;
  // What is automatic the policy itself has approved.
  if (estate.require_approval() && !approved && !remediation.automatic()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "remediation ", remediation.id(),
        " must be approved by another person than who starts it (policy require_approval): "
        "keymedic remediations approve ",
        remediation.id(), " --plan-hash ", remediation.plan_hash()));
  }
  if (remediation.targets().empty()) {
    return absl::FailedPreconditionError(absl::StrCat("remediation ", remediation.id(),
                                                      " has no targets; see what it lists as "
                                                      "untreatable"));
  }
  if (request.has_policy()) {
    KM_ASSIGN_OR_RETURN(*remediation.mutable_policy(), PolicyFor(request.policy()));
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
  absl::StatusOr<v1::Remediation> remediation = PrepareStart(request, actor);
  if (!remediation.ok()) return done(remediation.status());
  remediation->set_started_by(actor);
  remediation->set_start_request_id(request.request_id());
  const AuditRecord line{
      actor, "remediation.start", remediation->name(),
      absl::StrCat(remediation->targets_size(), " targets, budget ", BudgetOf(*remediation),
                   ", hash ", remediation->plan_hash(), ApprovedActions(*remediation))};
  running_[id] = MakeRollout(*std::move(remediation));
  Rollout::Effects effects = running_[id]->Start(deps_.clock.Now());
  // Another policy may have cut all waves anew.
  for (int i = 0; i < running_[id]->remediation().targets_size(); ++i) effects.targets.insert(i);
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
  const size_t size = PageSize(request.page_size());
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
