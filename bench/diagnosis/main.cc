// SPDX-License-Identifier: Apache-2.0
//
// keymedic-bench-diagnosis: the figures of reading, diagnosing and following changes. Each is one
// JSON line; see ../README.md for what each floor is.
#include <CLI/CLI.hpp>
#include <iostream>

#include "absl/synchronization/mutex.h"
#include "bench/diagnosis/benches.h"

namespace keymedic::bench {
namespace {

int Report(const absl::Status& status) {
  if (!status.ok()) std::cerr << "error: " << status.message() << '\n';
  return status.ok() ? 0 : 1;
}

int Main(int argc, char** argv) {
  CLI::App app("Example:\n  ./dev bench readers", "keymedic-bench-diagnosis");
  app.require_subcommand(1);
  int exit_code = 0;
  size_t megabytes = 16, machines = 100'000, largest = 1'000'000;
  std::string kind, place;
  auto* readers = app.add_subcommand("readers", "MB/s of captures, by kind");
  readers->add_option("--megabytes", megabytes, "of each kind");
  readers->add_option("--kind", kind, "only this one: text, xml, csv, json or dlv");
  readers->callback([&] { exit_code = Report(BenchReaders(megabytes, kind)); });
  auto* estate = app.add_subcommand("estate", "seconds for a whole estate from stored state");
  estate->add_option("--machines", machines);
  estate->callback([&] { exit_code = Report(BenchEstate(machines)); });
  auto* change =
      app.add_subcommand("change", "time for one changed machine, by size of the estate");
  change->add_option("--largest", largest, "machines of the largest estate");
  change->add_option("--in", place, "memory or sqlite; both, if not given");
  change->callback(
      [&] { exit_code = Report(BenchChange(largest, place != "sqlite", place != "memory")); });
  // As the controller does; see bench/main.cc.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  CLI11_PARSE(app, argc, argv);
  return exit_code;
}

}  // namespace
}  // namespace keymedic::bench

int main(int argc, char** argv) { return keymedic::bench::Main(argc, argv); }
