// SPDX-License-Identifier: Apache-2.0
#include <malloc.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <string>

#include "agent/daemon.h"
#include "base/status_macros.h"

namespace keymedic::agent {
namespace {

constexpr char kStop = 's';
constexpr char kWake = 'w';

// Signals and Wake as bytes in a pipe. Handlers, unlike a blocked mask, do not pass to the plugin
// host.
class SignalDaemon final : public Daemon {
 public:
  absl::Status Install() {
    if (pipe(pipe_) != 0) return absl::InternalError("cannot make a pipe for signals");
    struct sigaction action = {};
    action.sa_handler = [](int) { Send(kStop); };
    sigaction(SIGTERM, &action, nullptr);
    sigaction(SIGINT, &action, nullptr);
    return absl::OkStatus();
  }
  bool AwaitStop() override {
    char byte = kStop;
    while (read(pipe_[0], &byte, 1) < 0 && errno == EINTR) {
    }
    if (byte == kStop) notifier_.Stop();
    return byte == kStop;
  }
  void Wake() override { Send(kWake); }
  void Watch(const Watched& watched) override { notifier_.Watch(watched); }

 private:
  static void Send(char byte) { [[maybe_unused]] const auto written = write(pipe_[1], &byte, 1); }
  static int pipe_[2];
  SystemdNotifier notifier_{SystemdNotifier::Options::FromEnvironment()};
};
int SignalDaemon::pipe_[2];

absl::Status Run(const std::function<absl::Status(Daemon&)>& body) {
  SignalDaemon daemon;
  KM_RETURN_IF_ERROR(daemon.Install());
  return body(daemon);
}

}  // namespace

void SetUpProcess() {
  // Few threads, little memory: one arena is enough, and what is freed goes back.
  mallopt(M_ARENA_MAX, 1);
  mallopt(M_TRIM_THRESHOLD, 64 << 10);
  signal(SIGPIPE, SIG_IGN);
}

int RunDaemon(const std::function<absl::Status(Daemon&)>& body) {
  const absl::Status status = Run(body);
  if (status.ok()) return 0;
  std::fprintf(stderr, "keymedic-agent: %s\n", std::string(status.message()).c_str());
  return 1;
}

absl::Status ConfigureService() {
  return absl::UnimplementedError(
      "the service manager has nothing to be told here: keymedic-agent.service says it all");
}

}  // namespace keymedic::agent
