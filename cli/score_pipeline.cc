// SPDX-License-Identifier: Apache-2.0
#include "cli/score_pipeline.h"

#include <string>
#include <utility>

#include "base/status_macros.h"
#include "kms/diagnosis/agents.h"
#include "kms/diagnosis/diagnose_estate.h"
#include "lab/reports.h"

namespace keymedic::cli {
namespace {

// As the fleet of a controller says it.
void AddAgentFindings(const lab::Report& report, const v1::Policy& policy, absl::Time now,
                      std::vector<v1::Finding>& findings) {
  const kms::AgentContact contact{
      .machine_id = report.machine, .name = report.machine, .last_heard = report.last_heard};
  for (const v1::AgentNotice& notice : report.notices)
    findings.push_back(
        kms::AgentFinding(contact, notice.code(), notice.subject(), notice.message()));
  if (auto silent = kms::DiagnoseAgent(contact, policy, now))
    findings.push_back(*std::move(silent));
}

}  // namespace

absl::StatusOr<std::vector<v1::Finding>> DiagnoseWorld(lab::World& world, const Clock& clock) {
  KM_ASSIGN_OR_RETURN(const std::vector<lab::Report> reports, lab::CollectReports(world, clock));
  const absl::Time now = clock.Now();
  kms::Estate estate;
  std::vector<v1::Finding> of_agents;
  for (const lab::Report& report : reports) {
    kms::MachineState state;
    state.id = state.name = report.machine;
    for (const v1::Section& section : report.sections)
      KM_RETURN_IF_ERROR(Annotate(kms::ApplySection(section, state), report.machine));
    estate.Upsert(std::move(state));
    AddAgentFindings(report, world.policy(), now, of_agents);
  }
  return kms::DiagnoseEstate(estate, world.machine_names(), world.policy(), now,
                             std::move(of_agents));
}

}  // namespace keymedic::cli
