// SPDX-License-Identifier: Apache-2.0
//
// Work to do elsewhere or later. The agent core and the controller own no threads: they post to an
// executor that is passed in, so a test can run them step by step.
#ifndef KEYMEDIC_BASE_EXECUTOR_H_
#define KEYMEDIC_BASE_EXECUTOR_H_

#include <functional>
#include <memory>

#include "absl/time/time.h"

namespace keymedic {

class Executor {
 public:
  virtual ~Executor() = default;
  // Runs `work` once, soon, on some thread. No order is promised between posts.
  virtual void Post(std::function<void()> work) = 0;
  // Runs `work` once, not before `delay` has passed.
  virtual void PostAfter(absl::Duration delay, std::function<void()> work) = 0;
};

// `threads` workers and one timer queue. Destruction stops the timers, drops what has not begun
// and joins.
std::unique_ptr<Executor> MakeThreadPool(int threads);

// A serial lane over an executor: what is posted here runs one at a time and in order. Cheap: one
// for each agent. Keeps itself alive while it has work.
class Strand : public std::enable_shared_from_this<Strand> {
 public:
  static std::shared_ptr<Strand> Make(Executor& executor);
  virtual ~Strand() = default;
  virtual void Post(std::function<void()> work) = 0;
  virtual void PostAfter(absl::Duration delay, std::function<void()> work) = 0;
};

// For tests: nothing runs until told, and time is the test's own.
class ManualExecutor final : public Executor {
 public:
  ManualExecutor();
  ~ManualExecutor() override;
  void Post(std::function<void()> work) override;
  void PostAfter(absl::Duration delay, std::function<void()> work) override;
  // Runs everything that is due, also what that posts, until nothing is left. Returns how many ran.
  int RunReady();
  // Moves time and runs what becomes due on the way.
  void Advance(absl::Duration by);
  absl::Duration elapsed() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace keymedic

#endif  // KEYMEDIC_BASE_EXECUTOR_H_
