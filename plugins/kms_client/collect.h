// SPDX-License-Identifier: Apache-2.0
//
// The sections of "kms_client". Each call may ask the machine; none holds anything.
#ifndef KEYMEDIC_PLUGINS_KMS_CLIENT_COLLECT_H_
#define KEYMEDIC_PLUGINS_KMS_CLIENT_COLLECT_H_

#include "keymedic/v1/plugin.pb.h"
#include "plugins/systems/systems.h"

namespace keymedic {

// `told_*`: what the log told, to go under the live state.
void CollectClientSections(systems::Systems& systems, const v1::KmsClientSection& told_client,
                           const v1::LicensingSection& told_licensing,
                           v1::CollectResponse& response);

}  // namespace keymedic

#endif  // KEYMEDIC_PLUGINS_KMS_CLIENT_COLLECT_H_
