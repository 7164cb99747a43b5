// SPDX-License-Identifier: Apache-2.0
//
// A thread of its own for COM. WMI may never answer: ConnectServer and a provider's method have no
// time limit, so whoever calls them directly hangs with them. Here the caller waits for a bounded
// time and then leaves the thread behind, with what it holds; the next call gets a new one. Where
// it was the system that did not answer, that is after a pause in which calls fail at once, so that
// one collection waits once and not for each query.
//
// Threads: one caller. A job runs on the COM thread, in the multithreaded apartment; it owns what
// it touches (shares it by shared_ptr), since nobody may be there any more when it ends. Errors:
// kUnavailable if the thread cannot begin, kDeadlineExceeded that names what did not answer.
#ifndef KEYMEDIC_PLUGINS_SYSTEMS_WINDOWS_COM_THREAD_H_
#define KEYMEDIC_PLUGINS_SYSTEMS_WINDOWS_COM_THREAD_H_

#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/status_macros.h"

namespace keymedic::systems {

// What a job that is late says: that the system hangs, or only that this takes long.
enum class Late { kSystemHangs, kStillAtWork };

class ComThread {
 public:
  explicit ComThread(absl::Duration pause = absl::Seconds(60));
  ComThread(const ComThread&) = delete;
  ComThread& operator=(const ComThread&) = delete;
  ~ComThread();  // waits for the jobs that were posted, unless the thread was left behind

  // `job` returns an absl::Status or StatusOr. `what` stands at the beginning of a timeout's
  // message.
  template <typename Job>
  std::invoke_result_t<Job> Call(const std::string& what, absl::Duration limit, Job job,
                                 Late late = Late::kSystemHangs) {
    auto task = std::make_shared<std::packaged_task<std::invoke_result_t<Job>()>>(std::move(job));
    auto done = task->get_future();
    KM_RETURN_IF_ERROR(Begin(what));
    Post([task] { (*task)(); });
    task.reset();
    if (done.wait_for(absl::ToChronoMilliseconds(limit)) == std::future_status::ready) {
      return done.get();
    }
    return LeaveBehind(what, limit, late);
  }

  // Without an answer; nothing if no thread runs. For what must be released in the apartment.
  void Post(std::function<void()> job);

  // Counts the threads that were left behind: what belongs to one is not to be used again.
  int generation() const { return generation_; }

 private:
  struct Shared;
  absl::Status Begin(const std::string& what);
  absl::Status LeaveBehind(const std::string& what, absl::Duration limit, Late late);

  const std::chrono::steady_clock::duration pause_;
  std::shared_ptr<Shared> shared_;  // with the thread; null: none runs
  int generation_ = 0;
  std::optional<std::chrono::steady_clock::time_point> resting_until_;
  std::string unanswered_;
};

}  // namespace keymedic::systems

#endif  // KEYMEDIC_PLUGINS_SYSTEMS_WINDOWS_COM_THREAD_H_
