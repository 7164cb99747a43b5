// SPDX-License-Identifier: Apache-2.0
//
// Values of an event as wevtapi renders them, as our texts. Pure; any thread.
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

// Windows takes sizes of logs in steps of 64 KiB.
uint64_t WholeLogSize(uint64_t bytes);

}  // namespace keymedic::systems

#endif  // KEYMEDIC_PLUGINS_SYSTEMS_WINDOWS_EVENT_VALUES_H_
