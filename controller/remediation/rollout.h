// SPDX-License-Identifier: Apache-2.0
//
// A running remediation as a state machine: canary, growing waves, a hard error budget,
// verification, undoing. Pure: no I/O, no clock, no threads. What happens goes in, what is to be
// done comes out as Effects.
//
// Life cycle: made from a stored remediation with all its targets, then Start (once, ever) or
// Recover (after a restart of the controller), then whatever happens, until ended().
//
// The caller's part of the contract:
//  * `targets` and `header` of the Effects are durable before anything of `sends` leaves. Then a
//    crash anywhere ends as if it had not been: what may have been sent is sent again under the
//    same id, and the agent's journal makes the effect once.
//  * Effects are carried out in the order in which they were given.
//
// What always holds:  failed + rolled back + unknown + in flight <= budget(),
// in memory and in every state that was made durable.
//
// Every state that is not an end has a deadline (NextDeadline, Tick), but for PENDING, which waits
// for states that have one, for its maintenance window, for a wave to soak, or for a person who
// paused.
//
// Waves: those up to Remediation.open_wave may begin. The next one opens when nothing of the
// present one is open or in flight, its canary is well, and it has soaked (rollout_gates.cc). A
// machine that is away holds up no wave but the canary's.
#ifndef KEYMEDIC_CONTROLLER_REMEDIATION_ROLLOUT_H_
#define KEYMEDIC_CONTROLLER_REMEDIATION_ROLLOUT_H_

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "controller/remediation/due.h"
#include "keymedic/v1/command.pb.h"
#include "keymedic/v1/remediation_service.pb.h"

namespace keymedic::controller {

class Rollout {
 public:
  struct Send {
    uint32_t target;
    v1::Command command;
    bool first;  // nothing was ever sent to this target: if this is not either, tell NotSent
  };
  struct Look {
    uint32_t target;
    std::string collect_id;
  };
  struct AuditLine {
    std::string object, detail;  // of a "command.apply"
  };
  struct Effects {
    bool header = false;         // the remediation itself has changed
    std::set<uint32_t> targets;  // have changed
    std::vector<Send> sends;
    std::vector<Look> looks;  // RequestCollect, and tell Collected
    std::vector<AuditLine> audit;
    bool ask_health = false;  // a wave has soaked: tell Health
  };

  // Of a machine's time zone now; nothing where that is not known.
  using UtcOffsetMinutesOf = std::function<std::optional<int32_t>(const std::string& machine_id)>;

  // Without `utc_offset_of`, or where it knows nothing, the plan's offset holds.
  explicit Rollout(v1::Remediation remediation, UtcOffsetMinutesOf utc_offset_of = nullptr);

  Effects Start(absl::Time now);
  Effects Recover(absl::Time now);
  // Always names the target in `targets`, also for a repeated or late result: it may be
  // acknowledged once that is durable. A late one, also after the end, is kept with the step and
  // changes no state; one that tells nothing new has no audit line.
  Effects Result(const v1::CommandResult& result, absl::Time now);
  Effects NotSent(uint32_t target, absl::string_view command_id, absl::Time now);
  // `codes`: everything that the machine shows now, and of its elsewhere_codes those that still ask
  // for a treatment of it.
  Effects Collected(absl::string_view machine_id, absl::string_view collect_id,
                    const std::set<std::string>& codes, absl::Time now);
  Effects Connected(absl::string_view machine_id, absl::Time now);
  Effects Tick(absl::Time now);
  // No new target begins; what is in flight goes on to its end.
  Effects Pause(absl::string_view reason, absl::Time now);
  Effects Resume(absl::Time now);
  // No new target and no new step begins, and what was sent and has not run does not run any more
  // when it is repeated. (A used up budget is no cancel: what is in flight is finished.)
  Effects Abort(absl::string_view reason, absl::Time now);
  // Leaves out a target of which nothing was sent; no effect on others.
  Effects Skip(uint32_t target, absl::string_view reason, absl::Time now);
  // What is wrong with the machines treated so far; empty: the next wave may begin, else this
  // pauses.
  Effects Health(const std::vector<std::string>& troubles, absl::Time now);

  const v1::Remediation& remediation() const { return remediation_; }
  bool ended() const;
  // When Tick has to be called next; InfiniteFuture if nothing waits.
  absl::Time NextDeadline() const;
  uint32_t budget() const { return budget_; }
  uint32_t budget_used() const { return losses_ + static_cast<uint32_t>(flight_.size()); }
  // Without `changed`.
  v1::RemediationProgress Progress() const;
  // The target on that machine while it waits to be verified, or null.
  const v1::Target* Verifying(absl::string_view machine_id) const;

 private:
  struct Changes;  // Effects under way, with the instant

  v1::Target& target(uint32_t index) { return *remediation_.mutable_targets(index); }
  void SetState(uint32_t index, v1::TargetState state, Changes& changes);
  void Finish(uint32_t index, v1::TargetState state, absl::string_view message, Changes& changes);

  void BeginStep(uint32_t index, uint32_t step, Changes& changes);
  void SendStep(uint32_t index, uint32_t step, std::string id, Changes& changes);
  v1::Command MakeCommand(const v1::Target& target) const;
  void StepAnswered(uint32_t index, const v1::CommandResult& result, Changes& changes);
  void LookAnswered(uint32_t index, uint32_t attempt, const v1::CommandResult& result,
                    Changes& changes);
  void UndoAnswered(uint32_t index, const v1::CommandResult& result, Changes& changes);
  void StepDone(uint32_t index, Changes& changes);
  void Cancel(uint32_t index, Changes& changes);
  void Fail(uint32_t index, absl::string_view message, Changes& changes);
  void UndoNext(uint32_t index, Changes& changes);
  void BeginVerify(uint32_t index, Changes& changes);
  void AwaitRestart(uint32_t index, Changes& changes);
  void RequestLook(uint32_t index, Changes& changes);
  void Expire(uint32_t index, Changes& changes);

  // After every event: what may begin now, and is it all over?
  void Proceed(Changes& changes);
  bool MayBegin() const;  // running or paused: neither aborted nor stopped
  bool Aborted() const { return remediation_.state() == v1::REMEDIATION_STATE_ABORTED; }
  bool BeginReady(Changes& changes);
  enum class Readiness { kReady, kWaits, kBlocked };
  Readiness ReadinessOf(const v1::Target& target, std::string& blocked_by) const;
  bool SkipOneOfACircle(Changes& changes);
  bool StopIfBudgetUsedUp(Changes& changes);
  void CancelOpen(absl::string_view message, Changes& changes);
  void EndIfDone(Changes& changes);

  // rollout_gates.cc: what a target or a wave waits for beside its turn.
  bool OpenNextWave(Changes& changes);
  bool WaveIsOver() const;
  uint32_t NextWave() const;
  bool CanaryDecides(uint32_t next, Changes& changes);
  bool HasSoaked(Changes& changes);
  void OpenWave(uint32_t wave, Changes& changes);
  bool InWindow(uint32_t index, Changes& changes);
  bool TakeUtcOffset(v1::Target& target) const;  // says whether it has changed

  // Of one KMS host or one site; a target without one counts for none.
  using Crowd = std::map<std::string, uint32_t>;
  // In flight it takes room at its KMS host and its site, else it gives that back.
  void CountCrowds(const v1::Target& target, bool enters);
  bool HasRoom(const v1::Target& target) const;
  uint32_t LastWave() const;

  v1::Remediation remediation_;
  UtcOffsetMinutesOf utc_offset_of_;
  uint32_t budget_;
  std::map<std::string, uint32_t, std::less<>> by_machine_;
  // Every target that is not at its end is in exactly one of these.
  std::set<uint32_t> pending_, queued_, flight_;
  std::map<v1::TargetState, uint32_t> totals_;
  Crowd hosts_, sites_;  // in flight
  uint32_t losses_ = 0;
  uint32_t last_wave_ = 0;

  struct Looking {
    uint32_t looks = 0;     // asked for
    bool answered = false;  // at least once
  };
  std::map<uint32_t, Looking> looking_;  // of those that IsLookedAt
  Due deadlines_;                        // of the states of those queued or in flight
  Due looks_;                            // when it is looked at again
  Due window_turns_;                     // of pending ones: when its window opens or ends
  bool health_asked_ = false;
};

}  // namespace keymedic::controller

#endif  // KEYMEDIC_CONTROLLER_REMEDIATION_ROLLOUT_H_
