// SPDX-License-Identifier: Apache-2.0
//
// A process that belongs to this one: started with its output in a log file, ended with it. One
// thread; not copied.
#ifndef KEYMEDIC_CLI_CHILD_H_
#define KEYMEDIC_CLI_CHILD_H_

#include <sys/types.h>

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace keymedic::cli {

class Child {
 public:
  struct Options {
    std::vector<std::string> command;                // program, by path, and arguments
    std::map<std::string, std::string> environment;  // in addition to this process's
    std::string log_file;                            // its standard output and error, appended
    std::string pid_file;                            // empty: none
    bool dies_with_us = true;                        // also if we are killed
  };

  explicit Child(Options options) : options_(std::move(options)) {}
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  absl::Status Start();  // again after it has ended
  // How it ended, in words; empty while it runs.
  std::string Ended();
  // SIGTERM, and SIGKILL when it takes longer than `patience`.
  void Stop(absl::Duration patience = absl::Seconds(10));
  // It goes on without us.
  void Release() { pid_ = -1; }
  pid_t pid() const { return pid_; }

 private:
  const Options options_;
  pid_t pid_ = -1;
};

}  // namespace keymedic::cli

#endif  // KEYMEDIC_CLI_CHILD_H_
