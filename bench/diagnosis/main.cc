// SPDX-License-Identifier: Apache-2.0
//
// keymedic-bench-diagnosis: the figures of reading, diagnosing and following changes. Each is one
// JSON line; see ../README.md for what each floor is.
#include <CLI/CLI.hpp>
#include <iostream>

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
  size_t megabytes = 16;
  auto* readers = app.add_subcommand("readers", "MB/s of captures, by kind");
  readers->add_option("--megabytes", megabytes, "of each kind");
  readers->callback([&] { exit_code = Report(BenchReaders(megabytes)); });
  CLI11_PARSE(app, argc, argv);
  return exit_code;
}

}  // namespace
}  // namespace keymedic::bench

int main(int argc, char** argv) { return keymedic::bench::Main(argc, argv); }
