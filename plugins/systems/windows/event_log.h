// SPDX-License-Identifier: Apache-2.0
//
// Windows' event log through wevtapi. A reader stands behind a record id, by a bookmark made of it;
// records are rendered as values, so no XML is read and no text is translated.
//
// Threads: any one at a time. Calls wait for the event log service at most 20 s per step.
// Errors are those of systems.h: kNotFound for a channel that does not exist.
#ifndef KEYMEDIC_PLUGINS_SYSTEMS_WINDOWS_EVENT_LOG_H_
#define KEYMEDIC_PLUGINS_SYSTEMS_WINDOWS_EVENT_LOG_H_

#include <memory>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "plugins/systems/systems.h"
#include "plugins/systems/windows/licensing.h"

namespace keymedic::systems {

std::unique_ptr<EventLog> MakeWindowsEventLog();

absl::StatusOr<ChannelState> ReadChannelState(absl::string_view channel);

}  // namespace keymedic::systems

#endif  // KEYMEDIC_PLUGINS_SYSTEMS_WINDOWS_EVENT_LOG_H_
