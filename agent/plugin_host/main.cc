// SPDX-License-Identifier: Apache-2.0
//
// keymedic-plugin-host: a disposable process that loads plugins and answers its agent on standard
// input and output (README.md). It is meant to be killed.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "agent/plugin_host/plugin_file.h"
#include "agent/plugin_host/server.h"
#include "base/frames.h"
#include "base/status_macros.h"

namespace keymedic::agent {
namespace {

constexpr int kGraceMs = 5000;  // for a running call when the agent is gone

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

// Where the frames go. Standard input and output themselves are out of the plugins' reach.
struct Channel {
  int in;
  int out;
};

absl::StatusOr<Channel> TakeChannel() {
  const Channel channel{fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3),
                        fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3)};
  const int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (channel.in < 0 || channel.out < 0 || null < 0 || dup2(null, STDIN_FILENO) < 0 ||
      dup2(STDERR_FILENO, STDOUT_FILENO) < 0) {
    return absl::ErrnoToStatus(errno, "cannot set standard input and output aside");
  }
  close(null);
  return channel;
}

// A hung call never reads the end of its input: this thread sees the agent go and ends the process.
void EndWithAgent(int in) {
  std::thread([in] {
    pollfd agent{in, 0, 0};
    while (poll(&agent, 1, -1) < 0 && errno == EINTR) {
    }
    poll(nullptr, 0, kGraceMs);
    std::_Exit(0);
  }).detach();
}

void SetLimit(decltype(RLIMIT_AS) resource, rlim_t soft) {
  rlimit limit{};
  getrlimit(resource, &limit);
  limit.rlim_cur = std::min(soft, limit.rlim_max);
  setrlimit(resource, &limit);
}

void LimitMemory(uint64_t megabytes) {
  SetLimit(RLIMIT_CORE, 0);  // a core file would hold secrets
  if (megabytes == 0) return;
#if defined(__SANITIZE_ADDRESS__) || defined(KEYMEDIC_THREAD_SANITIZER)
  std::fprintf(stderr, "keymedic-plugin-host: no memory limit in a build with sanitizers\n");
#else
  SetLimit(RLIMIT_AS, megabytes << 20);
#endif
}

// The process's limit is moved along, so that each call has `seconds` of its own.
void LimitCpuOfNextCall(uint64_t seconds) {
  if (seconds == 0) return;
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  SetLimit(RLIMIT_CPU, used.ru_utime.tv_sec + used.ru_stime.tv_sec + 1 + seconds);
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
      const bool use_own = options_.allow_file.empty() && access(allow_file.c_str(), F_OK) == 0;
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
  signal(SIGPIPE, SIG_IGN);
  EndWithAgent(channel->in);
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
                 "load every *.so of this folder (repeatable)");
  app.add_option("--skip", options.skip, "do not load this path (repeatable)");
  app.add_option("--allow", options.allow_file,
                 "load only what this list of SHA-256 names; default: plugins.allow in the folder");
  app.add_option("--system", options.system, "the machine the plugins look at")
      ->capture_default_str();
  app.add_option("--set", options.settings, "a plugin setting, key=value (repeatable)");
  app.add_option("--memory-limit-mb", options.memory_limit_mb, "address space; 0: no limit");
  app.add_option("--cpu-limit-seconds", options.cpu_limit_seconds,
                 "processor time of one call; 0: no limit");
  CLI11_PARSE(app, argc, argv);
  // Not exit: destructors of plugin libraries have no say in how this ends.
  const int code = keymedic::agent::Run(options);
  std::fflush(nullptr);
  std::_Exit(code);
}
