// SPDX-License-Identifier: Apache-2.0
//
// What ChildProcess asks of the system: a child whose three standard streams never block us.
// child_system_posix.cc: pipes and a process group. child_system_windows.cc: overlapped named pipes
// and a job object.
//
// Life cycle: Start -> calls -> destroyed, which kills what still runs. Threads: one at a time.
#ifndef KEYMEDIC_AGENT_CHILD_SYSTEM_H_
#define KEYMEDIC_AGENT_CHILD_SYSTEM_H_

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace keymedic::agent {

struct ChildEnd {
  std::string how;           // "signal 11 (Segmentation fault)", "exit code 1"
  bool over_memory = false;  // it was ended for holding more memory than it may
};

class ChildSystem {
 public:
  // `memory_limit_mb` is what Windows holds the child to, so that its allocations fail; 0: nothing.
  // Elsewhere the child sets its limit itself (plugin_host/limits.h).
  static absl::StatusOr<std::unique_ptr<ChildSystem>> Start(
      const std::vector<std::string>& arguments, uint64_t memory_limit_mb);
  virtual ~ChildSystem() = default;

  // Waits for something to happen, at most `timeout`: sends from the front of `bytes`, appends what
  // came to `output` and `errors`. False: the output has ended.
  virtual absl::StatusOr<bool> Pump(absl::string_view& bytes, std::chrono::milliseconds timeout,
                                    std::string& output, std::string& errors) = 0;
  // Waits for the end, or for something to come on its standard error, at most `timeout`.
  virtual void AwaitEnd(std::chrono::milliseconds timeout, std::string& errors) = 0;
  virtual bool Ended() = 0;
  virtual void CloseInput() = 0;
  // With everything that it started; returns when it has ended.
  virtual void Kill() = 0;
  // Once it has ended. Appends what is left on its standard error.
  virtual ChildEnd HowItEnded(std::string& errors) = 0;
};

}  // namespace keymedic::agent

#endif  // KEYMEDIC_AGENT_CHILD_SYSTEM_H_
