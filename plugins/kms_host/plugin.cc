// SPDX-License-Identifier: Apache-2.0
#include "plugins/kms_host/plugin.h"

#include <string>
#include <utility>
#include <vector>

#include "base/status_macros.h"
#include "kms/events.h"
#include "kms/tables.h"
#include "plugins/kms_host/actions.h"
#include "plugins/roles/state.h"

namespace keymedic {
namespace {

constexpr char kKmsChannel[] = "Key Management Service";
constexpr char kApplicationChannel[] = "Application";

}  // namespace

absl::StatusOr<std::unique_ptr<Plugin>> KmsHostPlugin::Create(const v1::PluginConfig& config) {
  KM_ASSIGN_OR_RETURN(systems::Systems systems,
                      systems::OpenSystems(config.system(), config.settings()));
  return std::make_unique<KmsHostPlugin>(std::move(systems));
}

KmsHostPlugin::KmsHostPlugin(systems::Systems systems)
    : systems_(std::move(systems)),
      history_(
          *systems_.events, {kKmsChannel, kApplicationChannel},
          [this](const std::vector<v1::EventRecord>& events) {
            kms::FoldHostEvents(events, told_);
          },
          [this] { told_.Clear(); }) {}

v1::PluginDescription KmsHostPlugin::Describe() {
  v1::PluginDescription description;
  description.set_name("kms_host");
  description.set_version(KEYMEDIC_VERSION);
  description.add_sections("kms_host");
  description.add_sections("firewall");
  for (std::string& action : HostActionNames()) description.add_actions(std::move(action));
  description.add_event_channels(kKmsChannel);
  return description;
}

absl::StatusOr<v1::CollectResponse> KmsHostPlugin::Collect(const v1::CollectRequest& request) {
  v1::CollectResponse response;
  const auto live = systems_.licensing->Host();
  if (absl::IsNotFound(live.status()) || absl::IsUnimplemented(live.status())) {
    last_.reset();
    return response;
  }
  const auto service = systems_.services->Query(kLicensingService);
  const bool stopped = service.ok() && (!service->running || service->disabled);
  // Who cannot be asked is what it was: the agent keeps what was said last. Only that the service
  // which would answer is stopped is worth saying.
  if (!live.ok() && !(stopped && last_.has_value())) return live.status();
  // A log that does not answer takes nothing away from what is known without it.
  history_.Update(request).IgnoreError();
  roles::HandOut(*systems_.events, kKmsChannel, request, response).IgnoreError();

  v1::KmsHostSection host = live.ok() ? told_ : *last_;
  if (live.ok()) host.MergeFrom(*live);
  if (service.ok()) {
    host.set_service_running(service->running);
    host.set_service_disabled(service->disabled);
  }
  last_ = host;
  *response.add_sections() = roles::MakeSection("kms_host", host);
  const uint32_t port = host.listening_port() == 0 ? kms::kDefaultPort : host.listening_port();
  auto firewall = systems_.firewall->Read(port);
  if (!firewall.ok()) {
    const std::string why(firewall.status().message());
    firewall.emplace().set_unavailable(why);
  }
  *response.add_sections() = roles::MakeSection("firewall", *firewall);
  return response;
}

absl::StatusOr<v1::ActResponse> KmsHostPlugin::Act(const v1::ActRequest& request) {
  HostContext context{systems_, [this](const std::string& domain) -> uint32_t {
                        if (!history_.Update().ok()) return 0;
                        return PublicationError(told_, domain);
                      }};
  v1::ActResponse response;
  *response.mutable_result() = RunHostAction(context, request.command());
  return response;
}

absl::StatusOr<v1::DiagnoseResponse> KmsHostPlugin::Diagnose(const v1::DiagnoseRequest&) {
  return v1::DiagnoseResponse();
}

}  // namespace keymedic
