// SPDX-License-Identifier: Apache-2.0
//
// What a figure over the network is measured on: a controller, and a bare echo server with the same
// authority, as processes in a directory of their own; and enrolled agents' credentials.
//
// Life cycle: Start once; everything ends and the directory goes with the stage.
// Threads: one.
// Errors: what kept a program from starting; kDeadlineExceeded when one does not get ready.
#ifndef KEYMEDIC_BENCH_STAGE_H_
#define KEYMEDIC_BENCH_STAGE_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "bench/streams.h"
#include "cli/child.h"
#include "cli/session.h"

namespace keymedic::bench {

inline constexpr absl::Duration kPatience = absl::Seconds(60);

// What a program writes into `path` once it is ready, without white space around it.
absl::StatusOr<std::string> WaitForFile(const std::string& path, cli::Child& child);

class Stage {
 public:
  explicit Stage(std::string build)
      : bin_(build + "/bin/"), plugins_(build + "/lib/keymedic/plugins") {}
  ~Stage();

  // With the credentials of so many agents.
  absl::Status Start(size_t agents);

  std::unique_ptr<cli::Child> Launch(std::vector<std::string> command) const;
  // The secret of a join token.
  absl::StatusOr<std::string> Token(size_t uses) const;
  absl::StatusOr<std::unique_ptr<cli::Session>> Admin() const;
  // What the programs have logged.
  std::string Log() const;

  const std::string& bin() const { return bin_; }
  const std::string& plugins() const { return plugins_; }
  const std::string& data() const { return data_; }

  std::string directory, controller_address, echo_address;
  std::unique_ptr<cli::Child> controller, echo;
  std::vector<Credential> credentials;

 private:
  absl::Status StartController();
  absl::Status RunToEnd(std::vector<std::string> command) const;
  absl::Status EnrollAll(size_t agents);

  const std::string bin_, plugins_;
  std::string data_;
};

}  // namespace keymedic::bench

#endif  // KEYMEDIC_BENCH_STAGE_H_
