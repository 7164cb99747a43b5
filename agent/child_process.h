// SPDX-License-Identifier: Apache-2.0
//
// A child that speaks frames on its standard input and output and may say things on its standard
// error, which go to the log. It leads a process group of its own, so a signal for the agent's
// terminal does not reach it, and ending it ends what it started.
//
// Life cycle: Start -> Exchange... -> End, or destroyed (which ends it without mercy).
// Threads: one at a time. Errors: see Exchange.
#ifndef KEYMEDIC_AGENT_CHILD_PROCESS_H_
#define KEYMEDIC_AGENT_CHILD_PROCESS_H_

#include <sys/types.h>

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/frames.h"

namespace keymedic::agent {

class ChildProcess {
 public:
  // `arguments[0]` is the program's path.
  static absl::StatusOr<std::unique_ptr<ChildProcess>> Start(
      const std::vector<std::string>& arguments);
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;
  ~ChildProcess();

  bool Running();
  // Sends `bytes` (may be empty), then returns the next frame. kDeadlineExceeded; kUnavailable when
  // the child closed its output, which is how one sees that it died; kInvalidArgument when what
  // came is no frame. After an error only End is of use.
  absl::StatusOr<std::string> Exchange(absl::string_view bytes, absl::Duration timeout);
  // Closes its input, waits up to `patience` for it to go, then kills it. Says how it ended and its
  // last words: "signal 11 (Segmentation fault); its last output: ...".
  std::string End(absl::Duration patience);

 private:
  ChildProcess() = default;
  // Whatever is ready: sends from `bytes`, reads output and errors. False: the output has ended.
  absl::StatusOr<bool> Pump(absl::string_view& bytes, int timeout_ms);
  void ReadErrors();
  bool Reap(bool block);

  pid_t pid_ = -1;  // -1: reaped
  int status_ = 0;  // as waitpid gave it
  int in_ = -1;     // its input, our end
  int out_ = -1;
  int err_ = -1;
  FrameDecoder decoder_;
  std::string partial_line_;
  std::deque<std::string> last_lines_;
};

}  // namespace keymedic::agent

#endif  // KEYMEDIC_AGENT_CHILD_PROCESS_H_
