// SPDX-License-Identifier: Apache-2.0
#include "lab/lab_agents.h"

#include <algorithm>
#include <atomic>
#include <functional>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "agent/builtin_plugins.h"
#include "base/file_limit.h"
#include "base/files.h"
#include "base/status_macros.h"
#include "plugins/builtin.h"

namespace keymedic::lab {
namespace {

constexpr size_t kAtOnce = 8;
constexpr size_t kFilesOfAgent = 5;  // a journal in three parts, its connection, and room
constexpr size_t kFilesOfLab = 200;

// Runs `work` for 0 .. n-1, eight at a time, and gives the first error.
absl::Status InParallel(size_t n, const std::function<absl::Status(size_t)>& work) {
  std::atomic<size_t> next = 0;
  absl::Mutex mutex;
  absl::Status first;
  std::atomic<bool> failed = false;
  const auto worker = [&] {
    for (size_t i = next++; i < n && !failed; i = next++) {
      const absl::Status status = work(i);
      if (status.ok()) continue;
      absl::MutexLock lock(&mutex);
      if (!failed.exchange(true)) first = status;
    }
  };
  std::vector<std::thread> threads;
  for (size_t i = 0; i < std::min(n, kAtOnce); ++i) threads.emplace_back(worker);
  for (std::thread& thread : threads) thread.join();
  return first;
}

}  // namespace

absl::StatusOr<std::unique_ptr<LabAgents>> LabAgents::Start(const LabAgentsOptions& options,
                                                            std::vector<LabAgentMachine> machines,
                                                            Deps deps) {
  KM_RETURN_IF_ERROR(Annotate(RaiseFileLimit(kFilesOfLab + machines.size() * kFilesOfAgent),
                              absl::StrCat(machines.size(), " agents in one process")));
  std::unique_ptr<LabAgents> all(new LabAgents);
  all->agents_.resize(machines.size());
  const auto start = [&](size_t i) -> absl::Status {
    const LabAgentMachine& machine = machines[i];
    Running& running = all->agents_[i];
    agent::AgentOptions agent_options;
    agent_options.state_dir = absl::StrCat(options.state_dir, "/", machine.name);
    agent_options.machine_name = machine.name;
    agent_options.labels = machine.labels;
    agent_options.collect_interval = options.collect_interval;
    KM_RETURN_IF_ERROR(MakeDirectories(agent_options.state_dir));
    keymedic::v1::PluginConfig config;
    config.set_system(absl::StrCat("lab:inprocess:", options.lab_name, "#", machine.name));
    running.plugins = agent::MakeBuiltinPlugins(BuiltinKmsPlugins(), config);
    const agent::AgentDeps agent_deps{deps.clock, deps.random, deps.executor, *running.plugins};
    auto opened = agent::Agent::Open(agent_options, agent_deps);
    if (absl::IsFailedPrecondition(opened.status()) && !options.token.empty()) {
      KM_RETURN_IF_ERROR(agent::Enroll({.controller = options.controller,
                                        .token = options.token,
                                        .state_dir = agent_options.state_dir,
                                        .machine_name = machine.name,
                                        .labels = machine.labels},
                                       deps.clock, deps.random));
      opened = agent::Agent::Open(agent_options, agent_deps);
    }
    KM_RETURN_IF_ERROR(opened.status());
    running.agent = *std::move(opened);
    return absl::OkStatus();
  };
  KM_RETURN_IF_ERROR(InParallel(machines.size(), [&](size_t i) {
    return Annotate(start(i), absl::StrCat("the agent of lab machine ", machines[i].name));
  }));
  for (Running& running : all->agents_) running.agent->Start();
  return all;
}

LabAgents::~LabAgents() {
  (void)InParallel(agents_.size(), [&](size_t i) {
    if (agents_[i].agent != nullptr) agents_[i].agent->Stop();
    return absl::OkStatus();
  });
  for (Running& running : agents_) running.agent.reset();  // before its plugins
}

size_t LabAgents::connected() const {
  return std::count_if(agents_.begin(), agents_.end(),
                       [](const Running& running) { return running.agent->connected(); });
}

}  // namespace keymedic::lab
