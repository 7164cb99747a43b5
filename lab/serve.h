// SPDX-License-Identifier: Apache-2.0
//
// `keymedic lab serve` and `keymedic lab up`, as functions: an estate that lives, offered on a
// socket, with agents in this process, or both.
#ifndef KEYMEDIC_LAB_SERVE_H_
#define KEYMEDIC_LAB_SERVE_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "lab/world.h"

namespace keymedic::lab {

struct LabServeOptions {
  std::string estate_file;
  double speed = 1;          // how many times faster than real time the estate lives
  std::string socket_path;   // offers the machines to plugin hosts there; empty: does not
  std::string listen;        // and at this loopback address, "127.0.0.1:0"; empty: does not
  bool only_socket = false;  // no agents in this process

  // For the agents in this process.
  std::string controller;  // HOST:PORT
  std::string token;       // for those that are not enrolled yet
  std::string state_dir;
  std::string machines = "*";  // which of the machines get one, by name with * and ?
  absl::Duration collect_interval = absl::Minutes(15);
  int threads = 4;
};

// A lab that runs. Destroyed: agents stop, then the socket, then the world.
class Lab {
 public:
  // kInvalidArgument for what is wrong with the options or the estate file; else what stopped the
  // socket or the first agent.
  static absl::StatusOr<std::unique_ptr<Lab>> Start(const LabServeOptions& options);
  virtual ~Lab() = default;

  virtual World& world() = 0;
  // Where `listen` got its port; empty: it was not asked for.
  virtual std::string listens_at() const = 0;
  virtual size_t agents() const = 0;
  virtual size_t connected_agents() const = 0;
};

// Runs a lab until `stop` is notified. `ready` is called once, when the socket listens and the
// agents are started.
absl::Status RunLabServe(const LabServeOptions& options, absl::Notification& stop,
                         const std::function<void(Lab&)>& ready);

}  // namespace keymedic::lab

#endif  // KEYMEDIC_LAB_SERVE_H_
