// SPDX-License-Identifier: Apache-2.0
//
// The rollout policy on a command line: what is not given is left to the estate's policy.
#ifndef KEYMEDIC_CLI_ROLLOUT_OPTIONS_H_
#define KEYMEDIC_CLI_ROLLOUT_OPTIONS_H_

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "keymedic/v1/remediation_service.pb.h"

namespace keymedic::cli {

struct RolloutOptions {
  uint32_t canary = 0, first_wave = 0, concurrency = 0, host_concurrency = 0, site_concurrency = 0;
  double growth = 0;
  std::string budget, soak, missed, offline, queue_until;
  std::vector<std::string> windows;

  void AddTo(CLI::App& command);
  // kInvalidArgument naming the option, the value and what to write.
  absl::StatusOr<v1::RolloutPolicy> ToPolicy() const;
};

// "22:00-04:00" every day, "fri,sat 22:00-04:00", "mon-thu 20:00-24:00".
absl::StatusOr<v1::MaintenanceWindow> ParseWindow(absl::string_view text);
// And back: "Fri, Sat 22:00-04:00".
std::string WindowText(const v1::MaintenanceWindow& window);

}  // namespace keymedic::cli

#endif  // KEYMEDIC_CLI_ROLLOUT_OPTIONS_H_
