// SPDX-License-Identifier: Apache-2.0
//
// A whole controller in one object: store, trust, fleet, remediation and their services on one
// port. The program runs one; tests and benchmarks start as many as they like, in process.
//
// Life cycle: InitializeAuthority(data_dir) once per estate -> Start -> Shutdown (or destroy).
// Threads: gRPC's own; public calls from any thread. Shutdown returns when no call is left.
// Ownership: the dependencies outlive the server.
// Errors of Start: what is wrong with the data directory, the database or the address, and what to
// do about it.
#ifndef KEYMEDIC_CONTROLLER_SERVER_H_
#define KEYMEDIC_CONTROLLER_SERVER_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/executor.h"
#include "base/random.h"
#include "controller/fleet/fleet.h"

namespace keymedic::controller {

struct ServerOptions {
  std::string data_dir;
  std::string listen = "0.0.0.0:7443";                    // port 0: any that is free
  absl::Duration certificate_lifetime = absl::Hours(24);  // of machines
  // For how long after its certificate ended a machine gets a new one by itself.
  absl::Duration recovery_grace = absl::Hours(24 * 30);
  FleetOptions fleet;
  absl::Duration shutdown_grace = absl::Seconds(1);  // for calls to end by themselves
};

struct ServerDeps {
  const Clock& clock;
  Random& random;
  Executor& executor;
};

class Server {
 public:
  static absl::StatusOr<std::unique_ptr<Server>> Start(const ServerOptions& options,
                                                       ServerDeps deps);
  ~Server();

  int port() const;
  // Idempotent.
  void Shutdown();

  // For tests and benchmarks in the same process.
  Fleet& fleet();

 private:
  struct Parts;
  explicit Server(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace keymedic::controller

#endif  // KEYMEDIC_CONTROLLER_SERVER_H_
