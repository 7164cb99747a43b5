// SPDX-License-Identifier: Apache-2.0
#include <signal.h>

#include <cstdlib>
#include <iostream>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "base/files.h"
#include "base/log.h"
#include "cli/commands.h"
#include "cli/demo.h"
#include "cli/lab_score.h"
#include "lab/serve.h"

namespace keymedic::cli {
namespace {

int Serve(lab::LabServeOptions options, const std::string& token_file) {
  log::Start("keymedic-lab");
  if (!token_file.empty()) {
    auto token = ReadFile(token_file, 4096);
    if (!token.ok()) return Fail(token.status());
    options.token = *token;
  } else if (const char* token = std::getenv("KEYMEDIC_TOKEN")) {
    options.token = token;
  }
  // Blocked before any thread starts, so that only the one below takes them.
  sigset_t ending;
  sigemptyset(&ending);
  sigaddset(&ending, SIGTERM);
  sigaddset(&ending, SIGINT);
  pthread_sigmask(SIG_BLOCK, &ending, nullptr);
  absl::Notification stop;
  std::thread waiter([&] {
    int signal = 0;
    sigwait(&ending, &signal);
    stop.Notify();
  });
  const absl::Status status = lab::RunLabServe(options, stop, [](lab::Lab& lab) {
    if (!lab.listens_at().empty()) std::cout << "listening: " << lab.listens_at() << '\n';
    std::cout << "ready: " << lab.agents() << " agents\n" << std::flush;
  });
  if (!stop.HasBeenNotified()) pthread_kill(waiter.native_handle(), SIGTERM);
  waiter.join();
  return status.ok() ? kOk : Fail(status);
}

}  // namespace

void AddLab(CLI::App& app, Globals& globals, int& exit_code) {
  CLI::App* noun = app.add_subcommand(
      "lab",
      "Examples:\n  keymedic lab up\n  keymedic lab up lab/estates/contoso.textproto --keep\n  "
      "keymedic lab serve estate.textproto --socket /tmp/lab.sock --only-socket\n"
      "  keymedic lab score --seeds 1-50\n\nA simulated "
      "estate: see it all at work without a single Windows machine.");
  noun->require_subcommand(1);
  noun->fallthrough();

  CLI::App* up = noun->add_subcommand(
      "up", "a controller and an estate with problems: found, planned, repaired, verified");
  up->fallthrough();
  auto demo = std::make_shared<DemoOptions>();
  up->add_option("ESTATE", demo->estate, "estate file (default lab/estates/contoso.textproto)");
  up->add_option("--dir", demo->directory,
                 "where everything is written, and stays (default: a temporary directory)");
  up->add_flag("--json", demo->json, "print the figures as one JSON object, as the last line");
  up->add_flag("--keep", demo->keep, "leave everything running and say how to look around");
  up->add_option("--speed", demo->speed,
                 "how much faster than real time the estate lives (default 60)");
  up->callback([&globals, &exit_code, demo] { exit_code = RunDemo(*demo, globals); });

  CLI::App* serve = noun->add_subcommand(
      "serve", "runs an estate: on a socket for plugin hosts, and with agents of its own");
  serve->fallthrough();
  auto options = std::make_shared<lab::LabServeOptions>();
  auto token_file = std::make_shared<std::string>();
  serve->add_option("ESTATE", options->estate_file, "estate file")->required();
  serve->add_option("--socket", options->socket_path, "offer the machines there");
  serve->add_option("--listen", options->listen,
                    "offer them at this loopback address too, as 127.0.0.1:0 (0: any free port)");
  serve->add_flag("--only-socket", options->only_socket, "no agents in this process");
  serve->add_option("--controller", options->controller, "HOST:PORT, for the agents");
  serve->add_option("--token-file", *token_file,
                    "file with a join token for them (else KEYMEDIC_TOKEN)");
  serve->add_option("--state-dir", options->state_dir,
                    "where they keep their identities and journals");
  serve->add_option("--machines", options->machines,
                    "which machines get an agent: a name with * and ? (default all)");
  serve->add_option("--speed", options->speed,
                    "how much faster than real time the estate lives (default 1)");
  serve->callback([&exit_code, options, token_file] { exit_code = Serve(*options, *token_file); });
  AddLabScore(*noun, globals, exit_code);
}

}  // namespace keymedic::cli
