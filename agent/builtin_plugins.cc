// SPDX-License-Identifier: Apache-2.0
#include "agent/builtin_plugins.h"

#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "agent/plugin_host/plugin_handle.h"
#include "base/status_macros.h"

namespace keymedic::agent {
namespace {

class BuiltinPlugins final : public PluginRunner {
 public:
  BuiltinPlugins(std::vector<BuiltinPlugin> plugins, const v1::PluginConfig& config)
      : plugins_(std::move(plugins)), config_(config) {}

  absl::StatusOr<v1::ListResponse> List() override {
    std::lock_guard<std::mutex> lock(mutex_);
    return Created().list();
  }

  absl::StatusOr<v1::CollectResponse> Collect(const std::string& plugin,
                                              const v1::CollectRequest& request,
                                              absl::Duration) override {
    std::lock_guard<std::mutex> lock(mutex_);
    KM_ASSIGN_OR_RETURN(PluginHandle * handle, Created().Find(plugin));
    return handle->Collect(request);
  }

  absl::StatusOr<v1::ActResponse> Act(const std::string& plugin, const v1::ActRequest& request,
                                      absl::Duration) override {
    std::lock_guard<std::mutex> lock(mutex_);
    KM_ASSIGN_OR_RETURN(PluginHandle * handle, Created().Find(plugin));
    return handle->Act(request);
  }

  absl::StatusOr<v1::DiagnoseResponse> Diagnose(const std::string& plugin,
                                                const v1::DiagnoseRequest& request,
                                                absl::Duration) override {
    std::lock_guard<std::mutex> lock(mutex_);
    KM_ASSIGN_OR_RETURN(PluginHandle * handle, Created().Find(plugin));
    return handle->Diagnose(request);
  }

  std::vector<v1::AgentNotice> TakeNotices() override { return {}; }

 private:
  PluginSet& Created() {
    if (!created_.has_value()) {
      created_.emplace();
      for (const BuiltinPlugin& plugin : plugins_) {
        created_->Add("", PluginHandle::Create(plugin, config_));
      }
    }
    return *created_;
  }

  const std::vector<BuiltinPlugin> plugins_;
  const v1::PluginConfig config_;
  std::mutex mutex_;
  std::optional<PluginSet> created_;
};

}  // namespace

std::unique_ptr<PluginRunner> MakeBuiltinPlugins(std::vector<BuiltinPlugin> plugins,
                                                 const v1::PluginConfig& config) {
  return std::make_unique<BuiltinPlugins>(std::move(plugins), config);
}

}  // namespace keymedic::agent
