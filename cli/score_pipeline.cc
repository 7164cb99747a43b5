// SPDX-License-Identifier: Apache-2.0
#include "cli/score_pipeline.h"

#include <atomic>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/builtin_plugins.h"
#include "agent/sections.h"
#include "base/status_macros.h"
#include "kms/diagnosis/diagnose_estate.h"
#include "plugins/builtin.h"
#include "plugins/systems/lab/lab_in_process.h"

namespace keymedic::cli {
namespace {

constexpr absl::Duration kPatience = absl::InfiniteDuration();  // nothing here can hang

// As the controller would hold it after the agent's first connection.
absl::StatusOr<kms::MachineState> LookAt(const std::string& lab, const std::string& machine) {
  v1::PluginConfig config;
  config.set_system(absl::StrCat("lab:inprocess:", lab, "#", machine));
  const auto plugins = agent::MakeBuiltinPlugins(BuiltinKmsPlugins(), config);
  agent::Round round = agent::Look(*plugins, {}, kPatience);
  kms::MachineState state;
  state.id = machine;
  state.name = machine;
  for (const agent::Round::Plugin& plugin : round.plugins) {
    if (!plugin.answered)
      return absl::InternalError(
          absl::StrCat(machine, ": plugin ", plugin.name, " collected nothing"));
  }
  agent::Sections sections;
  for (const std::string& name : sections.Merge(round).changed)
    KM_RETURN_IF_ERROR(Annotate(kms::ApplySection(*sections.Find(name), state), machine));
  return state;
}

}  // namespace

absl::StatusOr<std::vector<v1::Finding>> DiagnoseWorld(lab::World& world, const Clock& clock,
                                                       const v1::Policy& policy) {
  static std::atomic<int> worlds = 0;  // names of the labs in one process differ
  const std::string name = absl::StrCat("scored-", worlds++);
  KM_ASSIGN_OR_RETURN(
      const auto registration,
      systems::RegisterInProcessLab(
          name, [&](const lab::v1::MachineRequest& request) { return world.Serve(request); }));
  kms::Estate estate;
  for (const std::string& machine : world.machine_names()) {
    KM_ASSIGN_OR_RETURN(kms::MachineState state, LookAt(name, machine));
    estate.Upsert(std::move(state));
  }
  return kms::DiagnoseEstate(estate, world.machine_names(), policy, clock.Now(), {});
}

}  // namespace keymedic::cli
