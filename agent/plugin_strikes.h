// SPDX-License-Identifier: Apache-2.0
//
// Who misbehaved how often. A plugin that collects enough strikes within the window is quarantined:
// it is not called until the cool-down is over, and the controller hears of both.
//
// Subjects are plugin names, or paths of plugins that cannot even be loaded.
// Threads: any. Time comes from the clock alone.
#ifndef KEYMEDIC_AGENT_PLUGIN_STRIKES_H_
#define KEYMEDIC_AGENT_PLUGIN_STRIKES_H_

#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "keymedic/v1/agent_service.pb.h"

namespace keymedic::agent {

struct StrikePolicy {
  int strikes = 3;
  absl::Duration window = absl::Hours(1);
  absl::Duration cool_down = absl::Minutes(30);
};

class PluginStrikes {
 public:
  PluginStrikes(const StrikePolicy& policy, const Clock& clock) : policy_(policy), clock_(clock) {}

  // kFailedPrecondition while `subject` is quarantined: why, and until when.
  absl::Status Check(const std::string& subject);
  // `reason` names call, limit and value.
  void Strike(const std::string& subject, const std::string& reason);
  // At once, without counting.
  void Quarantine(const std::string& subject, const std::string& reason);
  // The reasons of those quarantined now.
  std::map<std::string, std::string> Quarantined();
  std::vector<v1::AgentNotice> TakeNotices();

 private:
  struct Record {
    std::deque<absl::Time> strikes;
    std::string quarantine;  // why; empty: not quarantined
    absl::Time until;
  };

  void QuarantineLocked(const std::string& subject, const std::string& reason);
  void ReleaseDueLocked();
  void AddNoticeLocked(const std::string& subject, const std::string& message, bool resolved);

  const StrikePolicy policy_;
  const Clock& clock_;
  std::mutex mutex_;
  std::map<std::string, Record> records_;
  std::vector<v1::AgentNotice> notices_;
};

}  // namespace keymedic::agent

#endif  // KEYMEDIC_AGENT_PLUGIN_STRIKES_H_
