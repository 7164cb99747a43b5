// SPDX-License-Identifier: Apache-2.0
#include "bench/crash/mortal_controller.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "controller/store/sqlite_store.h"
#include "kms/tables.h"

namespace keymedic::bench {
namespace {

using controller::Batch;
using controller::Row;
using controller::Store;
using controller::Table;

// The real one; what it is given to write later it writes when the executor runs, so that a process
// can die between the two.
class MortalStore final : public Store {
 public:
  MortalStore(std::unique_ptr<Store> inner, Life& life, Executor& executor)
      : inner_(std::move(inner)), life_(life), executor_(executor) {}

  absl::Status Commit(Batch batch) override {
    if (!life_.Step()) return absl::UnavailableError("the process is dead");
    return inner_->Commit(std::move(batch));
  }
  void CommitAsync(Batch batch, std::function<void(absl::Status)> done) override {
    executor_.Post([this, batch = std::move(batch), done = std::move(done)]() mutable {
      if (life_.Step()) done(inner_->Commit(std::move(batch)));
    });
  }
  absl::StatusOr<std::optional<std::string>> Get(Table table, absl::string_view key) override {
    return inner_->Get(table, key);
  }
  absl::StatusOr<std::vector<Row>> Scan(Table table, absl::string_view prefix,
                                        absl::string_view after, size_t limit) override {
    return inner_->Scan(table, prefix, after, limit);
  }

 private:
  const std::unique_ptr<Store> inner_;
  Life& life_;
  Executor& executor_;
};

// Nothing but the crashes stops a rollout, and every machine goes in its turn.
v1::Policy EstatePolicy() {
  v1::Policy policy;
  policy.mutable_rollout()->mutable_error_budget()->set_percent(100);
  return policy;
}

}  // namespace

absl::Status MortalController::Boot() {
  process_ = std::make_unique<Process>();
  Process& process = *process_;
  KM_ASSIGN_OR_RETURN(auto store,
                      controller::OpenSqliteStore(absl::StrCat(data_dir_, "/controller.db")));
  process.store = std::make_unique<MortalStore>(std::move(store), process.life, process.executor);
  KM_ASSIGN_OR_RETURN(process.audit, controller::AuditLog::Open(*process.store, clock_));
  KM_ASSIGN_OR_RETURN(process.fleet,
                      controller::Fleet::Open(*process.store, clock_, {}, EstatePolicy()));
  KM_ASSIGN_OR_RETURN(
      process.manager,
      controller::RemediationManager::Open(
          {.fleet = *process.fleet,
           .store = *process.store,
           .executor = process.executor,
           .clock = clock_,
           .random = random_,
           .audit =
               [&audit = *process.audit](const std::vector<controller::AuditRecord>& records) {
                 return audit.Append(records);
               },
           .treatments = kms::TreatmentRows(),
           .policy = [] { return EstatePolicy(); }}));
  return absl::OkStatus();
}

absl::Status MortalController::Enroll(const std::string& machine_id) {
  const auto row = process_->fleet->EnrollmentRow(machine_id, machine_id, {{"site", "office"}}, {});
  KM_RETURN_IF_ERROR(process_->store->Commit(
      {{Table::kMachines, machine_id, row.SerializeAsString(), std::nullopt}}));
  process_->fleet->Enrolled(row);
  return absl::OkStatus();
}

}  // namespace keymedic::bench
