// SPDX-License-Identifier: Apache-2.0
//
// Where things are on this system, and what the machine is called, unless the configuration says
// otherwise. Linux: /etc and /var/lib; Windows: %ProgramData%\KeyMedic, and beside the program.
// Any thread.
#ifndef KEYMEDIC_AGENT_PLACES_H_
#define KEYMEDIC_AGENT_PLACES_H_

#include <string>

namespace keymedic::agent {

std::string DefaultConfigFile();
std::string DefaultStateDir();
std::string DefaultPluginHost();
std::string DefaultPluginDir();
std::string HostName();

}  // namespace keymedic::agent

#endif  // KEYMEDIC_AGENT_PLACES_H_
