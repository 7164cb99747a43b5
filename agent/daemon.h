// SPDX-License-Identifier: Apache-2.0
//
// The agent as its system runs it: until SIGTERM or SIGINT; on Windows as the service
// KeyMedicAgent, or in a console until Ctrl-C.
//
// The service says that it runs before the body begins, so nothing that the body does can make its
// start fail. Asked to stop it has 8 s; then the process is ended. What it writes to the log goes
// to the event log and to a file, as nobody sees its standard error.
#ifndef KEYMEDIC_AGENT_DAEMON_H_
#define KEYMEDIC_AGENT_DAEMON_H_

#include <functional>

#include "absl/status/status.h"
#include "base/systemd.h"

namespace keymedic::agent {

class Daemon {
 public:
  virtual ~Daemon() = default;
  // Waits; true: to stop, false: somebody called Wake. From the body's thread.
  virtual bool AwaitStop() = 0;
  // From any thread.
  virtual void Wake() = 0;
  // Tells the system that the daemon runs, what it does, and that it is alive, until it is to stop.
  // Where the system asks for none of that nothing happens.
  virtual void Watch(const Watched&) {}
};

// First thing in main, for every command: memory, consoles, broken pipes.
void SetUpProcess();

// Runs `body` to its end and gives the program's exit code. An error of the body is printed, or
// logged by a service.
int RunDaemon(const std::function<absl::Status(Daemon&)>& body);

// How the system shall treat the service: start it late, start it again when it fails, give it time
// to stop. Does nothing that is done already. kUnimplemented where there is no such thing.
absl::Status ConfigureService();

}  // namespace keymedic::agent

#endif  // KEYMEDIC_AGENT_DAEMON_H_
