// SPDX-License-Identifier: Apache-2.0
//
// To a lab in another process, over any stream of bytes: frames of base/frames.h, one answer for
// each request. Connects at the first call. A connection that broke is made anew once; an act is
// not repeated after it may have reached the lab, because it may have been done.
//
// Threads: one at a time, like the Systems that owns it.
// Errors: kUnavailable (nobody serves there, the lab went away), kDeadlineExceeded.
#ifndef KEYMEDIC_PLUGINS_SYSTEMS_LAB_STREAM_TRANSPORT_H_
#define KEYMEDIC_PLUGINS_SYSTEMS_LAB_STREAM_TRANSPORT_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "plugins/systems/lab/lab_systems.h"

namespace keymedic::systems {

// A connection; it ends with its object.
class LabStream {
 public:
  virtual ~LabStream() = default;
  virtual absl::Status Send(absl::string_view bytes, absl::Time deadline) = 0;
  // At least one byte; kOutOfRange at the end of the stream.
  virtual absl::StatusOr<std::string> Receive(absl::Time deadline) = 0;
};

using LabDial = std::function<absl::StatusOr<std::unique_ptr<LabStream>>(absl::Time deadline)>;

// `place` names the lab in errors.
LabTransport MakeStreamTransport(std::string place, LabDial dial, absl::Duration deadline);

}  // namespace keymedic::systems

#endif  // KEYMEDIC_PLUGINS_SYSTEMS_LAB_STREAM_TRANSPORT_H_
