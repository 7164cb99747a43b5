// SPDX-License-Identifier: Apache-2.0
//
// keymedic-plugin-host: a disposable process that loads plugins and answers its agent on standard
// input and output (README.md). It is meant to be killed.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include "absl/strings/str_cat.h"
#include "agent/plugin_host/channel.h"
#include "agent/plugin_host/limits.h"
#include "agent/plugin_host/plugin_file.h"
#include "agent/plugin_host/server.h"
#include "base/files.h"
#include "base/frames.h"
#include "base/program_arguments.h"
#include "base/status_macros.h"

namespace keymedic::agent {
namespace {

struct Options {
  std::vector<std::string> plugins;
  std::vector<std::string> directories;
  std::vector<std::string> skip;
  std::string allow_file;
  std::string system = "local";
  std::vector<std::string> settings;
  uint64_t memory_limit_mb = 0;
  uint64_t cpu_limit_seconds = 0;
};

int Fail(const absl::Status& status, int code) {
  std::fprintf(stderr, "keymedic-plugin-host: %s\n", std::string(status.message()).c_str());
  return code;
}

absl::StatusOr<v1::PluginConfig> MakeConfig(const Options& options) {
  v1::PluginConfig config;
  config.set_system(options.system);
  for (const std::string& setting : options.settings) {
    const size_t equals = setting.find('=');
    if (equals == std::string::npos || equals == 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("--set ", setting, ": expected --set key=value"));
    }
    (*config.mutable_settings())[setting.substr(0, equals)] = setting.substr(equals + 1);
  }
  return config;
}

bool Exists(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::exists(NativePath(path), ignored);
}

bool Contains(const std::vector<std::string>& list, const std::string& value) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

// Tells the agent what is about to be loaded, so that it knows the culprit if this is the end.
absl::Status AnnounceLoad(int out, const std::string& path) {
  v1::HostResponse progress;
  progress.set_message(PrintableText(path));
  return WriteFrame(out, progress);
}

class Loader {
 public:
  Loader(const Options& options, const v1::PluginConfig& config, int out)
      : options_(options), config_(config), out_(out) {}

  absl::Status LoadAll(PluginSet& plugins) {
    for (const std::string& directory : options_.directories) {
      absl::StatusOr<std::vector<std::string>> paths = PluginsInDirectory(directory);
      if (!paths.ok()) {
        plugins.Add(directory, paths.status());
        continue;
      }
      const std::string allow_file = directory + "/plugins.allow";
      const bool use_own = options_.allow_file.empty() && Exists(allow_file);
      KM_RETURN_IF_ERROR(LoadList(*paths, use_own ? allow_file : options_.allow_file, plugins));
    }
    return LoadList(options_.plugins, options_.allow_file, plugins);
  }

 private:
  absl::Status LoadList(const std::vector<std::string>& paths, const std::string& allow_file,
                        PluginSet& plugins) {
    absl::StatusOr<AllowList> allow = AllowList();
    if (!allow_file.empty()) allow = AllowList::Read(allow_file);
    for (const std::string& path : paths) {
      if (Contains(options_.skip, path)) continue;
      if (!allow.ok()) {
        plugins.Add(path, Annotate(allow.status(), absl::StrCat(path, ": no usable allow list")));
        continue;
      }
      KM_RETURN_IF_ERROR(AnnounceLoad(out_, path));
      LimitCpuOfNextCall(options_.cpu_limit_seconds);
      plugins.Add(path, LoadPluginFile(path, allow_file.empty() ? nullptr : &*allow, config_));
    }
    return absl::OkStatus();
  }

  const Options& options_;
  const v1::PluginConfig& config_;
  const int out_;
};

int Run(const Options& options) {
  absl::StatusOr<v1::PluginConfig> config = MakeConfig(options);
  if (!config.ok()) return Fail(config.status(), 2);
  absl::StatusOr<Channel> channel = TakeChannel();
  if (!channel.ok()) return Fail(channel.status(), 1);
  EndWithAgent(*channel);
  LimitMemory(options.memory_limit_mb);

  PluginSet plugins;
  absl::Status status = Loader(options, *config, channel->out).LoadAll(plugins);
  if (status.ok()) {
    status = Serve(plugins, channel->in, channel->out,
                   [&] { LimitCpuOfNextCall(options.cpu_limit_seconds); });
  }
  return status.ok() ? 0 : Fail(status, 1);
}

}  // namespace
}  // namespace keymedic::agent

int main(int argc, char** argv) {
  keymedic::agent::Options options;
  CLI::App app(
      "Loads KeyMedic plugins and serves them on standard input and output to keymedic-agent, "
      "which "
      "starts it. There is no use for it by hand.");
  app.add_option("--plugin", options.plugins, "load this file (repeatable)");
  app.add_option("--plugin-dir", options.directories,
                 "load every plugin of this folder (repeatable)");
  app.add_option("--skip", options.skip, "do not load this path (repeatable)");
  app.add_option("--allow", options.allow_file,
                 "load only what this list of SHA-256 names; default: plugins.allow in the folder");
  app.add_option("--system", options.system, "the machine the plugins look at")
      ->capture_default_str();
  app.add_option("--set", options.settings, "a plugin setting, key=value (repeatable)");
  app.add_option("--memory-limit-mb", options.memory_limit_mb, "address space; 0: no limit");
  app.add_option("--cpu-limit-seconds", options.cpu_limit_seconds,
                 "processor time of one call; 0: no limit");
  std::vector<std::string> arguments = keymedic::ProgramArguments(argc, argv);
  std::reverse(arguments.begin(), arguments.end());  // as CLI11 takes them
  try {
    app.parse(std::move(arguments));
  } catch (const CLI::ParseError& error) {
    return app.exit(error);
  }
  // Not exit: destructors of plugin libraries have no say in how this ends.
  const int code = keymedic::agent::Run(options);
  std::fflush(nullptr);
  std::_Exit(code);
}
