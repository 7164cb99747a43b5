// SPDX-License-Identifier: Apache-2.0
//
// Plugins as files: which may be loaded, and loading one. A plugin runs with the rights of the
// agent, so whoever can write its file is an administrator of the machine.
//
// Errors name the path, the reason and the remedy. One thread.
#ifndef KEYMEDIC_AGENT_PLUGIN_HOST_PLUGIN_FILE_H_
#define KEYMEDIC_AGENT_PLUGIN_HOST_PLUGIN_FILE_H_

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "agent/plugin_host/plugin_handle.h"

namespace keymedic::agent {

// The file plugins.allow: lines "<sha256>  <file name>", as sha256sum prints them; # begins a
// comment. It must be as well protected as a plugin.
class AllowList {
 public:
  static absl::StatusOr<AllowList> Read(const std::string& path);
  absl::Status Check(const std::string& plugin_path) const;

 private:
  std::string path_;
  std::set<std::string> lines_;
};

// kPermissionDenied when the file, or the folder it is in, may be written by others than
// base/rights.h trusts.
absl::Status CheckFileAndFolder(const std::string& path);

// The plugins (*.so, on Windows *.dll) in a folder, in the order of their names.
absl::StatusOr<std::vector<std::string>> PluginsInDirectory(const std::string& directory);

// Loads a library for good and creates its plugin. `allow` may be null: any hash will do.
absl::StatusOr<std::unique_ptr<PluginHandle>> LoadPluginFile(const std::string& path,
                                                             const AllowList* allow,
                                                             const v1::PluginConfig& config);

}  // namespace keymedic::agent

#endif  // KEYMEDIC_AGENT_PLUGIN_HOST_PLUGIN_FILE_H_
