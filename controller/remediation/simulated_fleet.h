// SPDX-License-Identifier: Apache-2.0
//
// For tests only: a simulated fleet (no agents, no network) and a store in memory that can end a
// controller's life at a chosen write. The machines keep journals as agents do: a command id has
// its effect once, its answer is given again, and results are repeated until they are acknowledged.
#ifndef KEYMEDIC_CONTROLLER_REMEDIATION_SIMULATED_FLEET_H_
#define KEYMEDIC_CONTROLLER_REMEDIATION_SIMULATED_FLEET_H_

#include <deque>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "controller/fleet/fleet_port.h"
#include "controller/store/store.h"
#include "kms/tables.h"

namespace keymedic::controller {

inline constexpr kms::TreatmentRow kTestTreatments[] = {
    {"ensure_firewall_exception", "kms_host", "Open the firewall", 20, false, true},
    {"ensure_host_key", "kms_host", "Install the host key", 60, false, true},
    {"ensure_client_key", "kms_client", "Install the edition's client key", 120, false, false},
    {"ensure_discovery", "kms_client", "Find the host through DNS", 90, false, false},
    {"reset_machine_id", "kms_client", "Give the machine an id of its own", 130, true, false, "",
     15},
    {"activate", "kms_client", "Activate", 140, false, false, "after"},
};

class MemoryStore final : public Store {
 public:
  absl::Status Commit(Batch batch) override {
    ++commits_;
    if (!refuse.ok()) return refuse;
    for (Write& write : batch) {
      std::string& key = write.key;
      if (write.value) {
        tables_[write.table][key] = *write.value;
      } else {
        tables_[write.table].erase(key);
      }
    }
    return absl::OkStatus();
  }
  void CommitAsync(Batch batch, std::function<void(absl::Status)> done) override {
    if (dead) return;
    if (commits_ + 1 == die_at) {
      dead = true;
      if (write_last) (void)Commit(std::move(batch));
      return;
    }
    done(Commit(std::move(batch)));
  }
  absl::StatusOr<std::optional<std::string>> Get(Table table, absl::string_view key) override {
    const auto found = tables_[table].find(std::string(key));
    if (found == tables_[table].end()) return std::optional<std::string>();
    return std::optional<std::string>(found->second);
  }
  absl::StatusOr<std::vector<Row>> Scan(Table table, absl::string_view prefix,
                                        absl::string_view after, size_t limit) override {
    std::vector<Row> rows;
    for (const auto& [key, value] : tables_[table]) {
      const bool fits = absl::string_view(key).substr(0, prefix.size()) == prefix &&
                        absl::string_view(key) > after;
      if (fits && rows.size() < limit) rows.push_back({key, value});
    }
    return rows;
  }
  int commits() const { return commits_; }

  absl::Status refuse;      // what Commit answers while it is not ok
  int die_at = 0;           // the process dies in this commit (1 based)
  bool write_last = false;  // after or before it is durable
  bool dead = false;

 private:
  int commits_ = 0;
  std::map<Table, std::map<std::string, std::string>> tables_;
};

class SimulatedFleet final : public FleetPort {
 public:
  explicit SimulatedFleet(const bool& controller_dead) : controller_dead_(controller_dead) {}

  struct Machine {
    MachineInfo info;
    std::vector<v1::Finding> findings;
    // The action that heals; empty: nothing does.
    std::string cure;
    bool fails = false;   // every APPLY fails
    std::string inverse;  // of all that it does; empty: nothing can be undone
    std::map<std::string, v1::CommandResult> journal;
    std::map<std::string, v1::CommandResult> unacknowledged;
  };

  Machine& Add(const std::string& id, const std::string& role, const std::string& code,
               std::vector<std::string> actions) {
    Machine& machine = machines_[id];
    machine.info = {.id = id, .display_name = "name-" + id, .connected = true, .roles = {role}};
    if (code.empty()) return machine;
    v1::Finding& finding = machine.findings.emplace_back();
    finding.set_code(code);
    finding.set_severity(v1::SEVERITY_CRITICAL);
    finding.set_subject(machine.info.display_name);
    finding.set_machine_id(id);
    for (const std::string& action : actions) finding.add_treatments()->set_action(action);
    if (!actions.empty()) machine.cure = actions.back();
    return machine;
  }
  Machine& at(const std::string& id) { return machines_.at(id); }

  std::vector<MachineInfo> Machines() override {
    std::vector<MachineInfo> all;
    for (const auto& [id, machine] : machines_) all.push_back(machine.info);
    return all;
  }
  std::optional<int32_t> UtcOffsetMinutesOf(const std::string& machine_id) override {
    const auto machine = machines_.find(machine_id);
    return machine == machines_.end() ? std::nullopt : machine->second.info.utc_offset_minutes;
  }
  std::vector<v1::Finding> Findings() override {
    std::vector<v1::Finding> all;
    for (const auto& [id, machine] : machines_) {
      all.insert(all.end(), machine.findings.begin(), machine.findings.end());
    }
    return all;
  }
  std::vector<v1::Finding> FindingsOf(const std::string& id) override {
    return machines_.at(id).findings;
  }
  bool Send(const std::string& id, const v1::Command& command) override {
    if (controller_dead_ || !machines_.at(id).info.connected) return false;
    events_.push_back([this, id, command] { Execute(machines_.at(id), command); });
    ++sends;
    commands.push_back(command);
    return true;
  }
  bool RequestCollect(const std::string& id, const std::string& collect_id) override {
    if (controller_dead_ || !machines_.at(id).info.connected) return false;
    events_.push_back([this, id, collect_id] {
      if (listener_ != nullptr) listener_->OnCollected(id, collect_id);
    });
    return true;
  }
  void SetListener(FleetListener* listener) override { listener_ = listener; }

  // Lets one thing happen. False: nothing is under way.
  bool Step() {
    if (events_.empty()) return false;
    std::function<void()> event = std::move(events_.front());
    events_.pop_front();
    event();
    return true;
  }
  // What was on its way to and from the controller is lost; the machines come back.
  void ReconnectAll() {
    events_.clear();
    for (auto& [id, machine] : machines_) {
      if (machine.info.connected) Reconnect(id);
    }
  }
  void Reconnect(const std::string& id) {
    Machine& machine = machines_.at(id);
    machine.info.connected = true;
    if (listener_ == nullptr) return;
    listener_->OnConnected(id);
    for (const auto& [command, result] : machine.unacknowledged) Report(machine, result);
  }

  int sends = 0;
  std::vector<v1::Command> commands;   // as they were sent
  std::map<std::string, int> effects;  // by machine and action

 private:
  void Execute(Machine& machine, const v1::Command& command) {
    const auto done = machine.journal.find(command.id());
    if (done != machine.journal.end()) {
      v1::CommandResult again = done->second;
      again.set_repeated(true);
      return Report(machine, again);
    }
    v1::CommandResult result;
    result.set_command_id(command.id());
    const bool needed = !machine.findings.empty();
    if (command.action() == "ensure_host_key" && command.secrets().empty()) {
      result.set_outcome(v1::OUTCOME_REFUSED);
      result.set_message("it came without a key");
    } else if (command.mode() == v1::MODE_CHECK) {
      result.set_outcome(needed ? v1::OUTCOME_WOULD_CHANGE : v1::OUTCOME_NO_CHANGE);
      result.set_check_digest("digest of " + command.action());
    } else if (machine.fails) {
      result.set_outcome(v1::OUTCOME_FAILED);
      result.set_message("the simulated machine refuses");
    } else if (!needed) {
      result.set_outcome(v1::OUTCOME_NO_CHANGE);
    } else {
      ++effects[machine.info.id + " " + command.action()];
      result.set_outcome(v1::OUTCOME_CHANGED);
      if (!machine.inverse.empty()) result.mutable_inverse()->set_action(machine.inverse);
      if (command.action() == machine.cure) machine.findings.clear();
    }
    if (command.mode() == v1::MODE_APPLY) machine.journal[command.id()] = result;
    machine.unacknowledged[command.id()] = result;
    Report(machine, result);
  }

  void Report(Machine& machine, const v1::CommandResult& result) {
    if (listener_ == nullptr) return;
    listener_->OnResult(machine.info.id, result,
                        [&machine, id = result.command_id()] { machine.unacknowledged.erase(id); });
  }

  const bool& controller_dead_;
  std::map<std::string, Machine> machines_;
  std::deque<std::function<void()>> events_;
  FleetListener* listener_ = nullptr;
};

}  // namespace keymedic::controller

#endif  // KEYMEDIC_CONTROLLER_REMEDIATION_SIMULATED_FLEET_H_
