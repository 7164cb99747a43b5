// SPDX-License-Identifier: Apache-2.0
//
// An event channel of the lab machine, as Windows would tell of it.
//
// Errors: numbers of Win32, 0 for none. ERROR_EVT_CHANNEL_NOT_FOUND: the machine has no such
// channel; RPC_S_SERVER_UNAVAILABLE: the lab does not answer, which is what a stopped event log
// service gives.
#ifndef KEYMEDIC_TESTS_WINDOWS_DOUBLES_CHANNEL_H_
#define KEYMEDIC_TESTS_WINDOWS_DOUBLES_CHANNEL_H_

#include <windows.h>

#include <cstdint>
#include <string>
#include <vector>

#include "keymedic/v1/event.pb.h"

namespace keymedic::doubles {

struct ChannelInfo {
  uint64_t newest = 0;  // record id; 0: there is none
  uint64_t max_bytes = 0;
  bool full = false;  // does not overwrite, and drops what comes
};
DWORD ReadChannelInfo(const std::string& channel, ChannelInfo& info);

// Those behind `after`, oldest first, at most `limit`; with the fault "events=short" or
// "events=long" their texts have fewer or more fields than they should.
DWORD ReadChannel(const std::string& channel, uint64_t after, uint32_t limit,
                  std::vector<v1::EventRecord>& events);

DWORD SetChannelBytes(const std::string& channel, uint64_t bytes);

}  // namespace keymedic::doubles

#endif  // KEYMEDIC_TESTS_WINDOWS_DOUBLES_CHANNEL_H_
