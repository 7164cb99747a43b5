// SPDX-License-Identifier: Apache-2.0
#include "agent/plugin_process.h"

#include <algorithm>
#include <filesystem>
#include <mutex>
#include <set>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/child_process.h"
#include "base/files.h"
#include "base/frames.h"
#include "base/log.h"
#include "base/rights.h"
#include "base/status_macros.h"
#include "keymedic/v1/plugin.pb.h"

namespace keymedic::agent {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(2);  // for a child that is about to go

class PluginProcess final : public PluginRunner {
 public:
  PluginProcess(const PluginProcessOptions& options, const Clock& clock)
      : options_(options), clock_(clock), strikes_(options.strikes, clock) {}

  ~PluginProcess() override {
    if (child_ != nullptr) child_->End(kPatience);
  }

  absl::StatusOr<v1::ListResponse> List() override {
    std::lock_guard<std::mutex> lock(mutex_);
    KM_RETURN_IF_ERROR(EnsureLoaded());
    v1::ListResponse list = loaded_;
    const std::map<std::string, std::string> quarantined = strikes_.Quarantined();
    for (const std::string& path : skipped_) {
      v1::LoadedPlugin& refused = *list.add_plugins();
      refused.set_path(path);
      if (const auto found = quarantined.find(path); found != quarantined.end()) {
        refused.set_error(found->second);
      }
    }
    return list;
  }

  absl::StatusOr<v1::CollectResponse> Collect(const std::string& plugin,
                                              const v1::CollectRequest& request,
                                              absl::Duration timeout) override {
    v1::HostRequest host_request;
    *host_request.mutable_collect() = request;
    KM_ASSIGN_OR_RETURN(v1::HostResponse response,
                        Call(plugin, "Collect", std::move(host_request), timeout));
    return std::move(*response.mutable_collect());
  }

  absl::StatusOr<v1::ActResponse> Act(const std::string& plugin, const v1::ActRequest& request,
                                      absl::Duration timeout) override {
    v1::HostRequest host_request;
    *host_request.mutable_act() = request;
    KM_ASSIGN_OR_RETURN(v1::HostResponse response,
                        Call(plugin, absl::StrCat("Act(", request.command().action(), ")"),
                             std::move(host_request), timeout));
    return std::move(*response.mutable_act());
  }

  absl::StatusOr<v1::DiagnoseResponse> Diagnose(const std::string& plugin,
                                                const v1::DiagnoseRequest& request,
                                                absl::Duration timeout) override {
    v1::HostRequest host_request;
    *host_request.mutable_diagnose() = request;
    KM_ASSIGN_OR_RETURN(v1::HostResponse response,
                        Call(plugin, "Diagnose", std::move(host_request), timeout));
    return std::move(*response.mutable_diagnose());
  }

  std::vector<v1::AgentNotice> TakeNotices() override { return strikes_.TakeNotices(); }

 private:
  absl::StatusOr<v1::HostResponse> Call(const std::string& plugin, const std::string& call,
                                        v1::HostRequest request, absl::Duration timeout);
  // The next answer from the child: to request `id`, or progress while it loads (id 0).
  absl::StatusOr<v1::HostResponse> Receive(absl::string_view bytes, uint64_t id,
                                           absl::Duration timeout);
  // A child that has loaded its plugins, or why there is none.
  absl::Status EnsureLoaded();
  // Starts one and lets it load. On an error, `culprit` is the path that was being loaded, or
  // empty.
  absl::Status StartAndLoad(std::string& culprit);
  // Ends the child, which misbehaved as `error` says. The message adds limits and last words.
  absl::Status EndChild(const absl::Status& error, absl::Duration limit);
  std::vector<std::string> Arguments() const;
  absl::Status CheckRestartDelay() const;
  void CountFailure();

  const PluginProcessOptions options_;
  const Clock& clock_;
  PluginStrikes strikes_;
  std::mutex mutex_;  // all below
  std::unique_ptr<ChildProcess> child_;
  v1::ListResponse loaded_;
  std::set<std::string> skipped_;  // paths that the child was told not to load
  uint64_t last_id_ = 0;
  int failures_ = 0;  // ends of the child since the last answer
  absl::Time not_before_ = absl::InfinitePast();
};

std::vector<std::string> PluginProcess::Arguments() const {
  std::vector<std::string> arguments = {options_.program, "--system=" + options_.system};
  if (!options_.plugin_dir.empty()) arguments.push_back("--plugin-dir=" + options_.plugin_dir);
  for (const std::string& path : options_.plugins) arguments.push_back("--plugin=" + path);
  for (const std::string& path : skipped_) arguments.push_back("--skip=" + path);
  if (!options_.allow_file.empty()) arguments.push_back("--allow=" + options_.allow_file);
  for (const auto& [key, value] : options_.settings) {
    arguments.push_back(absl::StrCat("--set=", key, "=", value));
  }
  arguments.push_back(absl::StrCat("--memory-limit-mb=", options_.memory_limit_mb));
  arguments.push_back(absl::StrCat("--cpu-limit-seconds=", options_.cpu_limit_seconds));
  return arguments;
}

absl::StatusOr<v1::HostResponse> PluginProcess::Receive(absl::string_view bytes, uint64_t id,
                                                        absl::Duration timeout) {
  KM_ASSIGN_OR_RETURN(const std::string frame, child_->Exchange(bytes, timeout));
  v1::HostResponse response;
  if (!response.ParseFromString(frame)) {
    return absl::InvalidArgumentError(
        absl::StrCat("a frame of ", frame.size(), " bytes is no HostResponse"));
  }
  if (response.id() == 0 && response.status() != 0) {
    return absl::InvalidArgumentError(response.message());
  }
  if (response.id() != id && response.id() != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("it answered request ", response.id(), " instead of ", id));
  }
  return response;
}

absl::Status PluginProcess::EndChild(const absl::Status& error, absl::Duration limit) {
  const bool died = absl::IsUnavailable(error);
  const ChildEnd end = child_->End(died ? kPatience : absl::ZeroDuration());
  child_.reset();
  if (end.over_memory) {
    return absl::ResourceExhaustedError(absl::StrCat("out of memory: its process ended with ",
                                                     end.how, " (limit ", options_.memory_limit_mb,
                                                     " MiB of memory)"));
  }
  CountFailure();
  if (absl::IsDeadlineExceeded(error)) {
    return absl::DeadlineExceededError(absl::StrCat(
        "no answer within its limit of ", absl::FormatDuration(limit), "; its process was ended"));
  }
  const std::string what = died ? absl::StrCat("its process ended with ", end.how)
                                : absl::StrCat("it broke the protocol (", error.message(),
                                               ") and its process was ended");
  return absl::UnavailableError(absl::StrCat(
      what, " (limits: ", options_.memory_limit_mb, " MiB of memory, ", options_.cpu_limit_seconds,
      " s of CPU, ", absl::FormatDuration(limit), " for the call)"));
}

void PluginProcess::CountFailure() {
  ++failures_;
  // The first time costs nothing: neighbours of a culprit go on at once.
  if (failures_ < 2) return;
  const absl::Duration delay =
      std::min(options_.restart_cap, options_.restart_base * (1LL << std::min(failures_ - 2, 20)));
  not_before_ = clock_.Now() + delay;
}

absl::Status PluginProcess::CheckRestartDelay() const {
  const absl::Duration wait = not_before_ - clock_.Now();
  if (wait <= absl::ZeroDuration()) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat(
      "the plugin host ended ", failures_,
      " times without an answer in between; it is started again in ", absl::FormatDuration(wait)));
}

absl::Status PluginProcess::StartAndLoad(std::string& culprit) {
  culprit.clear();
  loaded_.Clear();
  KM_ASSIGN_OR_RETURN(child_, ChildProcess::Start(Arguments(), options_.memory_limit_mb));
  v1::HostRequest request;
  request.set_id(++last_id_);
  request.mutable_list();
  KM_ASSIGN_OR_RETURN(const std::string frame, EncodeFrame(request));
  absl::string_view unsent = frame;
  while (true) {
    absl::StatusOr<v1::HostResponse> response =
        Receive(unsent, request.id(), options_.load_timeout);
    if (!response.ok()) return EndChild(response.status(), options_.load_timeout);
    unsent = {};
    if (response->id() == request.id()) {
      loaded_ = response->list();
      return absl::OkStatus();
    }
    culprit = response->message();
  }
}

absl::Status PluginProcess::EnsureLoaded() {
  const std::map<std::string, std::string> quarantined = strikes_.Quarantined();
  const bool released = std::any_of(skipped_.begin(), skipped_.end(), [&](const std::string& path) {
    return !quarantined.contains(path);
  });
  if (child_ != nullptr && (released || !child_->Running())) {
    const ChildEnd end = child_->End(kPatience);
    child_.reset();
    if (!released) {
      log::Warning("AGENT_PLUGIN_HOST_ENDED", "plugin host ended while idle: {}", end.how);
    }
  }
  if (child_ != nullptr) return absl::OkStatus();
  KM_RETURN_IF_ERROR(CheckRestartDelay());
  std::erase_if(skipped_, [&](const std::string& path) { return !quarantined.contains(path); });
  while (true) {
    std::string culprit;
    const absl::Status status = StartAndLoad(culprit);
    if (status.ok()) {
      log::Info("AGENT_PLUGIN_HOST_STARTED", "plugin host started; {} plugins found, {} left out",
                loaded_.plugins_size(), skipped_.size());
      return status;
    }
    if (culprit.empty() || !skipped_.insert(culprit).second) {
      return Annotate(status, absl::StrCat("plugin host ", options_.program));
    }
    strikes_.Quarantine(culprit, absl::StrCat("while it was loaded, ", status.message()));
    failures_ = 0;  // the cause is known and out of the way
    not_before_ = absl::InfinitePast();
  }
}

absl::StatusOr<v1::HostResponse> PluginProcess::Call(const std::string& plugin,
                                                     const std::string& call,
                                                     v1::HostRequest request,
                                                     absl::Duration timeout) {
  std::lock_guard<std::mutex> lock(mutex_);
  KM_RETURN_IF_ERROR(strikes_.Check(plugin));
  KM_RETURN_IF_ERROR(EnsureLoaded());
  const std::string what = absl::StrCat("plugin ", plugin, ": ", call);
  request.set_id(++last_id_);
  request.set_plugin(plugin);
  absl::StatusOr<std::string> frame = EncodeFrame(request);
  if (!frame.ok()) return Annotate(frame.status(), what);

  absl::StatusOr<v1::HostResponse> response = Receive(*frame, request.id(), timeout);
  if (response.ok() && response->id() == 0) {
    response = absl::InvalidArgumentError("it sent progress in the middle of a call");
  }
  if (!response.ok()) {
    const absl::Status error = Annotate(EndChild(response.status(), timeout), what);
    strikes_.Strike(plugin, std::string(error.message()));
    return error;
  }
  failures_ = 0;
  if (response->status() == 0) return response;
  const absl::Status error(static_cast<absl::StatusCode>(response->status()), response->message());
  if (absl::IsResourceExhausted(error)) {
    // What it took is gone only with its process.
    child_->End(absl::ZeroDuration());
    child_.reset();
    strikes_.Strike(plugin, absl::StrCat(error.message(), " (limit ", options_.memory_limit_mb,
                                         " MiB of memory)"));
  }
  return error;
}

}  // namespace

absl::StatusOr<std::unique_ptr<PluginRunner>> MakePluginProcess(const PluginProcessOptions& options,
                                                                const Clock& clock) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(NativePath(options.program), ignored)) {
    return absl::NotFoundError(
        absl::StrCat("no program ", options.program,
                     ": install keymedic-plugin-host, or give its path as plugin_host"));
  }
  KM_RETURN_IF_ERROR(CheckWritableByTrustedOnly(options.program, /*folder=*/false));
  return std::make_unique<PluginProcess>(options, clock);
}

}  // namespace keymedic::agent
