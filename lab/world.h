// SPDX-License-Identifier: Apache-2.0
//
// A simulated Windows estate that lives by the activation rules: thresholds of 25 and 5, counts of
// distinct client machine ids within 30 days and at most twice the highest policy, attempts every 2
// hours, renewals every 7 days, 180 days of validity.
//
// Life cycle: Make builds the estate and lives through its past (at least 75 days), with each fault
// beginning when the estate file says; then Serve answers. What became due since the last call
// happens, in order, at the next.
// Threads: all calls from any thread; one lock.
// Ownership: the clock outlives the world.
#ifndef KEYMEDIC_LAB_WORLD_H_
#define KEYMEDIC_LAB_WORLD_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "base/clock.h"
#include "keymedic/lab/v1/estate.pb.h"
#include "keymedic/lab/v1/machine.pb.h"
#include "lab/faults.h"
#include "lab/landscape.h"
#include "lab/truth.h"

namespace keymedic::lab {

// What became of the agent of a machine. A lab runs agents of its own; who plays their part (a
// score without agents) has to obey this.
struct AgentState {
  std::optional<absl::Time> silent_since;  // the last word from it
  std::string quarantined_plugin;          // "kms_client"; empty: none. Its sections are not seen.
};

class World {
 public:
  // `estate` as ParseEstate gives it. Same estate and same instant, same world.
  static absl::StatusOr<std::unique_ptr<World>> Make(const v1::Estate& estate, const Clock& clock);

  // Errors are in the response's status: kNotFound for an unknown machine.
  v1::MachineResponse Serve(const v1::MachineRequest& request);

  const std::vector<std::string>& machine_names() const { return names_; }
  // The faults that were made, and where: the truth against which a diagnosis is scored.
  const std::vector<PlannedFault>& faults() const { return faults_; }
  const keymedic::v1::Policy& policy() const { return policy_; }
  // What is true now.
  Truth CurrentTruth();
  AgentState AgentStateOf(absl::string_view machine);

 private:
  World(const Clock& clock, std::vector<PlannedFault> faults, keymedic::v1::Policy policy)
      : clock_(clock), faults_(std::move(faults)), policy_(std::move(policy)) {}
  void AddHosts(const v1::Estate& estate, absl::Time begin, absl::Time now)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void AddClients(const v1::Estate& estate, absl::Time begin, absl::Time now)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void AdvanceTo(absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Happen(const Happening& happening) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Clock& clock_;
  const std::vector<PlannedFault> faults_;
  const keymedic::v1::Policy policy_;
  std::vector<std::string> names_;
  absl::Mutex mutex_;
  absl::Time now_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  Landscape landscape_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace keymedic::lab

#endif  // KEYMEDIC_LAB_WORLD_H_
