// SPDX-License-Identifier: Apache-2.0
//
// What waves and steps are called. Pure; any thread.
#ifndef KEYMEDIC_CLI_REMEDIATION_WORDS_H_
#define KEYMEDIC_CLI_REMEDIATION_WORDS_H_

#include <cstdint>
#include <string>

#include "keymedic/v1/remediation_service.pb.h"

namespace keymedic::cli {

std::string WaveName(uint32_t wave);  // "hosts first", "canary", "wave 2"
// What it is treated for: "CLIENT_KEY_NOT_GVLK, HOST_COUNT_STUCK".
std::string ForText(const v1::Target& target);
// "client_key: 2YT43 -> 8XVJK (undone); activate": the action's name where CHECK has not been.
std::string ChangesText(const v1::Target& target);
// The steps that cannot be undone: "activate"; empty if all can.
std::string ForGoodText(const v1::Target& target);

}  // namespace keymedic::cli

#endif  // KEYMEDIC_CLI_REMEDIATION_WORDS_H_
