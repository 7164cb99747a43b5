// SPDX-License-Identifier: Apache-2.0
#include "controller/remediation/remediation_service.h"

#include <map>
#include <mutex>
#include <utility>

#include "controller/services/errors.h"
#include "keymedic/v1/remediation_service.grpc.pb.h"

namespace keymedic::controller {
namespace {

using grpc::CallbackServerContext;
using grpc::ServerUnaryReactor;

// Answers a unary call with whatever `done` is called with.
template <typename Response>
std::function<void(absl::StatusOr<Response>)> Answer(ServerUnaryReactor* reactor,
                                                     Response* response) {
  return [reactor, response](absl::StatusOr<Response> result) {
    if (!result.ok()) return reactor->Finish(ToGrpcStatus(result.status()));
    *response = *std::move(result);
    reactor->Finish(grpc::Status::OK);
  };
}

// One watcher's stream. What changes while a write is under way is merged into the next message, so
// a slow reader gets fewer, never stale ones. Deletes itself: the manager may call once more after
// the stream is gone, so what it calls is kept apart (Mailbox).
class WatchReactor final : public grpc::ServerWriteReactor<v1::RemediationProgress> {
 public:
  WatchReactor(RemediationManager& manager, const std::string& name)
      : manager_(manager), mailbox_(std::make_shared<Mailbox>(this)) {
    watch_ = manager.Watch(name, [mailbox = mailbox_](auto progress, bool last) {
      std::lock_guard lock(mailbox->mutex);
      if (mailbox->reactor != nullptr) mailbox->reactor->Take(std::move(progress), last);
    });
  }

  void OnWriteDone(bool ok) override {
    std::lock_guard lock(mailbox_->mutex);
    writing_ = false;
    if (!ok) {
      FinishOnce(grpc::Status(grpc::StatusCode::CANCELLED, "the watcher is gone"));
    } else {
      WriteNext();
    }
  }

  void OnCancel() override {
    std::lock_guard lock(mailbox_->mutex);
    FinishOnce(grpc::Status(grpc::StatusCode::CANCELLED, "cancelled by the watcher"));
  }

  void OnDone() override {
    manager_.Unwatch(watch_);
    {
      std::lock_guard lock(mailbox_->mutex);
      mailbox_->reactor = nullptr;
    }
    delete this;
  }

 private:
  struct Mailbox {
    explicit Mailbox(WatchReactor* reactor) : reactor(reactor) {}
    std::mutex mutex;       // guards everything of the reactor too
    WatchReactor* reactor;  // null once the stream is gone
  };

  void Take(absl::StatusOr<v1::RemediationProgress> progress, bool last) {
    if (progress.ok()) {
      Merge(*std::move(progress));
    } else {
      end_ = ToGrpcStatus(progress.status());
    }
    last_ |= last;
    WriteNext();
  }

  void Merge(v1::RemediationProgress progress) {
    for (v1::Target& target : *progress.mutable_changed()) {
      changed_[target.machine_id()] = std::move(target);
    }
    progress.clear_changed();
    next_ = std::move(progress);
    has_next_ = true;
  }

  void WriteNext() {
    if (writing_ || finished_) return;
    if (!has_next_) {
      if (last_) FinishOnce(end_);
      return;
    }
    under_way_ = std::move(next_);
    for (auto& [machine, target] : changed_) *under_way_.add_changed() = std::move(target);
    changed_.clear();
    has_next_ = false;
    writing_ = true;
    StartWrite(&under_way_);
  }

  void FinishOnce(const grpc::Status& status) {
    if (std::exchange(finished_, true)) return;
    Finish(status);
  }

  RemediationManager& manager_;
  const std::shared_ptr<Mailbox> mailbox_;
  uint64_t watch_ = 0;

  // Guarded by mailbox_->mutex.
  v1::RemediationProgress next_, under_way_;
  std::map<std::string, v1::Target> changed_;  // by machine, not written yet
  bool has_next_ = false, writing_ = false, last_ = false, finished_ = false;
  grpc::Status end_ = grpc::Status::OK;
};

class RemediationService final : public v1::RemediationService::CallbackService {
 public:
  RemediationService(RemediationManager& manager,
                     std::function<std::string(const CallbackServerContext&)> actor)
      : manager_(manager), actor_(std::move(actor)) {}

  ServerUnaryReactor* PlanRemediation(CallbackServerContext* context,
                                      const v1::PlanRemediationRequest* request,
                                      v1::Remediation* response) override {
    return Unary(&RemediationManager::Plan, context, *request, response);
  }
  ServerUnaryReactor* RetryRemediation(CallbackServerContext* context,
                                       const v1::RetryRemediationRequest* request,
                                       v1::Remediation* response) override {
    return Unary(&RemediationManager::Retry, context, *request, response);
  }
  ServerUnaryReactor* ApproveRemediation(CallbackServerContext* context,
                                         const v1::ApproveRemediationRequest* request,
                                         v1::Remediation* response) override {
    return Unary(&RemediationManager::Approve, context, *request, response);
  }
  ServerUnaryReactor* SkipTarget(CallbackServerContext* context,
                                 const v1::ControlRemediationRequest* request,
                                 v1::Remediation* response) override {
    return Control(RemediationManager::Control::kSkip, context, request, response);
  }
  ServerUnaryReactor* StartRemediation(CallbackServerContext* context,
                                       const v1::StartRemediationRequest* request,
                                       v1::Remediation* response) override {
    return Unary(&RemediationManager::Start, context, *request, response);
  }
  ServerUnaryReactor* PauseRemediation(CallbackServerContext* context,
                                       const v1::ControlRemediationRequest* request,
                                       v1::Remediation* response) override {
    return Control(RemediationManager::Control::kPause, context, request, response);
  }
  ServerUnaryReactor* ResumeRemediation(CallbackServerContext* context,
                                        const v1::ControlRemediationRequest* request,
                                        v1::Remediation* response) override {
    return Control(RemediationManager::Control::kResume, context, request, response);
  }
  ServerUnaryReactor* AbortRemediation(CallbackServerContext* context,
                                       const v1::ControlRemediationRequest* request,
                                       v1::Remediation* response) override {
    return Control(RemediationManager::Control::kAbort, context, request, response);
  }
  ServerUnaryReactor* GetRemediation(CallbackServerContext* context,
                                     const v1::GetRemediationRequest* request,
                                     v1::Remediation* response) override {
    ServerUnaryReactor* reactor = context->DefaultReactor();
    manager_.Get(request->name(), Answer(reactor, response));
    return reactor;
  }
  ServerUnaryReactor* ListRemediations(CallbackServerContext* context,
                                       const v1::ListRemediationsRequest* request,
                                       v1::ListRemediationsResponse* response) override {
    ServerUnaryReactor* reactor = context->DefaultReactor();
    manager_.List(*request, Answer(reactor, response));
    return reactor;
  }
  grpc::ServerWriteReactor<v1::RemediationProgress>* WatchRemediation(
      CallbackServerContext* context, const v1::GetRemediationRequest* request) override {
    return new WatchReactor(manager_, request->name());
  }

 private:
  template <typename Request>
  ServerUnaryReactor* Unary(void (RemediationManager::*call)(Request, std::string,
                                                             RemediationManager::Done),
                            CallbackServerContext* context, const Request& request,
                            v1::Remediation* response) {
    ServerUnaryReactor* reactor = context->DefaultReactor();
    (manager_.*call)(request, actor_(*context), Answer(reactor, response));
    return reactor;
  }
  ServerUnaryReactor* Control(RemediationManager::Control control, CallbackServerContext* context,
                              const v1::ControlRemediationRequest* request,
                              v1::Remediation* response) {
    ServerUnaryReactor* reactor = context->DefaultReactor();
    manager_.Apply(control, *request, actor_(*context), Answer(reactor, response));
    return reactor;
  }

  RemediationManager& manager_;
  const std::function<std::string(const CallbackServerContext&)> actor_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeRemediationService(
    RemediationManager& manager,
    std::function<std::string(const grpc::CallbackServerContext&)> actor) {
  return std::make_unique<RemediationService>(manager, std::move(actor));
}

}  // namespace keymedic::controller
