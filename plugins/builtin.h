// SPDX-License-Identifier: Apache-2.0
//
// The role plugins, statically linked: for programs that run many agents in one process.
#ifndef KEYMEDIC_PLUGINS_BUILTIN_H_
#define KEYMEDIC_PLUGINS_BUILTIN_H_

#include <vector>

#include "plugins/sdk/builtin.h"

namespace keymedic {

std::vector<BuiltinPlugin> BuiltinKmsPlugins();

}  // namespace keymedic

#endif  // KEYMEDIC_PLUGINS_BUILTIN_H_
