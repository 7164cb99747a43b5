// SPDX-License-Identifier: Apache-2.0
//
// Real agent cores for simulated machines, many in one process: each with its own identity, journal
// and stream, over the two role plugins linked in, all on one executor.
//
// Life cycle: Start enrols what is not enrolled yet, eight at a time, then starts all; they connect
// in the background. Destruction stops them; their state stays in the state directory, so the next
// Start finds them enrolled.
// Threads: call from one thread; connected() from any.
// Ownership: the executor, the clock and the randomness outlive the agents; the lab must be
// registered in this process (RegisterInProcessLab) for as long.
#ifndef KEYMEDIC_LAB_LAB_AGENTS_H_
#define KEYMEDIC_LAB_LAB_AGENTS_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agent/agent.h"

namespace keymedic::lab {

struct LabAgentsOptions {
  std::string lab_name;    // as registered
  std::string controller;  // HOST:PORT
  std::string token;       // to enrol with; may be empty when all are enrolled
  std::string state_dir;   // one folder for each machine is made in it
  absl::Duration collect_interval = absl::Minutes(15);
};

struct LabAgentMachine {
  std::string name;
  std::map<std::string, std::string> labels;
};

class LabAgents {
 public:
  struct Deps {
    const Clock& clock;
    Random& random;  // safe for many threads
    Executor& executor;
  };
  // The first error names the machine; the agents that were started are stopped again.
  static absl::StatusOr<std::unique_ptr<LabAgents>> Start(const LabAgentsOptions& options,
                                                          std::vector<LabAgentMachine> machines,
                                                          Deps deps);
  ~LabAgents();

  size_t size() const { return agents_.size(); }
  size_t connected() const;

 private:
  struct Running {
    std::unique_ptr<agent::PluginRunner> plugins;
    std::unique_ptr<agent::Agent> agent;
  };
  LabAgents() = default;
  std::vector<Running> agents_;
};

}  // namespace keymedic::lab

#endif  // KEYMEDIC_LAB_LAB_AGENTS_H_
