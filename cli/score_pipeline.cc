// SPDX-License-Identifier: Apache-2.0
#include "cli/score_pipeline.h"

#include <atomic>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/builtin_plugins.h"
#include "agent/plugin_strikes.h"
#include "agent/sections.h"
#include "base/status_macros.h"
#include "kms/diagnosis/agents.h"
#include "kms/diagnosis/diagnose_estate.h"
#include "plugins/builtin.h"
#include "plugins/systems/lab/lab_in_process.h"

namespace keymedic::cli {
namespace {

constexpr absl::Duration kPatience = absl::InfiniteDuration();  // nothing here can hang

// One plugin ends its process each time it collects, and strikes are counted as ever.
class CrashingPlugin final : public agent::PluginRunner {
 public:
  CrashingPlugin(std::unique_ptr<agent::PluginRunner> plugins, std::string crashing,
                 const Clock& clock)
      : plugins_(std::move(plugins)), crashing_(std::move(crashing)), strikes_({}, clock) {}

  absl::StatusOr<v1::ListResponse> List() override { return plugins_->List(); }
  absl::StatusOr<v1::CollectResponse> Collect(const std::string& plugin,
                                              const v1::CollectRequest& request,
                                              absl::Duration timeout) override {
    if (plugin != crashing_) return plugins_->Collect(plugin, request, timeout);
    KM_RETURN_IF_ERROR(strikes_.Check(plugin));
    const std::string reason = absl::StrCat("plugin ", plugin, ": Collect: its process ended");
    strikes_.Strike(plugin, reason);
    return absl::UnavailableError(reason);
  }
  absl::StatusOr<v1::ActResponse> Act(const std::string& plugin, const v1::ActRequest& request,
                                      absl::Duration timeout) override {
    return plugins_->Act(plugin, request, timeout);
  }
  absl::StatusOr<v1::DiagnoseResponse> Diagnose(const std::string& plugin,
                                                const v1::DiagnoseRequest& request,
                                                absl::Duration timeout) override {
    return plugins_->Diagnose(plugin, request, timeout);
  }
  std::vector<v1::AgentNotice> TakeNotices() override { return strikes_.TakeNotices(); }

  bool quarantined() { return !strikes_.Quarantined().empty(); }

 private:
  const std::unique_ptr<agent::PluginRunner> plugins_;
  const std::string crashing_;
  agent::PluginStrikes strikes_;
};

// What the controller would hold of one machine, and hear of its agent.
struct Reported {
  kms::MachineState state;
  std::vector<v1::AgentNotice> notices;
};

absl::StatusOr<Reported> Report(const std::string& lab, const std::string& machine,
                                const std::string& crashing, const Clock& clock) {
  v1::PluginConfig config;
  config.set_system(absl::StrCat("lab:inprocess:", lab, "#", machine));
  CrashingPlugin plugins(agent::MakeBuiltinPlugins(BuiltinKmsPlugins(), config), crashing, clock);
  agent::Round round;
  std::vector<v1::AgentNotice> notices;
  do {
    round = agent::Look(plugins, {}, kPatience);
    notices.insert(notices.end(), round.notices.begin(), round.notices.end());
  } while (!crashing.empty() && !plugins.quarantined());
  for (const agent::Round::Plugin& plugin : round.plugins) {
    if (!plugin.answered && plugin.name != crashing)
      return absl::InternalError(
          absl::StrCat(machine, ": plugin ", plugin.name, " could not look at the machine"));
  }
  Reported reported{{}, std::move(notices)};
  reported.state.id = machine;
  reported.state.name = machine;
  agent::Sections sections;
  for (const std::string& name : sections.Merge(round).changed)
    KM_RETURN_IF_ERROR(Annotate(kms::ApplySection(*sections.Find(name), reported.state), machine));
  return reported;
}

// As the fleet of a controller says it.
void AddAgentFindings(const std::string& machine, const std::vector<v1::AgentNotice>& notices,
                      absl::Time last_heard, const v1::Policy& policy, absl::Time now,
                      std::vector<v1::Finding>& findings) {
  const kms::AgentContact contact{.machine_id = machine, .name = machine, .last_heard = last_heard};
  for (const v1::AgentNotice& notice : notices)
    findings.push_back(
        kms::AgentFinding(contact, notice.code(), notice.subject(), notice.message()));
  if (auto silent = kms::DiagnoseAgent(contact, policy, now))
    findings.push_back(*std::move(silent));
}

}  // namespace

absl::StatusOr<std::vector<v1::Finding>> DiagnoseWorld(lab::World& world, const Clock& clock) {
  static std::atomic<int> worlds = 0;  // names of the labs in one process differ
  const std::string name = absl::StrCat("scored-", worlds++);
  KM_ASSIGN_OR_RETURN(
      const auto registration,
      systems::RegisterInProcessLab(
          name, [&](const lab::v1::MachineRequest& request) { return world.Serve(request); }));
  const absl::Time now = clock.Now();
  kms::Estate estate;
  std::vector<v1::Finding> of_agents;
  for (const std::string& machine : world.machine_names()) {
    const lab::AgentState agent = world.AgentStateOf(machine);
    KM_ASSIGN_OR_RETURN(Reported reported, Report(name, machine, agent.quarantined_plugin, clock));
    estate.Upsert(std::move(reported.state));
    AddAgentFindings(machine, reported.notices, agent.silent_since.value_or(now), world.policy(),
                     now, of_agents);
  }
  return kms::DiagnoseEstate(estate, world.machine_names(), world.policy(), now,
                             std::move(of_agents));
}

}  // namespace keymedic::cli
