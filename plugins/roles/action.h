// SPDX-License-Identifier: Apache-2.0
//
// An action is a desired state. One function looks at the machine and says what differs and how it
// is put right; CHECK and APPLY are two modes of running it:
//
//   look -> nothing differs: NO_CHANGE
//        -> CHECK: WOULD_CHANGE
//        -> APPLY: not what was approved: REFUSED; else do it, look again, CHANGED or FAILED
//
// Nothing is done before the first look has succeeded, and a success is only claimed after the
// second. Threads: the plugin's own.
#ifndef KEYMEDIC_PLUGINS_ROLES_ACTION_H_
#define KEYMEDIC_PLUGINS_ROLES_ACTION_H_

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "keymedic/v1/command.pb.h"
#include "keymedic/v1/plugin.pb.h"
#include "plugins/systems/systems.h"

namespace keymedic::roles {

struct Plan {
  // Why this machine cannot have the desired state; then nothing else counts.
  std::string refusal;
  uint32_t error_code = 0;  // of the refusal, if the licensing service has one for it

  std::vector<v1::Change> changes;  // empty: it is there already
  v1::Inverse inverse;              // no action: cannot be undone
  bool restart_required = false;
  // Does it. An HRESULT other than 0 is the service's refusal.
  std::function<absl::StatusOr<systems::Hresult>()> apply;
  // More on a refusal than its code says; may be empty.
  std::function<std::string(systems::Hresult)> explain;
  // Fields that the second look does not find in their new state yet (after a restart, from a name
  // server); all others it must.
  std::set<std::string> seen_later;
  // False for what may be applied whatever the steps before it left behind.
  bool compare_with_check = true;
  std::string note;  // appended to the message of a success

  void Add(std::string field, std::string before, std::string after);
  void SetInverse(std::string action, std::map<std::string, std::string> params);
};

// kInvalidArgument and kFailedPrecondition become REFUSED, all others FAILED.
using Look = std::function<absl::StatusOr<Plan>()>;
v1::CommandResult RunLook(const v1::Command& command, const Look& look);

template <typename Context>
struct Action {
  const char* name;
  absl::StatusOr<Plan> (*look)(Context& context, const v1::Command& command);
};

template <typename Context, size_t n>
v1::CommandResult RunAction(const Action<Context> (&table)[n], Context& context,
                            const v1::Command& command) {
  for (const Action<Context>& action : table) {
    if (action.name == command.action()) {
      return RunLook(command, [&] { return action.look(context, command); });
    }
  }
  return RunLook(command, [&]() -> absl::StatusOr<Plan> {
    return absl::InvalidArgumentError(
        absl::StrCat("plugin ", command.plugin(), " has no action '", command.action(), "'"));
  });
}

// Parameters of a command. Errors name the parameter and what it may be.
absl::StatusOr<bool> BoolParam(const v1::Command& command, const std::string& name, bool absent);
absl::StatusOr<uint64_t> NumberParam(const v1::Command& command, const std::string& name,
                                     uint64_t absent, uint64_t least, uint64_t most);

// "0xC004F074 (the meaning, if it is known; what to do)".
std::string DescribeError(uint32_t code);

}  // namespace keymedic::roles

#endif  // KEYMEDIC_PLUGINS_ROLES_ACTION_H_
