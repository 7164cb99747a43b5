// SPDX-License-Identifier: Apache-2.0
//
// A plugin behind its C entry points, and a set of them. The plugin host and the builtin runner
// share this, so a plugin meets the same checks whether it is loaded or linked in.
//
// Life cycle: Create runs the plugin's create, the destructor its destroy; the code stays loaded.
// Threads: one, as keymedic_plugin.h promises to plugins.
// Ownership: a handle owns the plugin's instance; a set owns its handles.
// Errors name the plugin (or its file), the call, and what to do. A plugin's own errors keep their
// code. What a plugin says is made printable and cannot hold a product key.
#ifndef KEYMEDIC_AGENT_PLUGIN_HOST_PLUGIN_HANDLE_H_
#define KEYMEDIC_AGENT_PLUGIN_HOST_PLUGIN_HANDLE_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "keymedic/v1/plugin.pb.h"
#include "plugins/sdk/builtin.h"

namespace keymedic::agent {

// `text` as valid UTF-8 without product keys, at most 4 KiB.
std::string PrintableText(absl::string_view text);

class PluginHandle {
 public:
  // All or nothing. `entry.name` is only how errors call it: a file's path, or a builtin's name.
  static absl::StatusOr<std::unique_ptr<PluginHandle>> Create(const BuiltinPlugin& entry,
                                                              const v1::PluginConfig& config);
  PluginHandle(const PluginHandle&) = delete;
  PluginHandle& operator=(const PluginHandle&) = delete;
  ~PluginHandle();

  const v1::PluginDescription& description() const { return description_; }
  absl::StatusOr<v1::CollectResponse> Collect(const v1::CollectRequest& request);
  absl::StatusOr<v1::ActResponse> Act(const v1::ActRequest& request);
  absl::StatusOr<v1::DiagnoseResponse> Diagnose(const v1::DiagnoseRequest& request);

 private:
  explicit PluginHandle(const BuiltinPlugin& entry) : entry_(entry) {}
  absl::Status Start(const v1::PluginConfig& config);
  absl::Status Call(absl::string_view call, keymedic_call function,
                    const google::protobuf::MessageLite& request,
                    google::protobuf::MessageLite& response);

  BuiltinPlugin entry_;
  bool created_ = false;
  void* plugin_ = nullptr;
  const keymedic_plugin_table* table_ = nullptr;
  v1::PluginDescription description_;
};

class PluginSet {
 public:
  // `path` is empty for a builtin. A refused plugin stands in the list too, with the reason; so
  // does one whose name is taken.
  void Add(const std::string& path, absl::StatusOr<std::unique_ptr<PluginHandle>> plugin);
  const v1::ListResponse& list() const { return list_; }
  // kNotFound names what is there.
  absl::StatusOr<PluginHandle*> Find(absl::string_view name) const;

 private:
  std::vector<std::unique_ptr<PluginHandle>> plugins_;
  v1::ListResponse list_;
};

}  // namespace keymedic::agent

#endif  // KEYMEDIC_AGENT_PLUGIN_HOST_PLUGIN_HANDLE_H_
