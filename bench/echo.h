// SPDX-License-Identifier: Apache-2.0
//
// The floor: a server that does nothing but acknowledge each message, on the same service, with the
// same messages and mutual TLS.
#ifndef KEYMEDIC_BENCH_ECHO_H_
#define KEYMEDIC_BENCH_ECHO_H_

#include <string>

#include "absl/status/status.h"
#include "bench/streams.h"

namespace keymedic::bench {

// Serves until the process is ended; writes its port to `port_file`. `server`: its certificate.
absl::Status RunEchoServer(const Credential& server, const std::string& port_file);
// A bare client with one idle stream; ends with the process. Writes `ready_file` once it is open.
absl::Status RunIdleClient(const std::string& target, const Credential& credential,
                           const std::string& ready_file);

}  // namespace keymedic::bench

#endif  // KEYMEDIC_BENCH_ECHO_H_
