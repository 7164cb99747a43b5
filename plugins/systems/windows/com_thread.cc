// SPDX-License-Identifier: Apache-2.0
#include "plugins/systems/windows/com_thread.h"

#include <windows.h>

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "base/windows/wide.h"
#include "plugins/systems/windows/com.h"

namespace keymedic::systems {

struct ComThread::Shared {
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<std::function<void()>> jobs;
  bool closed = false;
  std::thread thread;
};

namespace {

using std::chrono::steady_clock;

// The code that a thread left behind runs in must not be unloaded under it.
void PinThisModule() {
  HMODULE module = nullptr;
  GetModuleHandleExW(GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_PIN,
                     reinterpret_cast<const wchar_t*>(&PinThisModule), &module);
}

}  // namespace

ComThread::ComThread(absl::Duration pause) : pause_(absl::ToChronoMilliseconds(pause)) {}

ComThread::~ComThread() {
  if (shared_ == nullptr) return;
  {
    const std::lock_guard lock(shared_->mutex);
    shared_->closed = true;
  }
  shared_->changed.notify_one();
  shared_->thread.join();
}

absl::Status ComThread::Begin(const std::string& what) {
  if (resting_until_.has_value() && steady_clock::now() < *resting_until_) {
    return absl::UnavailableError(absl::StrCat(
        what, ": not asked, since '", unanswered_,
        "' got no answer a short time ago; is Windows Management Instrumentation (service Winmgmt)"
        " well? Restart it, or this machine"));
  }
  if (shared_ != nullptr) return absl::OkStatus();
  auto shared = std::make_shared<Shared>();
  std::promise<HRESULT> begun;
  auto ready = begun.get_future();
  shared->thread = std::thread([shared, begun = std::move(begun)]() mutable {
    const ComApartment apartment;
    begun.set_value(apartment.result());
    while (SUCCEEDED(apartment.result())) {
      std::function<void()> job;
      {
        std::unique_lock lock(shared->mutex);
        shared->changed.wait(lock, [&] { return shared->closed || !shared->jobs.empty(); });
        if (shared->jobs.empty()) return;
        job = std::move(shared->jobs.front());
        shared->jobs.pop_front();
      }
      job();
    }
  });
  if (const HRESULT result = ready.get(); FAILED(result)) {
    shared->thread.join();
    return windows::HresultError("COM did not start (CoInitializeEx)", result);
  }
  shared_ = std::move(shared);
  return absl::OkStatus();
}

void ComThread::Post(std::function<void()> job) {
  if (shared_ == nullptr) return;
  {
    const std::lock_guard lock(shared_->mutex);
    shared_->jobs.push_back(std::move(job));
  }
  shared_->changed.notify_one();
}

absl::Status ComThread::LeaveBehind(const std::string& what, absl::Duration limit, Late late) {
  PinThisModule();
  {
    const std::lock_guard lock(shared_->mutex);
    shared_->closed = true;
  }
  shared_->changed.notify_one();
  shared_->thread.detach();
  shared_.reset();
  ++generation_;
  if (late == Late::kStillAtWork) {
    return absl::DeadlineExceededError(absl::StrCat(what, ": not done within ",
                                                    absl::FormatDuration(limit),
                                                    "; Windows may still be at it, look again"));
  }
  unanswered_ = what;
  resting_until_ = steady_clock::now() + pause_;
  return absl::DeadlineExceededError(
      absl::StrCat(what, ": no answer within ", absl::FormatDuration(limit),
                   "; is Windows Management Instrumentation (service Winmgmt) well? Restart it, or"
                   " this machine"));
}

}  // namespace keymedic::systems
