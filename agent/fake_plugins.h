// SPDX-License-Identifier: Apache-2.0
//
// For tests: one plugin, "fake", whose machine is a map. Its action "ensure_set" makes sections'
// payload `params[name] = value`; how an act goes can be bent.
// Threads: any.
#ifndef KEYMEDIC_AGENT_FAKE_PLUGINS_H_
#define KEYMEDIC_AGENT_FAKE_PLUGINS_H_

#include <algorithm>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "agent/plugin_runner.h"
#include "base/hash.h"

namespace keymedic::agent {

class FakePlugins final : public PluginRunner {
 public:
  // Called before an act has its effect; a status that is not ok becomes the answer.
  using BeforeAct = std::function<absl::Status(const v1::Command&)>;

  void Set(const std::string& section, const std::string& payload) {
    absl::MutexLock lock(&mutex_);
    machine_[section] = payload;
  }
  void Remove(const std::string& section) {
    absl::MutexLock lock(&mutex_);
    machine_.erase(section);
  }
  void AddEvent(uint64_t record_id) {
    absl::MutexLock lock(&mutex_);
    v1::EventRecord& event = log_.emplace_back();
    event.set_channel("Application");
    event.set_record_id(record_id);
    event.set_event_id(12288);
  }
  void AddNotice(const std::string& code, bool resolved = false) {
    absl::MutexLock lock(&mutex_);
    notices_.emplace_back().set_code(code);
    notices_.back().set_resolved(resolved);
  }
  void set_collect_status(absl::Status status) {
    absl::MutexLock lock(&mutex_);
    collect_status_ = std::move(status);
  }
  void set_before_act(BeforeAct before_act) {
    absl::MutexLock lock(&mutex_);
    before_act_ = std::move(before_act);
  }
  // Acts in mode APPLY that had an effect.
  int effects() const {
    absl::MutexLock lock(&mutex_);
    return effects_;
  }
  // What the last Act was given.
  absl::Duration act_timeout() const {
    absl::MutexLock lock(&mutex_);
    return act_timeout_;
  }
  int collects() const {
    absl::MutexLock lock(&mutex_);
    return collects_;
  }
  uint64_t last_bookmark() const {
    absl::MutexLock lock(&mutex_);
    return last_bookmark_;
  }

  absl::StatusOr<v1::ListResponse> List() override {
    v1::ListResponse response;
    auto& plugin = *response.add_plugins()->mutable_description();
    plugin.set_name("fake");
    plugin.add_event_channels("Application");
    return response;
  }

  absl::StatusOr<v1::CollectResponse> Collect(const std::string& plugin,
                                              const v1::CollectRequest& request,
                                              absl::Duration) override {
    absl::MutexLock lock(&mutex_);
    ++collects_;
    if (!collect_status_.ok()) return collect_status_;
    v1::CollectResponse response;
    for (const auto& [name, payload] : machine_) {
      v1::Section& section = *response.add_sections();
      section.set_name(name);
      section.set_payload(payload);
    }
    uint64_t last = 0;
    for (const auto& bookmark : request.bookmarks()) last = bookmark.record_id();
    last_bookmark_ = last;
    for (const auto& event : log_) {
      if (event.record_id() <= last) continue;
      *response.add_events() = event;
    }
    if (!log_.empty()) {
      auto& bookmark = *response.add_bookmarks();
      bookmark.set_channel("Application");
      bookmark.set_record_id(std::max(last, log_.back().record_id()));
    }
    return response;
  }

  absl::StatusOr<v1::ActResponse> Act(const std::string& plugin, const v1::ActRequest& request,
                                      absl::Duration timeout) override {
    const v1::Command& command = request.command();
    BeforeAct before_act;
    {
      absl::MutexLock lock(&mutex_);
      act_timeout_ = timeout;
      before_act = before_act_;
    }
    if (plugin != "fake") return absl::NotFoundError("no plugin " + plugin);
    if (before_act) {
      if (absl::Status status = before_act(command); !status.ok()) return status;
    }
    absl::MutexLock lock(&mutex_);
    v1::ActResponse response;
    v1::CommandResult& result = *response.mutable_result();
    for (const auto& [name, value] : command.params()) {
      if (machine_[name] == value) continue;
      v1::Change& change = *result.add_changes();
      change.set_field(name);
      change.set_before(machine_[name]);
      change.set_after(value);
      if (command.mode() == v1::MODE_APPLY) machine_[name] = value;
    }
    const bool apply = command.mode() == v1::MODE_APPLY;
    if (apply && result.changes_size() > 0) ++effects_;
    result.set_outcome(result.changes_size() == 0 ? v1::OUTCOME_NO_CHANGE
                       : apply                    ? v1::OUTCOME_CHANGED
                                                  : v1::OUTCOME_WOULD_CHANGE);
    return response;
  }

  absl::StatusOr<v1::DiagnoseResponse> Diagnose(const std::string&, const v1::DiagnoseRequest&,
                                                absl::Duration) override {
    return v1::DiagnoseResponse();
  }

  std::vector<v1::AgentNotice> TakeNotices() override {
    absl::MutexLock lock(&mutex_);
    return std::exchange(notices_, {});
  }

 private:
  mutable absl::Mutex mutex_;
  std::map<std::string, std::string> machine_ ABSL_GUARDED_BY(mutex_);
  std::vector<v1::EventRecord> log_ ABSL_GUARDED_BY(mutex_);
  std::vector<v1::AgentNotice> notices_ ABSL_GUARDED_BY(mutex_);
  absl::Status collect_status_ ABSL_GUARDED_BY(mutex_);
  BeforeAct before_act_ ABSL_GUARDED_BY(mutex_);
  absl::Duration act_timeout_ ABSL_GUARDED_BY(mutex_);
  int effects_ ABSL_GUARDED_BY(mutex_) = 0;
  int collects_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t last_bookmark_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace keymedic::agent

#endif  // KEYMEDIC_AGENT_FAKE_PLUGINS_H_
