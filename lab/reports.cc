// SPDX-License-Identifier: Apache-2.0
#include "lab/reports.h"

#include <atomic>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/builtin_plugins.h"
#include "agent/plugin_strikes.h"
#include "agent/sections.h"
#include "base/status_macros.h"
#include "plugins/builtin.h"
#include "plugins/systems/lab/lab_in_process.h"

namespace keymedic::lab {
namespace {

constexpr absl::Duration kPatience = absl::InfiniteDuration();  // nothing here can hang

// One plugin ends its process each time it collects, and strikes are counted as ever.
class CrashingPlugin final : public agent::PluginRunner {
 public:
  CrashingPlugin(std::unique_ptr<agent::PluginRunner> plugins, std::string crashing,
                 const Clock& clock)
      : plugins_(std::move(plugins)), crashing_(std::move(crashing)), strikes_({}, clock) {}

  absl::StatusOr<keymedic::v1::ListResponse> List() override { return plugins_->List(); }
  absl::StatusOr<keymedic::v1::CollectResponse> Collect(const std::string& plugin,
                                                        const keymedic::v1::CollectRequest& request,
                                                        absl::Duration timeout) override {
    if (plugin != crashing_) return plugins_->Collect(plugin, request, timeout);
    KM_RETURN_IF_ERROR(strikes_.Check(plugin));
    const std::string reason = absl::StrCat("plugin ", plugin, ": Collect: its process ended");
    strikes_.Strike(plugin, reason);
    return absl::UnavailableError(reason);
  }
  absl::StatusOr<keymedic::v1::ActResponse> Act(const std::string& plugin,
                                                const keymedic::v1::ActRequest& request,
                                                absl::Duration timeout) override {
    return plugins_->Act(plugin, request, timeout);
  }
  absl::StatusOr<keymedic::v1::DiagnoseResponse> Diagnose(
      const std::string& plugin, const keymedic::v1::DiagnoseRequest& request,
      absl::Duration timeout) override {
    return plugins_->Diagnose(plugin, request, timeout);
  }
  std::vector<keymedic::v1::AgentNotice> TakeNotices() override { return strikes_.TakeNotices(); }

  bool quarantined() { return !strikes_.Quarantined().empty(); }

 private:
  const std::unique_ptr<agent::PluginRunner> plugins_;
  const std::string crashing_;
  agent::PluginStrikes strikes_;
};

absl::StatusOr<Report> Collect(const std::string& lab, const std::string& machine,
                               const std::string& crashing, const Clock& clock) {
  keymedic::v1::PluginConfig config;
  config.set_system(absl::StrCat("lab:inprocess:", lab, "#", machine));
  CrashingPlugin plugins(agent::MakeBuiltinPlugins(BuiltinKmsPlugins(), config), crashing, clock);
  Report report{.machine = machine};
  agent::Round round;
  do {
    round = agent::Look(plugins, {}, kPatience);
    report.notices.insert(report.notices.end(), round.notices.begin(), round.notices.end());
  } while (!crashing.empty() && !plugins.quarantined());
  for (const agent::Round::Plugin& plugin : round.plugins) {
    if (!plugin.answered && plugin.name != crashing)
      return absl::InternalError(
          absl::StrCat(machine, ": plugin ", plugin.name, " could not look at the machine"));
  }
  agent::Sections sections;
  for (const std::string& name : sections.Merge(round).changed)
    report.sections.push_back(*sections.Find(name));
  return report;
}

}  // namespace

absl::StatusOr<std::vector<Report>> CollectReports(World& world, const Clock& clock) {
  static std::atomic<int> worlds = 0;  // names of the labs in one process differ
  const std::string name = absl::StrCat("reports-", worlds++);
  KM_ASSIGN_OR_RETURN(const auto registration,
                      systems::RegisterInProcessLab(name, [&](const v1::MachineRequest& request) {
                        return world.Serve(request);
                      }));
  std::vector<Report> reports;
  for (const std::string& machine : world.machine_names()) {
    const AgentState agent = world.AgentStateOf(machine);
    KM_ASSIGN_OR_RETURN(Report report, Collect(name, machine, agent.quarantined_plugin, clock));
    report.last_heard = agent.silent_since.value_or(clock.Now());
    reports.push_back(std::move(report));
  }
  return reports;
}

}  // namespace keymedic::lab
