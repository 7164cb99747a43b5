// SPDX-License-Identifier: Apache-2.0
//
// A child that speaks frames on its standard input and output and may say things on its standard
// error, which go to the log. It is cut off from the agent's terminal, and ending it ends what it
// started. On Windows it also ends when the agent does, however that ends.
//
// Life cycle: Start -> Exchange... -> End, or destroyed (which ends it without mercy).
// Threads: one at a time. Errors: see Exchange.
#ifndef KEYMEDIC_AGENT_CHILD_PROCESS_H_
#define KEYMEDIC_AGENT_CHILD_PROCESS_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "agent/child_system.h"
#include "base/frames.h"

namespace keymedic::agent {

class ChildProcess {
 public:
  // `arguments[0]` is the program's path. `memory_limit_mb`: see ChildSystem::Start.
  static absl::StatusOr<std::unique_ptr<ChildProcess>> Start(
      const std::vector<std::string>& arguments, uint64_t memory_limit_mb);
  // Of a process that runs.
  explicit ChildProcess(std::unique_ptr<ChildSystem> system) : system_(std::move(system)) {}
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;
  ~ChildProcess();

  bool Running() { return !system_->Ended(); }
  // Sends `bytes` (may be empty), then returns the next frame. kDeadlineExceeded; kUnavailable when
  // the child closed its output, which is how one sees that it died; kInvalidArgument when what
  // came is no frame. After an error only End is of use.
  absl::StatusOr<std::string> Exchange(absl::string_view bytes, absl::Duration timeout);
  // Closes its input, waits up to `patience` for it to go, then kills it. Says how it ended and its
  // last words: "signal 11 (Segmentation fault); its last output: ...".
  ChildEnd End(absl::Duration patience);

 private:
  void Heard(absl::string_view errors);

  std::unique_ptr<ChildSystem> system_;
  bool ended_ = false;  // End has been here
  FrameDecoder decoder_;
  std::string partial_line_;
  std::deque<std::string> last_lines_;
};

}  // namespace keymedic::agent

#endif  // KEYMEDIC_AGENT_CHILD_PROCESS_H_
