// SPDX-License-Identifier: Apache-2.0
//
// A daemon on a machine that belongs to nobody yet. It waits until somebody enrols the machine by
// hand, or enrols it by itself with what an installer left in the state directory as enroll.toml:
//
//   controller = "keymedic.example:7443"
//   token = "km1...."
//   [labels]
//   site = "berlin"
//
// or with controller and token of its configuration (agent.toml), which an administrator or a
// configuration manager writes at any time. Those are used only while there is no identity at all,
// and only from a file that nobody else may read; they are nobody's to remove.
//
// enroll.toml must be written by administrators alone (base/rights.h). While the controller cannot
// be reached it is tried again with full jitter; what was refused, when the file has changed or
// after a longer while. Once it has served enroll.toml is removed. The token goes into no log.
//
// Life cycle: Start once; `enrolled` is called once, on a thread of the executor; destroyed, after
// which nothing is called any more. An attempt under way then ends unheard.
// Ownership: the dependencies outlive the executor's work.
#ifndef KEYMEDIC_AGENT_WAITING_ENROLMENT_H_
#define KEYMEDIC_AGENT_WAITING_ENROLMENT_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agent/agent.h"
#include "agent/config.h"
#include "base/clock.h"
#include "base/executor.h"
#include "base/random.h"

namespace keymedic::agent {

struct WaitingEnrolmentOptions {
  std::string state_dir;
  std::string config_file;                 // as people are told of it
  absl::Duration poll = absl::Seconds(5);  // of the state directory
  absl::Duration retry_base = absl::Seconds(5);
  absl::Duration retry_cap = absl::Minutes(5);
  absl::Duration refused_pause = absl::Minutes(10);
};

struct WaitingEnrolmentDeps {
  const Clock& clock;
  Random& random;
  Executor& executor;
  std::function<absl::StatusOr<Config>()> config;  // read anew; labels of enroll.toml go before
  std::function<absl::Status(const EnrollOptions&)> enroll;  // as Enroll; may block
};

class WaitingEnrolment {
 public:
  // Whether there is something to wait for: no identity, or one whose time is over and a file that
  // can bring a new one. A file that is not needed is removed, as it holds a secret.
  static absl::StatusOr<bool> Needed(const std::string& state_dir, absl::Time now);

  WaitingEnrolment(WaitingEnrolmentOptions options, WaitingEnrolmentDeps deps,
                   std::function<void()> enrolled);
  ~WaitingEnrolment();
  void Start();

 private:
  class Core;
  std::shared_ptr<Core> core_;
};

}  // namespace keymedic::agent

#endif  // KEYMEDIC_AGENT_WAITING_ENROLMENT_H_
