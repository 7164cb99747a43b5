// SPDX-License-Identifier: Apache-2.0
//
// What the logs told, for the life of a plugin. Two readers share each channel: one that folds
// events into state and keeps its own place in memory, and one that hands them out behind the
// agent's bookmark. So a plugin that starts again knows the past without sending it twice.
//
// Threads: the plugin's own. The event log outlives the history.
// Errors: a channel that does not exist is an empty one; what else the log says is returned, and
// what was folded so far stays.
#ifndef KEYMEDIC_PLUGINS_ROLES_EVENT_HISTORY_H_
#define KEYMEDIC_PLUGINS_ROLES_EVENT_HISTORY_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "keymedic/v1/plugin.pb.h"
#include "plugins/systems/systems.h"

namespace keymedic::roles {

class EventHistory {
 public:
  using Fold = std::function<void(const std::vector<v1::EventRecord>&)>;

  // `fold` gets the licensing events, oldest first, each once. `forget` is called when a log was
  // cleared: everything is then folded anew.
  EventHistory(systems::EventLog& log, std::vector<std::string> channels, Fold fold,
               std::function<void()> forget);

  // Folds what is new. The first time it begins at most kFirstReach records before the bookmark of
  // a channel, or at the channel's start if there is none.
  absl::Status Update(const v1::CollectRequest& request = {});

  static constexpr uint64_t kFirstReach = 5000;

 private:
  // False if the log was cleared under us.
  absl::StatusOr<bool> UpdateChannel(const std::string& channel, uint64_t& folded_until);

  systems::EventLog& log_;
  const std::vector<std::string> channels_;
  const Fold fold_;
  const std::function<void()> forget_;
  std::map<std::string, uint64_t> folded_until_;
};

// Adds the licensing events behind the request's bookmark, at most a few thousand, and the bookmark
// behind them. The rest comes with the next collect.
absl::Status HandOut(systems::EventLog& log, const std::string& channel,
                     const v1::CollectRequest& request, v1::CollectResponse& response);

}  // namespace keymedic::roles

#endif  // KEYMEDIC_PLUGINS_ROLES_EVENT_HISTORY_H_
