// SPDX-License-Identifier: Apache-2.0
//
// The agent core: identity, stream, journal, outbox, schedule. Knows nothing of KMS: sections,
// events and actions are opaque to it. The daemon runs one; a lab runs hundreds in one process.
//
// Life cycle: Open (reads the state directory) -> Start -> Stop -> destroyed. Start returns at once
// and connecting goes on in the background for as long as it takes; Stop returns when no callback
// can come any more.
// Threads: public calls from any thread; inside, everything runs on one Strand of the executor.
// Ownership: the dependencies outlive the agent.
#ifndef KEYMEDIC_AGENT_AGENT_H_
#define KEYMEDIC_AGENT_AGENT_H_

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agent/plugin_runner.h"
#include "agent/reconnect.h"
#include "base/clock.h"
#include "base/executor.h"
#include "base/random.h"

namespace keymedic::agent {

struct AgentOptions {
  std::string state_dir;     // identity and journal.db; 0700
  std::string machine_name;  // how people call this machine
  std::map<std::string, std::string> labels;
  absl::Duration collect_interval = absl::Minutes(15);  // the controller's Welcome may change it
  absl::Duration plugin_timeout = absl::Seconds(60);
  ReconnectPolicy reconnect;
  uint64_t outbox_max_bytes = 16 << 20;  // oldest events dropped first, and counted
  bool keep_status = false;              // status_file.h
};

struct AgentDeps {
  const Clock& clock;
  Random& random;
  Executor& executor;
  PluginRunner& plugins;
};

class Agent {
 public:
  // kFailedPrecondition when the machine is not enrolled yet: says how to.
  static absl::StatusOr<std::unique_ptr<Agent>> Open(const AgentOptions& options, AgentDeps deps);
  virtual ~Agent() = default;

  virtual void Start() = 0;
  virtual void Stop() = 0;
  virtual bool connected() const = 0;
  // Runs `work` where all of the agent runs, once what waits there is done. From Start to Stop.
  virtual void Post(std::function<void()> work) = 0;
  virtual const std::string& machine_id() const = 0;
};

struct EnrollOptions {
  std::string controller;  // HOST:PORT
  std::string token;       // km1....; never logged
  std::string state_dir;
  std::string machine_name;
  std::map<std::string, std::string> labels;
};

// Makes a key, fetches the authority that the token pins, sends a CSR, stores the certificate.
// Called again on an enrolled machine: keeps the machine id, replaces the certificate.
absl::Status Enroll(const EnrollOptions& options, const Clock& clock, Random& random);

}  // namespace keymedic::agent

#endif  // KEYMEDIC_AGENT_AGENT_H_
