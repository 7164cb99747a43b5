// SPDX-License-Identifier: Apache-2.0
//
// A Strand that can be closed: after Close returns nothing that was posted runs or will run, so
// what is posted may use an owner that closes its lanes before it dies. Threads: any; Close not
// from work of the lane itself.
#ifndef KEYMEDIC_CONTROLLER_REMEDIATION_LANE_H_
#define KEYMEDIC_CONTROLLER_REMEDIATION_LANE_H_

#include <functional>
#include <memory>
#include <mutex>
#include <utility>

#include "base/executor.h"

namespace keymedic::controller {

class Lane : public std::enable_shared_from_this<Lane> {
 public:
  static std::shared_ptr<Lane> Make(Executor& executor) {
    return std::shared_ptr<Lane>(new Lane(Strand::Make(executor)));
  }

  void Post(std::function<void()> work) {
    if (std::shared_ptr<Strand> strand = OpenStrand()) strand->Post(Guarded(std::move(work)));
  }
  void PostAfter(absl::Duration delay, std::function<void()> work) {
    if (std::shared_ptr<Strand> strand = OpenStrand()) {
      strand->PostAfter(delay, Guarded(std::move(work)));
    }
  }
  void Close() {
    std::lock_guard running(running_);
    std::lock_guard lock(mutex_);
    strand_.reset();
  }

 private:
  explicit Lane(std::shared_ptr<Strand> strand) : strand_(std::move(strand)) {}

  std::shared_ptr<Strand> OpenStrand() {
    std::lock_guard lock(mutex_);
    return strand_;
  }
  std::function<void()> Guarded(std::function<void()> work) {
    return [self = shared_from_this(), work = std::move(work)] {
      std::lock_guard running(self->running_);
      if (self->OpenStrand()) work();
    };
  }

  std::mutex running_;  // held while work runs; before mutex_
  std::mutex mutex_;
  std::shared_ptr<Strand> strand_;  // guarded by mutex_; null: closed
};

}  // namespace keymedic::controller

#endif  // KEYMEDIC_CONTROLLER_REMEDIATION_LANE_H_
