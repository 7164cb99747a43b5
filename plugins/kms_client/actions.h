// SPDX-License-Identifier: Apache-2.0
//
// The desired states that a client's machine can be brought to; rows of kms/data/treatments.csv.
#ifndef KEYMEDIC_PLUGINS_KMS_CLIENT_ACTIONS_H_
#define KEYMEDIC_PLUGINS_KMS_CLIENT_ACTIONS_H_

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "keymedic/v1/command.pb.h"
#include "plugins/systems/systems.h"

namespace keymedic {

struct ClientContext {
  systems::Systems& systems;
  const Clock& clock;
  // The newest attempt to activate that the log tells of, read again now.
  std::function<std::optional<v1::ActivationAttempt>()> newest_attempt;
};

std::vector<std::string> ClientActionNames();
v1::CommandResult RunClientAction(ClientContext& context, const v1::Command& command);

}  // namespace keymedic

#endif  // KEYMEDIC_PLUGINS_KMS_CLIENT_ACTIONS_H_
