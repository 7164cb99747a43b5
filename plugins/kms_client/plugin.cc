// SPDX-License-Identifier: Apache-2.0
#include "plugins/kms_client/plugin.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/status_macros.h"
#include "kms/diagnosis/diagnosis.h"
#include "kms/events.h"
#include "plugins/kms_client/actions.h"
#include "plugins/kms_client/collect.h"

namespace keymedic {
namespace {

constexpr char kChannel[] = "Application";
constexpr const char* kSections[] = {"os", "licensing", "kms_client", "names", "probes"};

// The instant at which the sections were true; it may be another than now, in a lab or of a file.
absl::Time NewestInstant(const v1::DiagnoseRequest& request, absl::Time otherwise) {
  int64_t newest = 0;
  for (const v1::Section& section : request.sections()) {
    newest = std::max<int64_t>(newest, section.collected_at().seconds());
  }
  return newest == 0 ? otherwise : absl::FromUnixSeconds(newest);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Plugin>> KmsClientPlugin::Create(const v1::PluginConfig& config) {
  static const SystemClock clock;
  KM_ASSIGN_OR_RETURN(systems::Systems systems,
                      systems::OpenSystems(config.system(), config.settings()));
  return std::make_unique<KmsClientPlugin>(std::move(systems), clock);
}

KmsClientPlugin::KmsClientPlugin(systems::Systems systems, const Clock& clock)
    : systems_(std::move(systems)),
      clock_(clock),
      history_(
          *systems_.events, {kChannel},
          [this](const std::vector<v1::EventRecord>& events) {
            kms::FoldClientEvents(events, told_client_, told_licensing_);
          },
          [this] {
            told_client_.Clear();
            told_licensing_.Clear();
          }) {}

v1::PluginDescription KmsClientPlugin::Describe() {
  v1::PluginDescription description;
  description.set_name("kms_client");
  description.set_version(KEYMEDIC_VERSION);
  for (const char* section : kSections) description.add_sections(section);
  for (std::string& action : ClientActionNames()) description.add_actions(std::move(action));
  description.add_event_channels(kChannel);
  return description;
}

absl::StatusOr<v1::CollectResponse> KmsClientPlugin::Collect(const v1::CollectRequest& request) {
  v1::CollectResponse response;
  // A log that does not answer takes nothing away from what is known without it.
  history_.Update(request).IgnoreError();
  roles::HandOut(*systems_.events, kChannel, request, response).IgnoreError();
  CollectClientSections(systems_, told_client_, told_licensing_, response);
  return response;
}

absl::StatusOr<v1::ActResponse> KmsClientPlugin::Act(const v1::ActRequest& request) {
  ClientContext context{systems_, clock_, [this]() -> std::optional<v1::ActivationAttempt> {
                          if (!history_.Update().ok() || told_client_.attempts().empty())
                            return std::nullopt;
                          return told_client_.attempts(0);
                        }};
  v1::ActResponse response;
  *response.mutable_result() = RunClientAction(context, request.command());
  return response;
}

absl::StatusOr<v1::DiagnoseResponse> KmsClientPlugin::Diagnose(const v1::DiagnoseRequest& request) {
  kms::MachineState state;
  for (const v1::Section& section : request.sections()) {
    KM_RETURN_IF_ERROR(kms::ApplySection(section, state));
  }
  state.name =
      state.os && !state.os->computer_name().empty() ? state.os->computer_name() : "this machine";
  state.id = state.name;
  const std::string id = state.id;
  kms::Estate estate;
  estate.Upsert(std::move(state));
  v1::DiagnoseResponse response;
  const absl::Time now = NewestInstant(request, clock_.Now());
  for (v1::Finding& finding :
       kms::Fold(estate, kms::DiagnoseMachine(estate, id, v1::Policy(), now))) {
    *response.add_findings() = std::move(finding);
  }
  return response;
}

}  // namespace keymedic
