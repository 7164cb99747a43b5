// SPDX-License-Identifier: Apache-2.0
#include "agent/run.h"

#include <atomic>

#include "absl/strings/str_cat.h"
#include "agent/agent.h"
#include "agent/plugin_process.h"
#include "agent/waiting_enrolment.h"
#include "base/executor.h"
#include "base/log.h"
#include "base/random.h"
#include "base/rights.h"
#include "base/status_macros.h"

namespace keymedic::agent {
namespace {

// False: asked to stop before the machine was enrolled.
bool AwaitEnrolment(const Config& config, const std::function<absl::StatusOr<Config>()>& load,
                    const Clock& clock, Random& random, Executor& executor, Daemon& daemon) {
  std::atomic<bool> enrolled = false;
  WaitingEnrolmentOptions options;
  options.state_dir = config.state_dir;
  options.config_file = config.file;
  WaitingEnrolment waiting(
      options,
      {clock, random, executor, load,
       [&clock, &random](const EnrollOptions& enroll) { return Enroll(enroll, clock, random); }},
      [&] {
        enrolled = true;
        daemon.Wake();
      });
  waiting.Start();
  daemon.Watch({executor, nullptr, [] {
                  return std::string(
                      "waits to be enrolled: keymedic-agent enroll --controller HOST:PORT "
                      "--token-file FILE");
                }});
  while (!enrolled) {
    if (daemon.AwaitStop()) return false;
  }
  return true;
}

absl::Status BeAgent(const Config& config, const Clock& clock, Random& random, Executor& executor,
                     Daemon& daemon) {
  KM_ASSIGN_OR_RETURN(const auto plugins, OpenPlugins(config, clock));
  AgentOptions options;
  options.state_dir = config.state_dir;
  options.machine_name = config.name;
  options.labels = config.labels;
  options.collect_interval = config.collect_interval;
  options.reconnect.first = config.reconnect;
  options.plugin_timeout = config.plugin_timeout;
  options.keep_status = true;
  KM_ASSIGN_OR_RETURN(const auto agent, Agent::Open(options, {clock, random, executor, *plugins}));
  log::Info("AGENT_STARTED", "keymedic-agent {} for machine {} ({})", KEYMEDIC_VERSION,
            agent->machine_id(), config.name);
  agent->Start();
  daemon.Watch({executor, [&agent](std::function<void()> alive) { agent->Post(std::move(alive)); },
                [&agent] {
                  return absl::StrCat("machine ", agent->machine_id(),
                                      agent->connected() ? ", connected to its controller"
                                                         : ", not connected to its controller");
                }});
  while (!daemon.AwaitStop()) {
  }
  log::Info("AGENT_STOPPING", "asked to stop");
  agent->Stop();
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<PluginRunner>> OpenPlugins(const Config& config,
                                                          const Clock& clock) {
  PluginProcessOptions options;
  options.program = config.plugin_host;
  options.plugin_dir = config.plugin_dir;
  options.allow_file = config.plugin_allow_file;
  options.system = config.system;
  options.settings = config.plugin_settings;
  options.memory_limit_mb = config.memory_limit_mb;
  options.cpu_limit_seconds = config.cpu_limit_seconds;
  return MakePluginProcess(options, clock);
}

absl::Status RunAgent(const std::function<absl::StatusOr<Config>()>& load, Daemon& daemon) {
  KM_ASSIGN_OR_RETURN(Config config, load());
  KM_RETURN_IF_ERROR(ProtectDirectory(config.state_dir));
  const SystemClock clock;
  SystemRandom random;
  const auto executor = MakeThreadPool(2);
  KM_ASSIGN_OR_RETURN(const bool wait, WaitingEnrolment::Needed(config.state_dir, clock.Now()));
  if (wait) {
    if (!AwaitEnrolment(config, load, clock, random, *executor, daemon)) {
      log::Info("AGENT_STOPPING", "asked to stop");
      return absl::OkStatus();
    }
    KM_ASSIGN_OR_RETURN(config, load());  // it may have been changed meanwhile
  }
  return BeAgent(config, clock, random, *executor, daemon);
}

}  // namespace keymedic::agent
