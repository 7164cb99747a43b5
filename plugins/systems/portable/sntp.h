// SPDX-License-Identifier: Apache-2.0
//
// How far this machine's clock is from a time server's: one question of the Simple Network Time
// Protocol (RFC 4330), which sets nothing. Its transmit timestamp is a random number, so an answer
// to another question, or by somebody who did not see this one, is not taken.
//
// Blocks, at most for `limit`. Threads: any.
// Errors: kNotFound (the name has no address), kUnavailable (nobody serves there, or the server
// says that it has no time to give, or not to ask), kDeadlineExceeded; each names the server.
#ifndef KEYMEDIC_PLUGINS_SYSTEMS_PORTABLE_SNTP_H_
#define KEYMEDIC_PLUGINS_SYSTEMS_PORTABLE_SNTP_H_

#include <cstdint>
#include <functional>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace keymedic::systems {

// Positive: this machine is ahead of `server`. `clock` is read when the question leaves and when
// its answer is there.
absl::StatusOr<absl::Duration> SntpOffset(absl::string_view server, uint16_t port,
                                          absl::Duration limit,
                                          const std::function<absl::Time()>& clock = absl::Now);

}  // namespace keymedic::systems

#endif  // KEYMEDIC_PLUGINS_SYSTEMS_PORTABLE_SNTP_H_
