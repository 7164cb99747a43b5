// SPDX-License-Identifier: Apache-2.0
#include "lab/serve.h"

#include <atomic>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/executor.h"
#include "base/random.h"
#include "base/status_macros.h"
#include "lab/estate.h"
#include "lab/lab_agents.h"
#include "lab/lab_clock.h"
#include "lab/socket_server.h"
#include "plugins/systems/lab/lab_in_process.h"

namespace keymedic::lab {
namespace {

constexpr double kMaxSpeed = 100'000;

absl::Status CheckOptions(const LabServeOptions& options) {
  if (!(options.speed > 0 && options.speed <= kMaxSpeed)) {
    return absl::InvalidArgumentError(
        absl::StrCat("--speed ", options.speed, " is not above 0 and at most ", kMaxSpeed));
  }
  if (options.threads < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("--threads ", options.threads, ": agents need at least 1"));
  }
  if (options.only_socket) {
    if (!options.socket_path.empty() || !options.listen.empty()) return absl::OkStatus();
    return absl::InvalidArgumentError(
        "without agents a lab needs a socket: add --socket PATH, or --listen 127.0.0.1:0");
  }
  if (options.controller.empty()) {
    return absl::InvalidArgumentError(
        "the agents of a lab need a controller: add --controller HOST:PORT, or --only-socket");
  }
  if (options.state_dir.empty()) {
    return absl::InvalidArgumentError(
        "the agents of a lab need a folder for their identities: add --state-dir PATH");
  }
  return absl::OkStatus();
}

class RunningLab final : public Lab {
 public:
  explicit RunningLab(const LabServeOptions& options)
      : options_(options), clock_(system_clock_, options.speed) {}

  absl::Status Begin() {
    KM_RETURN_IF_ERROR(CheckOptions(options_));
    KM_ASSIGN_OR_RETURN(const v1::Estate estate, ReadEstateFile(options_.estate_file));
    KM_ASSIGN_OR_RETURN(world_, World::Make(estate, clock_));
    if (!options_.socket_path.empty()) {
      KM_ASSIGN_OR_RETURN(socket_, LabSocketServer::Start(*world_, options_.socket_path));
    }
    if (!options_.listen.empty()) {
      KM_ASSIGN_OR_RETURN(port_, LabSocketServer::StartTcp(*world_, options_.listen));
    }
    return options_.only_socket ? absl::OkStatus() : StartAgents(estate);
  }

  World& world() override { return *world_; }
  std::string listens_at() const override { return port_ == nullptr ? "" : port_->place(); }
  size_t agents() const override { return agents_ == nullptr ? 0 : agents_->size(); }
  size_t connected_agents() const override { return agents_ == nullptr ? 0 : agents_->connected(); }

 private:
  absl::Status StartAgents(const v1::Estate& estate) {
    static std::atomic<int> labs = 0;  // names of the labs in one process differ
    const std::string name = absl::StrCat("lab-", labs++);
    KM_ASSIGN_OR_RETURN(auto registration, systems::RegisterInProcessLab(
                                               name, [this](const v1::MachineRequest& request) {
                                                 return world_->Serve(request);
                                               }));
    registration_.emplace(std::move(registration));
    executor_ = MakeThreadPool(options_.threads);
    std::vector<LabAgentMachine> machines;
    const std::vector<std::string> names = MachineNames(estate);
    const std::vector<std::string> sites = MachineSites(estate);
    for (size_t i = 0; i < names.size(); ++i) {
      if (MatchesPattern(options_.machines, names[i]))
        machines.push_back({names[i], {{"site", sites[i]}, {"estate", estate.name()}}});
    }
    if (machines.empty()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "--machines '", options_.machines, "' matches none of the ", names.size(), " machines"));
    }
    KM_ASSIGN_OR_RETURN(
        agents_, LabAgents::Start({.lab_name = name,
                                   .controller = options_.controller,
                                   .token = options_.token,
                                   .state_dir = options_.state_dir,
                                   .collect_interval = options_.collect_interval},
                                  std::move(machines), {system_clock_, random_, *executor_}));
    return absl::OkStatus();
  }

  // Destroyed from the last to the first: each outlives what uses it.
  const LabServeOptions options_;
  SystemClock system_clock_;
  SystemRandom random_;
  LabClock clock_;
  std::unique_ptr<World> world_;
  std::unique_ptr<LabSocketServer> socket_, port_;
  std::optional<systems::InProcessLab> registration_;
  std::unique_ptr<Executor> executor_;
  std::unique_ptr<LabAgents> agents_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Lab>> Lab::Start(const LabServeOptions& options) {
  auto lab = std::make_unique<RunningLab>(options);
  KM_RETURN_IF_ERROR(lab->Begin());
  return lab;
}

absl::Status RunLabServe(const LabServeOptions& options, absl::Notification& stop,
                         const std::function<void(Lab&)>& ready) {
  KM_ASSIGN_OR_RETURN(const std::unique_ptr<Lab> lab, Lab::Start(options));
  if (ready) ready(*lab);
  stop.WaitForNotification();
  return absl::OkStatus();
}

}  // namespace keymedic::lab
