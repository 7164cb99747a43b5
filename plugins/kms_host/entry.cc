// SPDX-License-Identifier: Apache-2.0
#include "plugins/kms_host/plugin.h"

KEYMEDIC_PLUGIN(keymedic::KmsHostPlugin, kms_host)
