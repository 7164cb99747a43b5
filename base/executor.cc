// SPDX-License-Identifier: Apache-2.0
#include "base/executor.h"

#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "absl/time/clock.h"

namespace keymedic {
namespace {

using Work = std::function<void()>;

class ThreadPool final : public Executor {
 public:
  explicit ThreadPool(int threads) {
    for (int i = 0; i < threads; ++i) workers_.emplace_back([this] { RunWorker(); });
    timer_ = std::thread([this] { RunTimer(); });
  }

  ~ThreadPool() override {
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake_workers_.notify_all();
    wake_timer_.notify_all();
    timer_.join();
    for (std::thread& worker : workers_) worker.join();
  }

  void Post(Work work) override {
    {
      std::lock_guard lock(mutex_);
      if (stopping_) return;
      ready_.push_back(std::move(work));
    }
    wake_workers_.notify_one();
  }

  void PostAfter(absl::Duration delay, Work work) override {
    if (delay <= absl::ZeroDuration()) return Post(std::move(work));
    const auto at = std::chrono::steady_clock::now() + absl::ToChronoNanoseconds(delay);
    {
      std::lock_guard lock(mutex_);
      if (stopping_) return;
      timers_.emplace(at, std::move(work));
    }
    wake_timer_.notify_one();
  }

 private:
  void RunWorker() {
    std::unique_lock lock(mutex_);
    while (true) {
      wake_workers_.wait(lock, [this] { return stopping_ || !ready_.empty(); });
      if (stopping_) return;
      {
        Work work = std::move(ready_.front());
        ready_.pop_front();
        lock.unlock();
        work();
      }  // what the work holds is released without the lock
      lock.lock();
    }
  }

  void RunTimer() {
    std::unique_lock lock(mutex_);
    while (!stopping_) {
      if (timers_.empty()) {
        wake_timer_.wait(lock);
        continue;
      }
      const auto next = timers_.begin()->first;
      if (next > std::chrono::steady_clock::now()) {
        wake_timer_.wait_until(lock, next);
        continue;
      }
      ready_.push_back(std::move(timers_.begin()->second));
      timers_.erase(timers_.begin());
      wake_workers_.notify_one();
    }
  }

  std::mutex mutex_;
  std::condition_variable wake_workers_;
  std::condition_variable wake_timer_;
  bool stopping_ = false;                                              // guarded by mutex_
  std::deque<Work> ready_;                                             // guarded by mutex_
  std::multimap<std::chrono::steady_clock::time_point, Work> timers_;  // guarded by mutex_
  std::vector<std::thread> workers_;
  std::thread timer_;
};

class StrandOverExecutor final : public Strand {
 public:
  explicit StrandOverExecutor(Executor& executor) : executor_(executor) {}

  void Post(Work work) override {
    {
      std::lock_guard lock(mutex_);
      queue_.push_back(std::move(work));
      if (running_) return;
      running_ = true;
    }
    executor_.Post([self = shared_from_this(), this] { Drain(); });
  }

  void PostAfter(absl::Duration delay, Work work) override {
    executor_.PostAfter(delay, [weak = weak_from_this(), work = std::move(work)]() mutable {
      if (auto self = weak.lock()) self->Post(std::move(work));
    });
  }

 private:
  // Runs what is queued, then lets go of the thread: a busy strand must not starve the others.
  void Drain() {
    for (int i = 0; i < 16; ++i) {
      Work work;
      {
        std::lock_guard lock(mutex_);
        if (queue_.empty()) {
          running_ = false;
          return;
        }
        work = std::move(queue_.front());
        queue_.pop_front();
      }
      work();
    }
    executor_.Post([self = shared_from_this(), this] { Drain(); });
  }

  Executor& executor_;
  std::mutex mutex_;
  std::deque<Work> queue_;  // guarded by mutex_
  bool running_ = false;    // guarded by mutex_
};

}  // namespace

std::unique_ptr<Executor> MakeThreadPool(int threads) {
  return std::make_unique<ThreadPool>(threads);
}

std::shared_ptr<Strand> Strand::Make(Executor& executor) {
  return std::make_shared<StrandOverExecutor>(executor);
}

struct ManualExecutor::State {
  std::mutex mutex;
  std::deque<Work> ready;
  std::multimap<absl::Duration, Work> timers;
  absl::Duration elapsed;
};

ManualExecutor::ManualExecutor() : state_(std::make_unique<State>()) {}
ManualExecutor::~ManualExecutor() = default;

void ManualExecutor::Post(Work work) {
  std::lock_guard lock(state_->mutex);
  state_->ready.push_back(std::move(work));
}

void ManualExecutor::PostAfter(absl::Duration delay, Work work) {
  std::lock_guard lock(state_->mutex);
  state_->timers.emplace(state_->elapsed + std::max(delay, absl::ZeroDuration()), std::move(work));
}

int ManualExecutor::RunReady() {
  int ran = 0;
  while (true) {
    Work work;
    {
      std::lock_guard lock(state_->mutex);
      auto& timers = state_->timers;
      while (!timers.empty() && timers.begin()->first <= state_->elapsed) {
        state_->ready.push_back(std::move(timers.begin()->second));
        timers.erase(timers.begin());
      }
      if (state_->ready.empty()) return ran;
      work = std::move(state_->ready.front());
      state_->ready.pop_front();
    }
    work();
    ++ran;
  }
}

void ManualExecutor::Advance(absl::Duration by) {
  const absl::Duration until = elapsed() + by;
  RunReady();
  while (true) {
    {
      std::lock_guard lock(state_->mutex);
      if (state_->timers.empty() || state_->timers.begin()->first > until) break;
      state_->elapsed = std::max(state_->elapsed, state_->timers.begin()->first);
    }
    RunReady();
  }
  {
    std::lock_guard lock(state_->mutex);
    state_->elapsed = until;
  }
  RunReady();
}

absl::Duration ManualExecutor::elapsed() const {
  std::lock_guard lock(state_->mutex);
  return state_->elapsed;
}

}  // namespace keymedic
