// SPDX-License-Identifier: Apache-2.0
//
// Asks every target of a draft, by CHECK, what its steps would change; many machines at once, the
// steps of one machine in order. Pure: no I/O, no clock; commands come out, what happens goes in.
//
// A machine that is away or does not answer stays in the plan with unchecked steps. One that
// refuses a step is excluded, with its reason (Draft::refused): in the middle of the rollout it
// would refuse it as well. A step behind one that changes something may fail its CHECK for want of
// that change, and is planned unchecked.
#ifndef KEYMEDIC_CONTROLLER_REMEDIATION_CHECK_RUN_H_
#define KEYMEDIC_CONTROLLER_REMEDIATION_CHECK_RUN_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "controller/remediation/planner.h"
#include "keymedic/v1/command.pb.h"

namespace keymedic::controller {

class CheckRun {
 public:
  static constexpr absl::Duration kTimeout = absl::Seconds(30);  // for each answer
  static constexpr size_t kParallel = 256;                       // machines

  struct Send {
    std::string machine_id;
    v1::Command command;
  };
  using Sends = std::vector<Send>;

  explicit CheckRun(Draft draft) : draft_(std::move(draft)) {}

  Sends Begin(absl::Time now);
  Sends Result(const v1::CommandResult& result, absl::Time now);
  // The machine is not connected.
  Sends NotSent(const v1::Command& command, absl::Time now);
  // Again what was asked: the connection was lost and is back.
  Sends Connected(absl::string_view machine_id, absl::Time now);
  Sends Tick(absl::Time now);

  bool done() const { return waiting_.empty() && next_ == Count(); }
  absl::Time NextDeadline() const;
  const v1::Remediation& remediation() const { return draft_.remediation; }
  const std::string& id() const { return draft_.remediation.id(); }
  // Once done.
  Draft Finish() && { return std::move(draft_); }

 private:
  struct Waiting {
    uint32_t step;
    absl::Time deadline;
  };

  uint32_t Count() const { return static_cast<uint32_t>(draft_.remediation.targets_size()); }
  v1::Target& target(uint32_t index) { return *draft_.remediation.mutable_targets(index); }
  void BeginMore(absl::Time now, Sends& sends);
  void Ask(uint32_t index, uint32_t step, absl::Time now, Sends& sends);
  v1::Command MakeCommand(uint32_t index) const;
  void Complete(uint32_t index);
  void LeaveUnchecked(uint32_t index, uint32_t from, absl::string_view message);

  Draft draft_;
  uint32_t next_ = 0;                    // the first target that has not begun
  std::map<uint32_t, Waiting> waiting_;  // by target
};

}  // namespace keymedic::controller

#endif  // KEYMEDIC_CONTROLLER_REMEDIATION_CHECK_RUN_H_
