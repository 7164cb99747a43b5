// SPDX-License-Identifier: Apache-2.0
//
// Opening, running and durability. What people ask for is in manager_requests.cc.
#include "controller/remediation/manager.h"

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "controller/remediation/health.h"
#include "controller/remediation/states.h"
#include "controller/remediation/stored.h"

namespace keymedic::controller {
namespace {

AuditRecord EndRecord(const v1::Remediation& remediation) {
  std::vector<std::string> parts;
  for (const auto& [state, count] : remediation.totals()) {
    parts.push_back(absl::StrCat(state, "=", count));
  }
  std::sort(parts.begin(), parts.end());
  return {remediation.started_by(), "remediation.end", remediation.name(),
          absl::StrCat(v1::RemediationState_Name(remediation.state()), ": ",
                       absl::StrJoin(parts, " "))};
}

// The changed targets without their steps: what a watcher needs.
v1::RemediationProgress ProgressWith(const Rollout& rollout, const std::set<uint32_t>& targets) {
  v1::RemediationProgress progress = rollout.Progress();
  for (uint32_t index : targets) {
    v1::Target& changed = *progress.add_changed();
    changed = rollout.remediation().targets(index);
    changed.clear_steps();
  }
  return progress;
}

// What the target's machine shows, and what shows elsewhere and still asks for a treatment of it.
std::set<std::string> StillFound(FleetPort& fleet, const v1::Target& target) {
  std::set<std::string> codes;
  for (const v1::Finding& finding : fleet.FindingsOf(target.machine_id())) {
    codes.insert(finding.code());
  }
  if (target.elsewhere_codes().empty()) return codes;
  for (const v1::Finding& finding : fleet.Findings()) {
    const bool asks = absl::c_any_of(finding.treatments(), [&](const v1::Treatment& treatment) {
      return treatment.machine_id() == target.machine_id();
    });
    if (asks && absl::c_linear_search(target.elsewhere_codes(), finding.code())) {
      codes.insert(finding.code());
    }
  }
  return codes;
}

}  // namespace

RemediationManager::RemediationManager(RemediationDeps deps)
    : deps_(std::move(deps)),
      lane_(Lane::Make(deps_.executor)),
      writing_(Lane::Make(deps_.executor)) {}

absl::StatusOr<std::unique_ptr<RemediationManager>> RemediationManager::Open(RemediationDeps deps) {
  std::unique_ptr<RemediationManager> manager(new RemediationManager(std::move(deps)));
  KM_RETURN_IF_ERROR(Annotate(manager->Load(), "reading the remediations"));
  manager->deps_.fleet.SetListener(manager.get());
  manager->lane_->Post([self = manager.get()] {
    std::vector<std::string> ids;
    for (const auto& [id, rollout] : self->running_) ids.push_back(id);
    for (const std::string& id : ids) {
      log::Info("REMEDIATION_CONTINUED", "remediation {} was running and goes on", id);
      self->Carry(id, self->running_.at(id)->Recover(self->deps_.clock.Now()));
    }
    self->lane_->PostAfter(kStandingPause, [self] { self->LookForStanding(); });
  });
  return manager;
}

RemediationManager::~RemediationManager() {
  deps_.fleet.SetListener(nullptr);
  lane_->Close();
  writing_->Close();
}

absl::Status RemediationManager::Load() {
  KM_ASSIGN_OR_RETURN(tried_, Tried::Load(deps_.store));
  KM_ASSIGN_OR_RETURN(std::vector<v1::Remediation> headers, LoadHeaders(deps_.store));
  for (v1::Remediation& header : headers) {
    headers_[header.id()] = header;
    if (IsEnded(header) || header.state() == v1::REMEDIATION_STATE_PLANNED) continue;
    KM_RETURN_IF_ERROR(LoadTargets(deps_.store, header));
    const std::string id = header.id();
    running_[id] = MakeRollout(std::move(header));
  }
  return absl::OkStatus();
}

std::unique_ptr<Rollout> RemediationManager::MakeRollout(v1::Remediation remediation) {
  return std::make_unique<Rollout>(std::move(remediation), [this](const std::string& machine_id) {
    return deps_.fleet.UtcOffsetMinutesOf(machine_id);
  });
}

// --- What the fleet tells ---

void RemediationManager::OnResult(const std::string& machine_id, const v1::CommandResult& result,
                                  std::function<void()> durable) {
  lane_->Post([this, machine_id, result, durable = std::move(durable)]() mutable {
    HandleResult(machine_id, result, std::move(durable));
  });
}

void RemediationManager::HandleResult(const std::string& machine_id,
                                      const v1::CommandResult& result,
                                      std::function<void()> durable) {
  const std::optional<CommandId> id = CommandId::Parse(result.command_id());
  if (!id) return durable();  // nobody waits for it: the agent may forget it
  if (id->phase == Phase::kCheck) {
    durable();
    const auto job = planning_.find(id->remediation);
    if (job == planning_.end() || !id->IsFor(job->second.run.remediation(), machine_id)) return;
    SendChecks(id->remediation, job->second.run.Result(result, deps_.clock.Now()));
    return;
  }
  const auto rollout = running_.find(id->remediation);
  if (rollout != running_.end()) {
    if (!id->IsFor(rollout->second->remediation(), machine_id)) return durable();
    Rollout::Effects effects = rollout->second->Result(result, deps_.clock.Now());
    if (effects.targets.empty()) return durable();
    return Carry(id->remediation, std::move(effects), {}, [durable](absl::Status status) {
      if (status.ok()) durable();
    });
  }
  const auto header = headers_.find(id->remediation);
  if (header == headers_.end()) return durable();
  // One that stands still will ask again once the store takes writes.
  if (IsEnded(header->second)) HandleLate(*id, machine_id, result, std::move(durable));
}

// The whole remediation has ended. What its row does not know yet is kept all the same.
void RemediationManager::HandleLate(const CommandId& id, const std::string& machine_id,
                                    const v1::CommandResult& result,
                                    std::function<void()> durable) {
  absl::StatusOr<v1::Remediation> remediation = LoadRemediation(deps_.store, id.remediation);
  if (!remediation.ok()) return;  // the agent will tell it again
  if (!id.IsFor(*remediation, machine_id)) return durable();
  auto rollout = MakeRollout(*std::move(remediation));
  Rollout::Effects effects = rollout->Result(result, deps_.clock.Now());
  if (effects.audit.empty()) return durable();
  // Among the running ones until it is durable, so that a repeated result finds it there.
  running_[id.remediation] = std::move(rollout);
  Carry(id.remediation, std::move(effects), {},
        [this, id = id.remediation, durable](absl::Status status) {
          running_.erase(id);
          if (status.ok()) durable();
        });
}

void RemediationManager::OnCollected(const std::string& machine_id, const std::string& collect_id) {
  lane_->Post([this, machine_id, collect_id] {
    const std::string id = collect_id.substr(0, collect_id.find('/'));
    const auto rollout = running_.find(id);
    if (rollout == running_.end()) return;
    const v1::Target* target = rollout->second->Verifying(machine_id);
    if (target == nullptr) return;
    Carry(id, rollout->second->Collected(machine_id, collect_id, StillFound(deps_.fleet, *target),
                                         deps_.clock.Now()));
  });
}

void RemediationManager::OnConnected(const std::string& machine_id) {
  lane_->Post([this, machine_id] {
    const absl::Time now = deps_.clock.Now();
    std::vector<std::string> planning, running;
    for (const auto& [id, job] : planning_) planning.push_back(id);
    for (const auto& [id, rollout] : running_) running.push_back(id);
    for (const std::string& id : planning) {
      SendChecks(id, planning_.at(id).run.Connected(machine_id, now));
    }
    for (const std::string& id : running) Carry(id, running_.at(id)->Connected(machine_id, now));
  });
}

// --- Durable first ---

void RemediationManager::Carry(const std::string& id, Rollout::Effects effects,
                               std::vector<AuditRecord> first, After after) {
  const Rollout& rollout = *running_.at(id);
  const bool nothing = !effects.header && effects.targets.empty() && effects.sends.empty() &&
                       effects.looks.empty() && !effects.ask_health && !after;
  if (nothing) return ArmTimer();
  const v1::Remediation& remediation = rollout.remediation();
  std::vector<AuditRecord> audit = std::move(first);
  for (const Rollout::AuditLine& line : effects.audit) {
    audit.push_back({remediation.started_by(), "command.apply", line.object, line.detail});
  }
  Batch batch;
  if (effects.header) {
    batch.push_back(HeaderRow(remediation));
    v1::Remediation& header = headers_[id];
    header = remediation;
    header.clear_targets();
    if (rollout.ended()) audit.push_back(EndRecord(remediation));
  }
  for (uint32_t index : effects.targets) {
    batch.push_back(TargetRow(remediation, index));
    tried_.Note(remediation, remediation.targets(index), deps_.clock.Now(), batch);
  }
  const bool watched = IsWatched(id) && !batch.empty();
  v1::RemediationProgress progress;
  if (watched) progress = ProgressWith(rollout, effects.targets);
  ArmTimer();
  const bool ended = effects.header && rollout.ended();
  auto written = [this, id, ended, watched, effects = std::move(effects),
                  progress = std::move(progress), after = std::move(after)](absl::Status status) {
    if (status.ok()) {
      if (watched) Publish(id, progress, ended);
      CarriedOut(id, effects);
      if (ended) running_.erase(id);
    } else {
      StandStill(id, status);
    }
    if (after) after(status);
  };
  // Without anything to write these are repetitions of what is durable already; they too keep
  // their place behind earlier writes.
  Write(std::move(audit), std::move(batch), std::move(written));
}

void RemediationManager::Write(std::vector<AuditRecord> audit, Batch batch, After done) {
  {
    std::lock_guard lock(mutex_);
    unwritten_.push_back({std::move(audit), std::move(batch), std::move(done)});
    if (unwritten_.size() > 1) return;  // the job that was posted will take it along
  }
  writing_->Post([this] { WriteAll(); });
}

// What has come while the one before was written is written as one: the audit log is durable first.
void RemediationManager::WriteAll() {
  std::vector<Unwritten> group;
  {
    std::lock_guard lock(mutex_);
    group.swap(unwritten_);
  }
  std::vector<AuditRecord> audit;
  for (Unwritten& one : group) {
    std::move(one.audit.begin(), one.audit.end(), std::back_inserter(audit));
  }
  const absl::Status status = audit.empty() ? absl::OkStatus() : deps_.audit(audit);
  for (Unwritten& one : group) {
    auto answer = [lane = lane_, done = std::move(one.done)](absl::Status status) {
      lane->Post([done, status] { done(status); });
    };
    if (status.ok()) {
      deps_.store.CommitAsync(std::move(one.batch), answer);
    } else {
      answer(status);
    }
  }
}

void RemediationManager::CarriedOut(const std::string& id, const Rollout::Effects& effects) {
  const auto found = running_.find(id);
  if (found == running_.end()) return;  // stands still: everything is sent again later
  Rollout& rollout = *found->second;
  for (const Rollout::Look& look : effects.looks) {
    // A machine that is away is asked again when it connects.
    deps_.fleet.RequestCollect(rollout.remediation().targets(look.target).machine_id(),
                               look.collect_id);
  }
  for (const Rollout::Send& send : effects.sends) {
    const bool sent = Send(rollout.remediation().targets(send.target).machine_id(), send.command);
    if (!sent && send.first) {
      Carry(id, rollout.NotSent(send.target, send.command.id(), deps_.clock.Now()));
    }
  }
  if (effects.ask_health) {
    Carry(id, rollout.Health(TroublesOf(rollout.remediation(), deps_.fleet), deps_.clock.Now()));
  }
}

bool RemediationManager::Send(const std::string& machine_id, v1::Command command) {
  if (deps_.secrets != nullptr) {
    const auto secrets = deps_.secrets(machine_id, command.action());
    if (secrets.ok()) {
      command.mutable_secrets()->insert(secrets->begin(), secrets->end());
    } else {
      // The machine refuses it then, and that is an answer like any other.
      log::Warning("REMEDIATION_WITHOUT_SECRET", "{} goes to {} without what it needs: {}",
                   command.action(), machine_id, secrets.status().ToString());
    }
  }
  return deps_.fleet.Send(machine_id, command);
}

void RemediationManager::StandStill(const std::string& id, const absl::Status& status) {
  if (running_.erase(id) == 0) return;
  log::Error("REMEDIATION_STANDS_STILL",
             "remediation {}: its progress could not be stored and nothing more is sent ({}); "
             "trying again in {}",
             id, status.ToString(), absl::FormatDuration(kRetry));
  lane_->PostAfter(kRetry, [this, id] { ReadAgain(id); });
}

void RemediationManager::ReadAgain(const std::string& id) {
  absl::StatusOr<v1::Remediation> remediation = LoadRemediation(deps_.store, id);
  if (!remediation.ok()) {
    if (!absl::IsNotFound(remediation.status())) {
      lane_->PostAfter(kRetry, [this, id] { ReadAgain(id); });
    }
    return;
  }
  headers_[id] = *remediation;
  headers_[id].clear_targets();
  // Planned: its start was refused, so it never began.
  if (IsEnded(*remediation) || remediation->state() == v1::REMEDIATION_STATE_PLANNED) return;
  running_[id] = MakeRollout(*std::move(remediation));
  Carry(id, running_[id]->Recover(deps_.clock.Now()));
}

// --- Time ---

void RemediationManager::ArmTimer() {
  absl::Time next = absl::InfiniteFuture();
  for (const auto& [id, rollout] : running_) next = std::min(next, rollout->NextDeadline());
  for (const auto& [id, job] : planning_) next = std::min(next, job.run.NextDeadline());
  if (next >= armed_) return;
  armed_ = next;
  const absl::Duration delay = std::max(absl::Milliseconds(1), next - deps_.clock.Now());
  lane_->PostAfter(delay, [this, next] {
    if (armed_ == next) OnTimer();
  });
}

void RemediationManager::OnTimer() {
  armed_ = absl::InfiniteFuture();
  const absl::Time now = deps_.clock.Now();
  std::vector<std::string> planning, running;
  for (const auto& [id, job] : planning_) {
    if (job.run.NextDeadline() <= now) planning.push_back(id);
  }
  for (const auto& [id, rollout] : running_) {
    if (rollout->NextDeadline() <= now) running.push_back(id);
  }
  for (const std::string& id : planning) SendChecks(id, planning_.at(id).run.Tick(now));
  for (const std::string& id : running) Carry(id, running_.at(id)->Tick(now));
  ArmTimer();
}

// --- Watchers ---

bool RemediationManager::IsWatched(const std::string& id) const {
  return std::any_of(watching_.begin(), watching_.end(),
                     [&](const auto& entry) { return entry.second.id == id; });
}

void RemediationManager::Publish(const std::string& id, const v1::RemediationProgress& progress,
                                 bool last) {
  std::vector<uint64_t> finished;
  for (const auto& [watch, watching] : watching_) {
    if (watching.id != id) continue;
    watching.watcher(progress, last);
    if (last) finished.push_back(watch);
  }
  for (uint64_t watch : finished) watching_.erase(watch);
}

uint64_t RemediationManager::Watch(std::string name, Watcher watcher) {
  const uint64_t watch = next_watch_++;
  lane_->Post([this, watch, name = std::move(name), watcher = std::move(watcher)] {
    absl::StatusOr<v1::Remediation> remediation = Read(name);
    if (!remediation.ok()) return watcher(remediation.status(), true);
    const bool last = IsEnded(*remediation);
    std::set<uint32_t> all;
    for (int i = 0; i < remediation->targets_size(); ++i) all.insert(i);
    watcher(ProgressWith(Rollout(*remediation), all), last);
    if (!last) watching_[watch] = {remediation->id(), watcher};
  });
  return watch;
}

void RemediationManager::Unwatch(uint64_t watch) {
  lane_->Post([this, watch] { watching_.erase(watch); });
}

}  // namespace keymedic::controller
