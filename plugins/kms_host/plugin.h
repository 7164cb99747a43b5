// SPDX-License-Identifier: Apache-2.0
//
// The plugin "kms_host". Life cycle, threads and errors are those of keymedic::Plugin.
#ifndef KEYMEDIC_PLUGINS_KMS_HOST_PLUGIN_H_
#define KEYMEDIC_PLUGINS_KMS_HOST_PLUGIN_H_

#include <memory>
#include <optional>

#include "plugins/roles/event_history.h"
#include "plugins/sdk/plugin.h"
#include "plugins/systems/systems.h"

namespace keymedic {

class KmsHostPlugin final : public Plugin {
 public:
  static absl::StatusOr<std::unique_ptr<Plugin>> Create(const v1::PluginConfig& config);
  explicit KmsHostPlugin(systems::Systems systems);

  v1::PluginDescription Describe() override;
  absl::StatusOr<v1::CollectResponse> Collect(const v1::CollectRequest& request) override;
  absl::StatusOr<v1::ActResponse> Act(const v1::ActRequest& request) override;
  absl::StatusOr<v1::DiagnoseResponse> Diagnose(const v1::DiagnoseRequest& request) override;

 private:
  systems::Systems systems_;
  // What the logs told: requests and publications; the live state goes over it.
  v1::KmsHostSection told_;
  roles::EventHistory history_;
  // What this host was when it could be asked last.
  std::optional<v1::KmsHostSection> last_;
};

}  // namespace keymedic

#endif  // KEYMEDIC_PLUGINS_KMS_HOST_PLUGIN_H_
