// SPDX-License-Identifier: Apache-2.0
//
// keymedic-controller init | run.
#include <signal.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/synchronization/mutex.h"
#include "base/file_limit.h"
#include "base/files.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "controller/audit.h"
#include "controller/config.h"
#include "controller/server.h"
#include "controller/trust/authority.h"

namespace keymedic::controller {
namespace {

constexpr int kWorkers = 2;
constexpr int kUsageError = 2;
constexpr uint64_t kConnections = 1 << 17;  // of agents, and what else is open

absl::Status Init(const std::string& data_dir, const std::vector<std::string>& names) {
  const SystemClock clock;
  KM_RETURN_IF_ERROR(InitializeAuthority(data_dir, names, clock.Now()));
  KM_RETURN_IF_ERROR(
      WriteFileAtomically(absl::StrCat(data_dir, "/controller.toml"), DefaultConfig(), 0644));
  KM_ASSIGN_OR_RETURN(auto store, OpenSqliteStore(absl::StrCat(data_dir, "/controller.db")));
  KM_ASSIGN_OR_RETURN(auto audit, AuditLog::Open(*store, clock));
  KM_RETURN_IF_ERROR(audit->Append(kControllerUri, "estate.init", "estate",
                                   absl::StrCat("names ", absl::StrJoin(names, ", "))));
  std::printf(
      "The estate is set up in %s.\n"
      "Keep ca.key safe and back it up: whoever has it can join as anyone.\n\n"
      "Next:\n"
      "  keymedic-controller run --data-dir %s\n"
      "  keymedic profile add main --controller %s:7443 --ca %s/ca.crt --cert %s/admin.crt "
      "--key %s/admin.key\n"
      "  keymedic tokens create\n",
      data_dir.c_str(), data_dir.c_str(), names[0].c_str(), data_dir.c_str(), data_dir.c_str(),
      data_dir.c_str());
  return absl::OkStatus();
}

absl::Status Run(const std::string& data_dir, const std::string& listen,
                 const std::string& port_file) {
  // Blocked before any thread starts, so that only the wait below takes them.
  sigset_t ending;
  sigemptyset(&ending);
  sigaddset(&ending, SIGTERM);
  sigaddset(&ending, SIGINT);
  pthread_sigmask(SIG_BLOCK, &ending, nullptr);

  KM_ASSIGN_OR_RETURN(ServerOptions options, LoadConfig(data_dir));
  if (!listen.empty()) options.listen = listen;
  (void)RaiseFileLimit(kConnections);  // as far as it goes: most estates need less
  const SystemClock clock;
  SystemRandom random;
  const std::unique_ptr<Executor> executor = MakeThreadPool(kWorkers);
  KM_ASSIGN_OR_RETURN(std::unique_ptr<Server> server,
                      Server::Start(options, {clock, random, *executor}));
  std::printf("port %d\n", server->port());
  std::fflush(stdout);
  if (!port_file.empty()) {
    KM_RETURN_IF_ERROR(WriteFileAtomically(port_file, absl::StrCat(server->port(), "\n"), 0644));
  }
  int signal = 0;
  sigwait(&ending, &signal);
  log::Info("CONTROLLER_STOPPING", "stopping on signal {}", signal);
  server->Shutdown();
  return absl::OkStatus();
}

int Main(int argc, char** argv) {
  CLI::App app(
      "The KeyMedic controller.\n\n"
      "  keymedic-controller init --data-dir /var/lib/keymedic --name keymedic.contoso.example\n"
      "  keymedic-controller run --data-dir /var/lib/keymedic\n",
      "keymedic-controller");
  app.set_version_flag("--version", KEYMEDIC_VERSION);
  app.require_subcommand(1);
  std::string data_dir, listen, port_file;
  std::vector<std::string> names;
  bool verbose = false;
  CLI::App* init = app.add_subcommand("init", "Make a new estate: authority and certificates");
  init->add_option("--data-dir", data_dir, "Where the estate's files go")->required();
  init->add_option("--name", names, "Host name or address of this controller; may be repeated")
      ->required();
  CLI::App* run = app.add_subcommand("run", "Serve agents and operators until SIGTERM");
  run->add_option("--data-dir", data_dir, "Where init put the estate's files")->required();
  run->add_option("--listen", listen, "HOST:PORT; port 0 takes any that is free");
  run->add_option("--port-file", port_file, "Write the port there once calls are answered");
  run->add_flag("--verbose", verbose, "Log more");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kUsageError;
  }

  // Debian builds Abseil with its search for deadlocks on, which costs every lock of gRPC dearly.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  log::Start("controller", verbose ? log::Level::kDebug : log::Level::kInfo);
  const absl::Status status =
      init->parsed() ? Init(data_dir, names) : Run(data_dir, listen, port_file);
  if (status.ok()) return 0;
  std::fprintf(stderr, "keymedic-controller: %s\n", std::string(status.message()).c_str());
  return 1;
}

}  // namespace
}  // namespace keymedic::controller

int main(int argc, char** argv) { return keymedic::controller::Main(argc, argv); }
