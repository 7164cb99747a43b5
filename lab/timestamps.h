// SPDX-License-Identifier: Apache-2.0
#ifndef KEYMEDIC_LAB_TIMESTAMPS_H_
#define KEYMEDIC_LAB_TIMESTAMPS_H_

#include "absl/time/time.h"
#include "google/protobuf/timestamp.pb.h"

namespace keymedic::lab {

// Whole seconds: what a licensing service and an event log give.
inline google::protobuf::Timestamp ToTimestamp(absl::Time time) {
  google::protobuf::Timestamp out;
  out.set_seconds(absl::ToUnixSeconds(time));
  return out;
}

}  // namespace keymedic::lab

#endif  // KEYMEDIC_LAB_TIMESTAMPS_H_
