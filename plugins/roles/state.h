// SPDX-License-Identifier: Apache-2.0
//
// Small helpers over the section messages. Pure; any thread.
#ifndef KEYMEDIC_PLUGINS_ROLES_STATE_H_
#define KEYMEDIC_PLUGINS_ROLES_STATE_H_

#include <string>

#include "google/protobuf/timestamp.pb.h"
#include "keymedic/v1/section.pb.h"

namespace keymedic::roles {

// The envelope with hash. collected_at is the agent's to set.
v1::Section MakeSection(std::string name, const google::protobuf::Message& payload);

// Computed instants wobble by seconds from look to look.
void RoundToMinute(google::protobuf::Timestamp& instant);

// The Windows product whose key this machine runs on; null if it has none.
const v1::Product* PrimaryProduct(const v1::LicensingSection& licensing);
bool IsKmsClient(const v1::Product& product);
bool IsKmsHost(const v1::Product& product);

// "kms.contoso.example:1688"; a port that is not set is the default one.
std::string Endpoint(const std::string& host, uint32_t port);

}  // namespace keymedic::roles

#endif  // KEYMEDIC_PLUGINS_ROLES_STATE_H_
