// SPDX-License-Identifier: Apache-2.0
#include "controller/services/summary_watch.h"

#include <utility>

#include "base/hash.h"

namespace keymedic::controller {

// One call. Writes the newest summary; what changed while a write was under way is skipped over.
class SummaryWatch::Watcher final : public grpc::ServerWriteReactor<v1::Summary> {
 public:
  static std::shared_ptr<Watcher> Make() {
    auto watcher = std::make_shared<Watcher>();
    watcher->self_ = watcher;
    return watcher;
  }

  void Offer(const v1::Summary& summary, const std::string& bytes) {
    std::lock_guard lock(mutex_);
    if (ended_ || bytes == newest_bytes_) return;
    newest_ = summary;
    newest_bytes_ = bytes;
    waiting_ = true;
    Pump();
  }

  void End() {
    std::lock_guard lock(mutex_);
    EndLocked(grpc::Status(grpc::StatusCode::UNAVAILABLE,
                           "the controller is stopping; watch again when it is back"));
  }

  void OnWriteDone(bool ok) override {
    std::lock_guard lock(mutex_);
    writing_ = false;
    if (ended_) return Finish(status_);
    if (!ok) return EndLocked(grpc::Status::OK);
    Pump();
  }
  void OnCancel() override {
    std::lock_guard lock(mutex_);
    EndLocked(grpc::Status::CANCELLED);
  }
  void OnDone() override { self_.reset(); }

 private:
  void Pump() {
    if (writing_ || !waiting_) return;
    waiting_ = false;
    writing_ = true;
    outgoing_ = newest_;
    StartWrite(&outgoing_);
  }
  void EndLocked(grpc::Status status) {
    if (std::exchange(ended_, true)) return;
    status_ = std::move(status);
    if (!writing_) Finish(status_);
  }

  std::shared_ptr<Watcher> self_;  // until OnDone
  std::mutex mutex_;
  // All guarded by mutex_.
  v1::Summary outgoing_, newest_;
  std::string newest_bytes_ = "none yet";
  bool writing_ = false, waiting_ = false, ended_ = false;
  grpc::Status status_;
};

grpc::ServerWriteReactor<v1::Summary>* SummaryWatch::NewWatcher() {
  const auto watcher = Watcher::Make();
  Watcher* const raw = watcher.get();
  {
    std::lock_guard lock(mutex_);
    if (fleet_ == nullptr) {
      watcher->End();
      return raw;
    }
    watchers_.push_back(watcher);
    if (!std::exchange(ticking_, true))
      executor_.Post([self = shared_from_this()] { self->Tick(); });
    const v1::Summary now = fleet_->Summary();
    watcher->Offer(now, SerializeDeterministic(now));
  }
  return raw;
}

void SummaryWatch::Stop() {
  std::lock_guard lock(mutex_);
  fleet_ = nullptr;
  for (const auto& weak : watchers_) {
    if (const auto watcher = weak.lock()) watcher->End();
  }
  watchers_.clear();
}

void SummaryWatch::Tick() {
  std::lock_guard lock(mutex_);  // to the end: Stop must not return while the fleet is in use
  std::erase_if(watchers_, [](const auto& weak) { return weak.expired(); });
  if (fleet_ == nullptr || watchers_.empty()) {
    ticking_ = false;
    return;
  }
  const v1::Summary now = fleet_->Summary();
  const std::string bytes = SerializeDeterministic(now);
  for (const auto& weak : watchers_) {
    if (const auto watcher = weak.lock()) watcher->Offer(now, bytes);
  }
  executor_.PostAfter(absl::Milliseconds(500), [self = shared_from_this()] { self->Tick(); });
}

}  // namespace keymedic::controller
