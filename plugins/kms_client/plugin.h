// SPDX-License-Identifier: Apache-2.0
//
// The plugin "kms_client". Life cycle, threads and errors are those of keymedic::Plugin.
#ifndef KEYMEDIC_PLUGINS_KMS_CLIENT_PLUGIN_H_
#define KEYMEDIC_PLUGINS_KMS_CLIENT_PLUGIN_H_

#include <memory>

#include "base/clock.h"
#include "plugins/roles/event_history.h"
#include "plugins/sdk/plugin.h"
#include "plugins/systems/systems.h"

namespace keymedic {

class KmsClientPlugin final : public Plugin {
 public:
  static absl::StatusOr<std::unique_ptr<Plugin>> Create(const v1::PluginConfig& config);
  // `clock` outlives the plugin; it is asked only for what no section can tell.
  KmsClientPlugin(systems::Systems systems, const Clock& clock);

  v1::PluginDescription Describe() override;
  absl::StatusOr<v1::CollectResponse> Collect(const v1::CollectRequest& request) override;
  absl::StatusOr<v1::ActResponse> Act(const v1::ActRequest& request) override;
  absl::StatusOr<v1::DiagnoseResponse> Diagnose(const v1::DiagnoseRequest& request) override;

 private:
  systems::Systems systems_;
  const Clock& clock_;
  // What the log told: attempts and observations; the live state goes over it.
  v1::KmsClientSection told_client_;
  v1::LicensingSection told_licensing_;
  roles::EventHistory history_;
};

}  // namespace keymedic

#endif  // KEYMEDIC_PLUGINS_KMS_CLIENT_PLUGIN_H_
