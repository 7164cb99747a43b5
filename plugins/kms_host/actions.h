// SPDX-License-Identifier: Apache-2.0
//
// The desired states that a KMS host can be brought to; rows of kms/data/treatments.csv.
#ifndef KEYMEDIC_PLUGINS_KMS_HOST_ACTIONS_H_
#define KEYMEDIC_PLUGINS_KMS_HOST_ACTIONS_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "keymedic/v1/command.pb.h"
#include "plugins/systems/systems.h"

namespace keymedic {

inline constexpr char kLicensingService[] = "sppsvc";

struct HostContext {
  systems::Systems& systems;
  // The error of the newest publication in a domain, read again now; 0 if it succeeded or none is
  // known.
  std::function<uint32_t(const std::string& domain)> publication_error;
};

std::vector<std::string> HostActionNames();
v1::CommandResult RunHostAction(HostContext& context, const v1::Command& command);

uint32_t PublicationError(const v1::KmsHostSection& host, const std::string& domain);

}  // namespace keymedic

#endif  // KEYMEDIC_PLUGINS_KMS_HOST_ACTIONS_H_
