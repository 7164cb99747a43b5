// SPDX-License-Identifier: Apache-2.0
#include "plugins/builtin.h"

KEYMEDIC_DECLARE_BUILTIN_PLUGIN(kms_client)
KEYMEDIC_DECLARE_BUILTIN_PLUGIN(kms_host)

namespace keymedic {

std::vector<BuiltinPlugin> BuiltinKmsPlugins() {
  return {builtin_plugins::kms_client(), builtin_plugins::kms_host()};
}

}  // namespace keymedic
