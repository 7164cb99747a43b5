// SPDX-License-Identifier: Apache-2.0
//
// For tests only: a manager over a simulated fleet, a store in memory and a clock that stands
// still.
#ifndef KEYMEDIC_CONTROLLER_REMEDIATION_MANAGER_TESTING_H_
#define KEYMEDIC_CONTROLLER_REMEDIATION_MANAGER_TESTING_H_

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "controller/remediation/manager.h"
#include "controller/remediation/simulated_fleet.h"
#include "controller/remediation/states.h"

namespace keymedic::controller {

inline constexpr char kAdmin[] = "spiffe://keymedic/operator/admin/ann";

class TestClock final : public Clock {
 public:
  explicit TestClock(const ManualExecutor& executor) : executor_(executor) {}
  absl::Time Now() const override {
    return absl::FromUnixSeconds(1'800'000'000) + executor_.elapsed();
  }

 private:
  const ManualExecutor& executor_;
};

// A controller that can be killed and started again over the same store and fleet.
class Controller {
 public:
  Controller() { Open(); }

  void Open() {
    absl::StatusOr<std::unique_ptr<RemediationManager>> manager = RemediationManager::Open(
        {fleet, store, executor, clock_, random_,
         [this](const std::vector<AuditRecord>& records) {
           ++audit_writes;
           for (const AuditRecord& record : records) {
             audit.push_back(absl::StrCat(record.act, " ", record.object, " ", record.detail));
           }
           return absl::OkStatus();
         },
         kTestTreatments, [this]() -> absl::StatusOr<v1::Policy> { return policy; },
         [this](const std::string& machine, const std::string& action) {
           return SecretsFor(machine, action);
         }});
    ASSERT_TRUE(manager.ok()) << manager.status();
    manager_ = *std::move(manager);
  }

  // As SIGKILL does: nothing is said and nothing is tidied up.
  void Kill() {
    manager_.reset();
    store.dead = false;
    store.die_at = 0;
    executor.RunReady();
  }
  void Restart() {
    Kill();
    Open();
    fleet.ReconnectAll();
  }

  // Plans, starts and runs to the end, or to where it waits for time.
  v1::Remediation Treat(v1::PlanRemediationRequest request) {
    const absl::StatusOr<v1::Remediation> plan = Plan(std::move(request));
    EXPECT_TRUE(plan.ok()) << plan.status();
    if (!plan.ok()) return {};
    Start(*plan);
    RunAll();
    EXPECT_TRUE(started.ok()) << started.status();
    return Get(plan->name());
  }
  void Pass(absl::Duration time) {
    executor.Advance(time);
    RunAll();
  }

  // Until nothing is under way any more, or the controller is dead.
  void RunAll() {
    do {
      executor.RunReady();
    } while (!store.dead && fleet.Step());
    executor.RunReady();
  }

  absl::StatusOr<v1::Remediation> Plan(v1::PlanRemediationRequest request) {
    absl::StatusOr<v1::Remediation> result = absl::UnknownError("not answered");
    manager().Plan(request, kAdmin, [&result](auto answer) { result = std::move(answer); });
    RunAll();
    return result;
  }
  absl::StatusOr<v1::Remediation> Plan(std::string selector, uint32_t budget = 5) {
    v1::PlanRemediationRequest request;
    request.set_selector(selector);
    request.mutable_policy()->mutable_error_budget()->set_absolute(budget);
    return Plan(request);
  }
  // Does not run what the start sets off.
  void Start(const v1::Remediation& plan, std::string request_id = "") {
    v1::StartRemediationRequest request;
    request.set_name(plan.name());
    request.set_plan_hash(plan.plan_hash());
    request.set_request_id(request_id);
    started = absl::UnknownError("not answered");
    manager().Start(request, kAdmin, [this](auto answer) { started = std::move(answer); });
  }
  absl::StatusOr<v1::Remediation> Apply(RemediationManager::Control control, std::string name,
                                        std::string machine = "") {
    v1::ControlRemediationRequest request;
    request.set_name(name);
    request.set_reason("a person said so");
    request.set_machine(machine);
    absl::StatusOr<v1::Remediation> result = absl::UnknownError("not answered");
    manager().Apply(control, request, kAdmin, [&result](auto answer) { result = answer; });
    executor.RunReady();
    return result;
  }
  absl::StatusOr<v1::Remediation> Retry(std::string name, bool failed_only) {
    v1::RetryRemediationRequest request;
    request.set_name(name);
    request.set_failed_only(failed_only);
    absl::StatusOr<v1::Remediation> result = absl::UnknownError("not answered");
    manager().Retry(request, kAdmin, [&result](auto answer) { result = std::move(answer); });
    RunAll();
    return result;
  }
  absl::StatusOr<v1::Remediation> Approve(const v1::Remediation& plan, std::string hash,
                                          std::string actor) {
    v1::ApproveRemediationRequest request;
    request.set_name(plan.name());
    request.set_plan_hash(hash);
    absl::StatusOr<v1::Remediation> result = absl::UnknownError("not answered");
    manager().Approve(request, actor, [&result](auto answer) { result = std::move(answer); });
    executor.RunReady();
    return result;
  }
  v1::Remediation Get(std::string name) {
    absl::StatusOr<v1::Remediation> result = absl::UnknownError("not answered");
    manager().Get(name, [&result](auto answer) { result = std::move(answer); });
    executor.RunReady();
    EXPECT_TRUE(result.ok()) << result.status();
    return result.ok() ? *std::move(result) : v1::Remediation();
  }
  RemediationManager& manager() { return *manager_; }

  ManualExecutor executor;
  MemoryStore store;
  SimulatedFleet fleet{store.dead};
  v1::Policy policy;
  std::map<std::string, std::string> host_keys;  // by machine id
  std::vector<std::string> audit;
  size_t audit_writes = 0;
  absl::StatusOr<v1::Remediation> started = absl::UnknownError("not answered");

 private:
  absl::StatusOr<std::map<std::string, std::string>> SecretsFor(const std::string& machine,
                                                                const std::string& action) {
    std::map<std::string, std::string> secrets;
    if (action != "ensure_host_key") return secrets;
    if (!host_keys.contains(machine)) return absl::NotFoundError("no key");
    secrets["key"] = host_keys.at(machine);
    return secrets;
  }

  TestClock clock_{executor};
  SeededRandom random_{1};
  std::unique_ptr<RemediationManager> manager_;
};

// A closed firewall, clients behind it, and clients with a wrong key.
inline void BreakThings(Controller& controller) {
  SimulatedFleet& fleet = controller.fleet;
  fleet.Add("h1", "kms_host", "HOST_FIREWALL_CLOSED", {"ensure_firewall_exception"});
  for (int i = 1; i <= 3; ++i) {
    fleet.Add(absl::StrCat("a", i), "kms_client", "CLIENT_KEY_NOT_GVLK",
              {"ensure_client_key", "activate"});
    v1::Finding& finding =
        fleet.Add(absl::StrCat("b", i), "kms_client", "CLIENT_HOST_UNREACHABLE", {"activate"})
            .findings[0];
    finding.set_cause_code("HOST_FIREWALL_CLOSED");
    finding.set_cause_subject("name-h1");
  }
  fleet.Add("ok", "kms_client", "", {});
}

inline std::map<std::string, uint32_t> Totals(const v1::Remediation& remediation) {
  return {remediation.totals().begin(), remediation.totals().end()};
}

}  // namespace keymedic::controller

#endif  // KEYMEDIC_CONTROLLER_REMEDIATION_MANAGER_TESTING_H_
