// SPDX-License-Identifier: Apache-2.0
//
// The controller as a process that can be killed: the real fleet, diagnosis and remediation over a
// SQLite database on disk; only gRPC and who may call what stay outside. Each write to the database
// is a step of its life, and so is each message, by whoever carries it.
//
// Life cycle: Boot -> (killed: Die -> Boot again over the same folder)*. Nobody holds a session of
// its fleet when it dies.
// Threads: one, and the store's own, which it waits for.
// Errors: of the database.
#ifndef KEYMEDIC_BENCH_CRASH_MORTAL_CONTROLLER_H_
#define KEYMEDIC_BENCH_CRASH_MORTAL_CONTROLLER_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "base/clock.h"
#include "base/executor.h"
#include "base/random.h"
#include "bench/crash/life.h"
#include "controller/audit.h"
#include "controller/fleet/fleet.h"
#include "controller/remediation/manager.h"
#include "controller/store/store.h"

namespace keymedic::bench {

class MortalController {
 public:
  MortalController(std::string data_dir, const Clock& clock, Random& random)
      : data_dir_(std::move(data_dir)), clock_(clock), random_(random) {}

  absl::Status Boot();
  // What was in memory is gone.
  void Die() { process_.reset(); }
  // As the enrolment of a machine of that name does.
  absl::Status Enroll(const std::string& machine_id);

  Life& life() { return process_->life; }
  controller::Fleet& fleet() { return *process_->fleet; }
  controller::RemediationManager& manager() { return *process_->manager; }
  ManualExecutor& executor() { return process_->executor; }

 private:
  struct Process {
    Life life;
    ManualExecutor executor;
    std::unique_ptr<controller::Store> store;
    std::unique_ptr<controller::AuditLog> audit;
    std::unique_ptr<controller::Fleet> fleet;
    std::unique_ptr<controller::RemediationManager> manager;
  };

  const std::string data_dir_;
  const Clock& clock_;
  Random& random_;
  std::unique_ptr<Process> process_;
};

}  // namespace keymedic::bench

#endif  // KEYMEDIC_BENCH_CRASH_MORTAL_CONTROLLER_H_
