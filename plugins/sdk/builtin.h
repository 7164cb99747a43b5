// SPDX-License-Identifier: Apache-2.0
//
// A plugin that is linked into a program instead of loaded from a file: the same three entry
// points, as pointers. A lab with thousands of agents in one process uses plugins in this way.
//
//   KEYMEDIC_DECLARE_BUILTIN_PLUGIN(kms_client);        // at namespace scope, outside any
//   namespace keymedic::BuiltinPlugin plugin = keymedic::builtin_plugins::kms_client();
#ifndef KEYMEDIC_PLUGINS_SDK_BUILTIN_H_
#define KEYMEDIC_PLUGINS_SDK_BUILTIN_H_

#include <string>

#include "plugins/sdk/keymedic_plugin.h"

namespace keymedic {

struct BuiltinPlugin {
  std::string name;  // "kms_client"
  keymedic_plugin_abi_fn* abi;
  keymedic_plugin_create_fn* create;
  keymedic_plugin_destroy_fn* destroy;
};

}  // namespace keymedic

#define KEYMEDIC_DECLARE_BUILTIN_PLUGIN(name) \
  namespace keymedic::builtin_plugins {       \
  ::keymedic::BuiltinPlugin name();           \
  }

#endif  // KEYMEDIC_PLUGINS_SDK_BUILTIN_H_
