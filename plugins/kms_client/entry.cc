// SPDX-License-Identifier: Apache-2.0
#include "plugins/kms_client/plugin.h"

KEYMEDIC_PLUGIN(keymedic::KmsClientPlugin, kms_client)
