// SPDX-License-Identifier: Apache-2.0
//
// Whole-system tests: real programs as real processes in a directory of the test's own. Waiting is
// for something to become true, with a generous bound; nothing asserts how long it took.
#ifndef KEYMEDIC_TESTS_SYSTEM_HARNESS_H_
#define KEYMEDIC_TESTS_SYSTEM_HARNESS_H_

#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "cli/child.h"

namespace keymedic::testing {

struct Output {
  int exit_code = -1;
  std::string out;
  std::string err;
  // The last line of `out`, parsed; null if it is no JSON.
  nlohmann::json LastLine() const;
  nlohmann::json Json() const;
};

std::string Bin(const std::string& program);  // of this build
std::string Source(const std::string& path);  // in the source tree
std::string PluginDir();                      // where this build's role plugins are

// True once `condition` is; false when `patience` is over.
bool Eventually(const std::function<bool()>& condition,
                absl::Duration patience = absl::Seconds(90));

// A directory, removed at the end, with the environment that commands in it run in.
class Workspace {
 public:
  Workspace();
  ~Workspace();
  std::string Path(const std::string& name) const { return directory_ + "/" + name; }
  // Runs to its end. `input` goes to its standard input.
  Output Run(const std::vector<std::string>& command, const std::string& input = "") const;
  Output Keymedic(std::vector<std::string> arguments) const;
  std::unique_ptr<cli::Child> Start(std::vector<std::string> command, const std::string& log) const;
  std::string Log(const std::string& log) const;

  std::map<std::string, std::string> environment;

 private:
  std::string directory_;
};

// A controller with an administrator: `workspace.environment` tells `keymedic` where it is.
class ControllerUnderTest {
 public:
  explicit ControllerUnderTest(Workspace& workspace);
  // SIGKILL, and started again on the same port.
  void KillAndRestart();
  std::string address() const { return address_; }
  std::string Token(int uses) const;

 private:
  void Launch(const std::string& listen);
  Workspace& workspace_;
  std::unique_ptr<cli::Child> child_;
  std::string address_;
};

}  // namespace keymedic::testing

#endif  // KEYMEDIC_TESTS_SYSTEM_HARNESS_H_
