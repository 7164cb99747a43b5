// SPDX-License-Identifier: Apache-2.0
//
// All remediations of an estate: joins the pure planner and rollouts with the store, the fleet, the
// audit log and time.
//
// Life cycle: Open reads the store, makes itself the fleet's listener and goes on with what was
// running when the controller last ended, however it ended: what may have been sent is sent again
// under its own id. The destructor stops without changing anything.
//
// Durable first: a state is in the store before the command that it stands for leaves, and before
// the result that it comes from is acknowledged to the agent. If the store refuses, the remediation
// stands still and is read again from the store after kRetry.
//
// Threads: all calls from any thread; none blocks. Answers (`done`, watchers) come on the manager's
// lane and must not block. After the destructor returns none comes any more.
// Ownership: the dependencies outlive the manager.
// Errors: kNotFound, kInvalidArgument, kFailedPrecondition (state, hash, expectation), and the
// store's own.
#ifndef KEYMEDIC_CONTROLLER_REMEDIATION_MANAGER_H_
#define KEYMEDIC_CONTROLLER_REMEDIATION_MANAGER_H_

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/executor.h"
#include "base/random.h"
#include "controller/audit.h"
#include "controller/fleet/fleet_port.h"
#include "controller/remediation/check_run.h"
#include "controller/remediation/lane.h"
#include "controller/remediation/rollout.h"
#include "controller/remediation/states.h"
#include "controller/remediation/tried.h"
#include "controller/store/store.h"
#include "keymedic/v1/policy_service.pb.h"
#include "keymedic/v1/remediation_service.pb.h"
#include "kms/tables.h"

namespace keymedic::controller {

struct RemediationDeps {
  FleetPort& fleet;
  Store& store;
  Executor& executor;
  const Clock& clock;
  Random& random;
  // Returns once the lines are durable.
  std::function<absl::Status(const std::vector<AuditRecord>&)> audit;
  std::span<const kms::TreatmentRow> treatments;  // kms::TreatmentRows()
  // The estate's, as it is now.
  std::function<absl::StatusOr<v1::Policy>()> policy;
  // What a command of this action needs on this machine beside its parameters: it goes into the
  // command as that leaves, and nowhere else. kNotFound: it is not stored. Null: no action needs
  // any.
  std::function<absl::StatusOr<std::map<std::string, std::string>>(const std::string& machine_id,
                                                                   const std::string& action)>
      secrets = nullptr;
};

class RemediationManager final : public FleetListener {
 public:
  static constexpr absl::Duration kRetry = absl::Seconds(5);
  static constexpr absl::Duration kStandingPause = absl::Minutes(1);

  static absl::StatusOr<std::unique_ptr<RemediationManager>> Open(RemediationDeps deps);
  ~RemediationManager() override;

  using Done = std::function<void(absl::StatusOr<v1::Remediation>)>;
  // `actor`: SPIFFE id of who asks. Answers when every target has been CHECKed and the plan stored.
  // The same request_id again gives the same plan.
  void Plan(v1::PlanRemediationRequest request, std::string actor, Done done);
  void Retry(v1::RetryRemediationRequest request, std::string actor, Done done);
  void Approve(v1::ApproveRemediationRequest request, std::string actor, Done done);
  void Start(v1::StartRemediationRequest request, std::string actor, Done done);
  enum class Control { kPause, kResume, kAbort, kSkip };
  void Apply(Control control, v1::ControlRemediationRequest request, std::string actor, Done done);
  void Get(std::string name, Done done);
  void List(v1::ListRemediationsRequest request,
            std::function<void(absl::StatusOr<v1::ListRemediationsResponse>)> done);

  // The present state with all targets, then what changes, until `last`. An error is the last too.
  using Watcher = std::function<void(absl::StatusOr<v1::RemediationProgress>, bool last)>;
  uint64_t Watch(std::string name, Watcher watcher);
  void Unwatch(uint64_t watch);  // a call may be under way

  void OnResult(const std::string& machine_id, const v1::CommandResult& result,
                std::function<void()> durable) override;
  void OnCollected(const std::string& machine_id, const std::string& collect_id) override;
  void OnConnected(const std::string& machine_id) override;
  void OnDisconnected(const std::string& machine_id) override {}

 private:
  using After = std::function<void(absl::Status)>;
  struct PlanJob {
    CheckRun run;
    std::vector<Done> done;
  };
  struct Watching {
    std::string id;
    Watcher watcher;
  };

  explicit RemediationManager(RemediationDeps deps);
  absl::Status Load();

  // What follows runs on lane_.
  struct PlanOrder {
    v1::PlanRemediationRequest request;
    std::string actor;
    std::string retry_of = {};                                 // a remediation's name
    std::optional<std::set<std::string>> only = std::nullopt;  // machine ids; absent: any
    bool automatic = false;
  };
  void BeginPlan(const PlanOrder& order, Done done);
  absl::StatusOr<Draft> MakeDraft(const PlanOrder& order, const std::string& id);
  void BeginRetry(const v1::RetryRemediationRequest& request, const std::string& actor, Done done);
  // manager_standing.cc: what the policy has treated as it appears.
  void LookForStanding();
  bool StandingHolds(const v1::Policy& policy) const;
  void StartStanding(const v1::Policy& policy, const v1::Remediation& plan);
  std::map<std::string, std::string> BusyMachines() const;  // id -> the remediation's

  absl::StatusOr<v1::RolloutPolicy> PolicyFor(const v1::RolloutPolicy& asked) const;
  void CompareWithLast(v1::Remediation& plan) const;
  void ApproveNow(const v1::ApproveRemediationRequest& request, const std::string& actor,
                  Done done);
  void SendChecks(const std::string& id, CheckRun::Sends sends);
  // With its secrets. As FleetPort::Send.
  bool Send(const std::string& machine_id, v1::Command command);
  void EndPlan(const std::string& id);
  void BeginRollout(const v1::StartRemediationRequest& request, const std::string& actor,
                    Done done);
  absl::StatusOr<v1::Remediation> PrepareStart(const v1::StartRemediationRequest& request,
                                               const std::string& actor) const;
  absl::StatusOr<v1::Remediation> ReadPlan(const std::string& name,
                                           const std::string& plan_hash) const;
  absl::Status CheckNotBusy(const v1::Remediation& remediation) const;
  void ApplyControl(Control control, const v1::ControlRemediationRequest& request,
                    const std::string& actor, Done done);
  absl::StatusOr<Rollout::Effects> Controlled(Control control,
                                              const v1::ControlRemediationRequest& request,
                                              Rollout& rollout) const;
  absl::StatusOr<v1::Remediation> Read(const std::string& name) const;
  absl::StatusOr<v1::ListRemediationsResponse> ReadPage(
      const v1::ListRemediationsRequest& request) const;

  // Makes `effects` durable, then carries them out, then calls `after`. `first` are audit lines
  // that go before.
  void Carry(const std::string& id, Rollout::Effects effects, std::vector<AuditRecord> first = {},
             After after = nullptr);
  void CarriedOut(const std::string& id, const Rollout::Effects& effects);
  struct Unwritten {
    std::vector<AuditRecord> audit;
    Batch batch;
    After done;
  };
  void Write(std::vector<AuditRecord> audit, Batch batch, After done);
  void WriteAll();
  void StandStill(const std::string& id, const absl::Status& status);
  void ReadAgain(const std::string& id);
  bool IsWatched(const std::string& id) const;
  void Publish(const std::string& id, const v1::RemediationProgress& progress, bool last);
  void HandleResult(const std::string& machine_id, const v1::CommandResult& result,
                    std::function<void()> durable);
  std::unique_ptr<Rollout> MakeRollout(v1::Remediation remediation);
  void HandleLate(const CommandId& id, const std::string& machine_id,
                  const v1::CommandResult& result, std::function<void()> durable);
  void ArmTimer();
  void OnTimer();

  const RemediationDeps deps_;
  const std::shared_ptr<Lane> lane_;     // everything but writing
  const std::shared_ptr<Lane> writing_;  // blocks while the audit log writes; keeps the order
  std::atomic<uint64_t> next_watch_{1};
  std::mutex mutex_;
  std::vector<Unwritten> unwritten_;  // guarded by mutex_; in order, for WriteAll

  // Only on lane_.
  std::map<std::string, v1::Remediation> headers_;  // all that are stored, without targets
  std::map<std::string, std::unique_ptr<Rollout>> running_;
  std::map<std::string, PlanJob> planning_;
  std::map<uint64_t, Watching> watching_;
  Tried tried_;
  absl::Time standing_not_before_ = absl::InfinitePast();
  absl::Time armed_ = absl::InfiniteFuture();
};

}  // namespace keymedic::controller

#endif  // KEYMEDIC_CONTROLLER_REMEDIATION_MANAGER_H_
