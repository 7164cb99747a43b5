// SPDX-License-Identifier: Apache-2.0
//
// Values of an event as wevtapi renders them, as our texts, and the arithmetic of record ids.
// Pure; any thread.
#ifndef KEYMEDIC_PLUGINS_SYSTEMS_WINDOWS_EVENT_VALUES_H_
#define KEYMEDIC_PLUGINS_SYSTEMS_WINDOWS_EVENT_VALUES_H_

#include <windows.h>
#include <winevt.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace keymedic::systems {

// The data of an event in order, whatever their types. A classic event's strings may come as one
// array; the bytes behind them are no data; empty values at the end are as good as none.
std::vector<std::string> DataTexts(const EVT_VARIANT* values, size_t count);

absl::Time FromFileTime(uint64_t file_time);

// Where to begin behind `after` in a log that holds `count` records from `oldest` on: 0 if the log
// was cleared since and counts anew, so that its oldest record is the next.
uint64_t BeginBehind(uint64_t after, uint64_t oldest, uint64_t count);

// Windows takes sizes of logs in steps of 64 KiB.
uint64_t WholeLogSize(uint64_t bytes);

}  // namespace keymedic::systems

#endif  // KEYMEDIC_PLUGINS_SYSTEMS_WINDOWS_EVENT_VALUES_H_
