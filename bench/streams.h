// SPDX-License-Identifier: Apache-2.0
//
// The load: many agents' streams from one process, each on a connection of its own with mutual TLS,
// over a bare gRPC reactor. The same client drives the controller and the bare echo, so what
// differs is the server.
#ifndef KEYMEDIC_BENCH_STREAMS_H_
#define KEYMEDIC_BENCH_STREAMS_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "keymedic/v1/agent_service.pb.h"

namespace keymedic::bench {

// PEM texts of one agent.
struct Credential {
  std::string ca, certificate, key;
};

class Streams {
 public:
  // Opens one stream for each credential, says Hello on it and sends the machine's whole state, and
  // returns when every one of them has been acknowledged. The machines are bench-`first` and on.
  static absl::StatusOr<std::unique_ptr<Streams>> Open(const std::string& target,
                                                       const std::vector<Credential>& credentials,
                                                       int first = 0);
  virtual ~Streams() = default;

  // Keeps `window` unacknowledged changes in flight on every stream for `duration`; returns how
  // many a second were acknowledged.
  virtual absl::StatusOr<double> Push(int window, absl::Duration duration) = 0;
};

// A machine's changed section after one more attempt to activate: about 400 bytes.
v1::AgentMessage Change(int index, uint64_t sequence);

}  // namespace keymedic::bench

#endif  // KEYMEDIC_BENCH_STREAMS_H_
