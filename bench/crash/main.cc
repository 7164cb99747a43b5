// SPDX-License-Identifier: Apache-2.0
//
// keymedic-bench-crash: kills processes until the count is reached; see ../README.md. The last line
// on standard output is the result; exit code 1 if a change was doubled or lost.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>

#include "absl/synchronization/mutex.h"
#include "base/files.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "bench/crash/crashes.h"

namespace keymedic::bench {
namespace {

void ShowProgress(const Tally& tally, uint64_t wanted) {
  if (isatty(STDERR_FILENO) != 0)
    std::cerr << '\r' << tally.crashes << " of " << wanted << " crashes " << std::flush;
}

absl::StatusOr<Tally> KillEverything(const std::string& dir, uint64_t seed, uint64_t wanted) {
  Tally tally;
  const auto progress = [&](const Tally& more) {
    Tally sum = tally;
    ShowProgress(sum += more, wanted);
  };
  for (const char* victim : {"controller", kHostMachine, "pc-001"}) {
    KM_ASSIGN_OR_RETURN(const Tally more, KillAtEachStep(dir, victim, progress));
    tally += more;
    std::cout << victim << ": killed at each of its " << more.crashes << " steps" << std::endl;
  }
  if (tally.crashes < wanted) {
    KM_ASSIGN_OR_RETURN(const Tally more,
                        KillAtRandom(dir, seed, wanted - tally.crashes, progress));
    tally += more;
    std::cout << "everyone: killed " << more.crashes << " times at random, seed " << seed
              << std::endl;
  }
  return tally;
}

int Main(int argc, char** argv) {
  CLI::App app("Example:\n  ./dev bench crash", "keymedic-bench-crash");
  uint64_t wanted = 10'000, seed = 1;
  app.add_option("--crashes", wanted, "at least so many")->capture_default_str();
  app.add_option("--seed", seed, "of what happens at random")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);  // see ../main.cc
  log::Start("crash", log::Level::kNothing);  // what the dead complain of is no news

  // What is durable is durable in memory too, for a process that dies; and it is much faster.
  const bool in_memory = std::filesystem::is_directory("/dev/shm");
  std::string dir =
      (in_memory ? std::filesystem::path("/dev/shm") : std::filesystem::temp_directory_path()) /
      "keymedic-crash-XXXXXX";
  if (mkdtemp(dir.data()) == nullptr) {
    std::cerr << "error: no folder could be made for " << dir << '\n';
    return 1;
  }
  const auto tally = KillEverything(dir, seed, wanted);
  std::filesystem::remove_all(dir);
  if (!tally.ok()) {
    std::cerr << "error: " << tally.status().message() << '\n';
    return 1;
  }
  const nlohmann::ordered_json line = {{"bench", "crash"},
                                       {"crashes", tally->crashes},
                                       {"commands", tally->commands},
                                       {"doubled", tally->doubled},
                                       {"lost", tally->lost}};
  std::cout << line.dump() << std::endl;
  return tally->doubled + tally->lost == 0 ? 0 : 1;
}

}  // namespace
}  // namespace keymedic::bench

int main(int argc, char** argv) { return keymedic::bench::Main(argc, argv); }
