// SPDX-License-Identifier: Apache-2.0
//
// All machines: presence, labels, what they hold, and their diagnosis. Loaded from the store at
// start; from then on the store is only written to, but for whole sections and events, which stay
// there alone.
//
// Life cycle: Open -> (streams come and go) -> destroyed after the last stream has ended and the
// store has nothing of its left to do.
// Threads: any. No lock of the fleet is held while a listener is called or a batch is committed.
#ifndef KEYMEDIC_CONTROLLER_FLEET_FLEET_H_
#define KEYMEDIC_CONTROLLER_FLEET_FLEET_H_

#include <atomic>
#include <memory>
#include <shared_mutex>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/clock.h"
#include "controller/diagnosis/estate_diagnosis.h"
#include "controller/fleet/fleet_port.h"
#include "controller/fleet/machine.h"
#include "controller/store/store.h"
#include "keymedic/v1/fleet_service.pb.h"
#include "kms/diagnosis/agents.h"

namespace keymedic::controller {

struct FleetOptions {
  absl::Duration heartbeat_interval = absl::Seconds(30);
  absl::Duration collect_interval = absl::Minutes(15);
};

class Fleet final : public FleetPort {
 public:
  static absl::StatusOr<std::unique_ptr<Fleet>> Open(Store& store, const Clock& clock,
                                                     const FleetOptions& options,
                                                     const v1::Policy& policy);

  // FleetPort
  std::vector<MachineInfo> Machines() override;
  std::optional<int32_t> UtcOffsetMinutesOf(const std::string& machine_id) override;
  std::vector<v1::Finding> Findings() override;
  std::vector<v1::Finding> FindingsOf(const std::string& machine_id) override;
  bool Send(const std::string& machine_id, const v1::Command& command) override;
  bool RequestCollect(const std::string& machine_id, const std::string& collect_id) override;
  void SetListener(FleetListener* listener) override { listener_ = listener; }

  // Findings and facts of everything, folded; cheap while nothing changes.
  std::shared_ptr<const FoldedView> View();
  v1::Summary Summary();
  // How many machines are connected.
  uint32_t Connected();
  // What becomes of the estate if nothing changes.
  v1::ListForecastsResponse Forecast(const kms::ForecastOptions& options);
  // What it is called now; "": there is no such machine.
  std::string NameOf(const std::string& machine_id);
  bool Knows(const std::string& machine_id) { return Find(machine_id) != nullptr; }
  // Without sections. kNotFound.
  absl::StatusOr<v1::Machine> DescribeMachine(const std::string& machine_id);
  absl::StatusOr<std::vector<v1::Section>> SectionsOf(const std::string& machine_id);
  // The id of the machine that is called "machines/{id}", {id}, or by this display name in any
  // case. kNotFound; kFailedPrecondition if several are called so.
  absl::StatusOr<std::string> ResolveMachine(absl::string_view name);

  // Ends the machine's stream, if there is one.
  void Disconnect(const std::string& machine_id, const absl::Status& why);
  // Forgets the machine: its row, sections, events, notices, what was tried on it, and its
  // findings. Its certificates are void already. kNotFound; kFailedPrecondition: it is connected.
  absl::Status Remove(const std::string& machine_id);

  // The row that a machine will have once it is enrolled (again): for the same batch as its token.
  rows::v1::MachineRow EnrollmentRow(const std::string& machine_id, absl::string_view name,
                                     const std::map<std::string, std::string>& labels,
                                     const std::map<std::string, std::string>& token_labels);
  // That row is durable.
  void Enrolled(const rows::v1::MachineRow& row);

  EstateDiagnosis& diagnosis() { return diagnosis_; }
  // For the session.
  Store& store() { return store_; }
  const Clock& clock() const { return clock_; }
  const FleetOptions& options() const { return options_; }
  FleetListener* listener() { return listener_; }
  std::shared_ptr<Machine> FindOrAdd(const std::string& machine_id);
  // This stream is the machine's from now on; another one is closed. kAborted: the machine was
  // removed meanwhile.
  absl::Status Attach(Machine& machine, std::shared_ptr<AgentLink> link);
  // Nothing happens if another stream has taken over.
  void Detach(Machine& machine, const AgentLink* link);
  // Machine's mutex held: hands its row to the store.
  void SaveRow(Machine& machine);
  // After its notices, its silence, or whether its identity is shared changed.
  void UpdateAgentFindings(Machine& machine);
  // Tells the machine's agent what is made of it, if it wants that and it is news. Asked whenever
  // the machine has said something: what has changed by others comes with its next heartbeat.
  void TellStatus(Machine& machine);

 private:
  Fleet(Store& store, const Clock& clock, const FleetOptions& options, v1::Policy policy)
      : store_(store),
        clock_(clock),
        options_(options),
        diagnosis_(clock, std::move(policy)),
        started_at_(clock.Now()) {}

  absl::Status Load();
  absl::Status RemoveRows(const std::string& machine_id);
  absl::Status LoadSections();
  absl::Status LoadNotices();
  std::shared_ptr<Machine> Find(const std::string& machine_id);
  std::vector<std::shared_ptr<Machine>> All();
  kms::AgentContact ContactOf(const Machine& machine) const;
  void LookAtAgents();
  std::shared_ptr<AgentLink> LinkOf(const std::string& machine_id);
  bool SendTo(const std::string& machine_id, v1::ControllerMessage message);

  Store& store_;
  const Clock& clock_;
  const FleetOptions options_;
  EstateDiagnosis diagnosis_;
  const absl::Time started_at_;
  std::atomic<FleetListener*> listener_ = nullptr;
  std::shared_mutex mutex_;
  absl::flat_hash_map<std::string, std::shared_ptr<Machine>> machines_;  // guarded by mutex_
  std::mutex looking_mutex_;
  absl::Time looked_at_agents_ = absl::InfinitePast();  // guarded by looking_mutex_
};

// The name's machine part, for store keys: id \0 rest.
std::string MachineKey(absl::string_view machine_id, absl::string_view rest);

// What the agent said last wins, but labels of the join token cannot be overruled by the machine.
std::map<std::string, std::string> EffectiveLabels(const rows::v1::MachineRow& row);

}  // namespace keymedic::controller

#endif  // KEYMEDIC_CONTROLLER_FLEET_FLEET_H_
