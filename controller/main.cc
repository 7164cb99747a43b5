// SPDX-License-Identifier: Apache-2.0
//
// keymedic-controller init | run.
#include <signal.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "base/command_tree.h"
#include "base/file_limit.h"
#include "base/files.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "base/systemd.h"
#include "controller/config.h"
#include "controller/init.h"
#include "controller/server.h"

namespace keymedic::controller {
namespace {

constexpr int kWorkers = 2;
constexpr int kUsageError = 2;
constexpr uint64_t kConnections = 1 << 17;  // of agents, and what else is open
constexpr int kManualSection = 8;

struct Arguments {
  ConfigPlace place;
  std::string listen, port_file;
  std::vector<std::string> names;
  bool if_needed = false;
  bool verbose = false;
};

absl::Status Run(const Arguments& args) {
  // Blocked before any thread starts, so that only the wait below takes them.
  sigset_t ending;
  sigemptyset(&ending);
  sigaddset(&ending, SIGTERM);
  sigaddset(&ending, SIGINT);
  pthread_sigmask(SIG_BLOCK, &ending, nullptr);

  (void)RaiseFileLimit(kConnections);  // as far as it goes: most estates need less
  KM_ASSIGN_OR_RETURN(ServerOptions options, LoadConfig(args.place));
  if (!args.listen.empty()) options.listen = args.listen;
  const SystemClock clock;
  SystemRandom random;
  const std::unique_ptr<Executor> executor = MakeThreadPool(kWorkers);
  KM_ASSIGN_OR_RETURN(std::unique_ptr<Server> server,
                      Server::Start(options, {clock, random, *executor}));
  std::printf("port %d\n", server->port());
  std::fflush(stdout);
  if (!args.port_file.empty()) {
    KM_RETURN_IF_ERROR(
        WriteFileAtomically(args.port_file, absl::StrCat(server->port(), "\n"), 0644));
  }
  // The worker that says so has taken each lock of the fleet: one that nobody gives back is
  // silence.
  SystemdNotifier systemd(SystemdNotifier::Options::FromEnvironment());
  systemd.Watch({*executor, nullptr, [&server] {
                   const uint32_t agents = server->fleet().Connected();
                   return absl::StrCat("serving on :", server->port(), ", ", agents,
                                       agents == 1 ? " agent" : " agents");
                 }});
  int signal = 0;
  sigwait(&ending, &signal);
  systemd.Stop();
  log::Info("CONTROLLER_STOPPING", "stopping on signal {}", signal);
  server->Shutdown();
  return absl::OkStatus();
}

void AddPlace(CLI::App& command, ConfigPlace& place) {
  command.add_option("--data-dir", place.data_dir,
                     "Where the estate's files are (default: as the settings say, or "
                     "/var/lib/keymedic)");
  command.add_option("--config", place.config_file,
                     absl::StrCat("The settings (default: controller.toml in a --data-dir, or ",
                                  kPackagedConfigFile, ")"));
}

int Main(int argc, char** argv) {
  CLI::App app(
      "The KeyMedic controller.\n\n"
      "  keymedic-controller init --name keymedic.contoso.example\n"
      "  keymedic-controller run\n",
      "keymedic-controller");
  app.set_version_flag("--version", KEYMEDIC_VERSION);
  app.require_subcommand(1);
  Arguments args;
  CLI::App* init = app.add_subcommand("init", "Make a new estate: authority and certificates");
  AddPlace(*init, args.place);
  init->add_option("--name", args.names,
                   "Host name or address at which agents reach this controller; may be repeated "
                   "(default: what this machine is called)");
  init->add_flag("--if-needed", args.if_needed, "Do nothing where there is an estate");
  CLI::App* run = app.add_subcommand("run", "Serve agents and operators until SIGTERM");
  AddPlace(*run, args.place);
  run->add_option("--listen", args.listen, "HOST:PORT; port 0 takes any that is free");
  run->add_option("--port-file", args.port_file, "Write the port there once calls are answered");
  run->add_flag("--verbose", args.verbose, "Log more");
  AddCommandDocs(app, kManualSection);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kUsageError;
  }

  // Debian builds Abseil with its search for deadlocks on, which costs every lock of gRPC dearly.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  log::Start("controller", args.verbose ? log::Level::kDebug : log::Level::kInfo);
  const absl::Status status =
      init->parsed() ? InitializeEstate(args.place, args.names, args.if_needed) : Run(args);
  if (status.ok()) return 0;
  std::fprintf(stderr, "keymedic-controller: %s\n", std::string(status.message()).c_str());
  return 1;
}

}  // namespace
}  // namespace keymedic::controller

int main(int argc, char** argv) { return keymedic::controller::Main(argc, argv); }
