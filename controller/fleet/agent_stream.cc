// SPDX-License-Identifier: Apache-2.0
#include "controller/fleet/agent_stream.h"

#include <algorithm>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "controller/services/errors.h"

namespace keymedic::controller {
namespace {

constexpr size_t kMaxQueued = 4096;  // an agent that takes nothing is not waited for for ever

// gRPC's rules: one read and one write at a time, nothing after Finish. The mutex keeps them; gRPC
// never calls back within Start... or Finish, so they are called with it held.
class AgentStream final : public grpc::ServerBidiReactor<v1::AgentMessage, v1::ControllerMessage>,
                          public AgentLink {
 public:
  static AgentStream* Start(Fleet& fleet, const std::string& machine_id, Admission admission) {
    auto stream = std::make_shared<AgentStream>();
    AgentStream* raw = stream.get();
    raw->session_ =
        std::make_shared<Session>(fleet, fleet.FindOrAdd(machine_id), stream, std::move(admission));
    raw->self_ = std::move(stream);
    raw->StartRead(&raw->incoming_);
    return raw;
  }

  // AgentLink
  void Send(v1::ControllerMessage message) override {
    std::lock_guard lock(mutex_);
    if (closing_) return;
    if (queue_.size() >= kMaxQueued) {
      return CloseLocked(absl::ResourceExhaustedError(
          "this agent takes no messages; is it stopped in the middle?"));
    }
    queue_.push_back(std::move(message));
    Pump();
  }

  void Ack(uint64_t sequence) override {
    std::lock_guard lock(mutex_);
    if (closing_) return;
    ack_ = std::max(ack_, sequence);
    Pump();
  }

  void Close(absl::Status status) override {
    std::lock_guard lock(mutex_);
    CloseLocked(std::move(status));
  }

  // Reactor
  void OnReadDone(bool ok) override {
    if (!ok) return Close(absl::OkStatus());
    session_->OnMessage(incoming_);
    // A cleared message keeps its memory, and a machine's first state is large.
    if (incoming_.message_case() != v1::AgentMessage::kHeartbeat) {
      v1::AgentMessage().Swap(&incoming_);
    }
    std::lock_guard lock(mutex_);
    if (!closing_) StartRead(&incoming_);
  }

  void OnWriteDone(bool ok) override {
    std::lock_guard lock(mutex_);
    writing_ = false;
    outgoing_.Clear();
    if (closing_) return FinishLocked();
    if (!ok) return CloseLocked(absl::OkStatus());
    Pump();
  }

  void OnCancel() override { Close(absl::CancelledError("the agent went away")); }

  void OnDone() override {
    session_->OnClosed();
    session_.reset();  // it holds this stream as its link
    self_.reset();
  }

 private:
  void CloseLocked(absl::Status status) {
    if (std::exchange(closing_, true)) return;
    end_ = std::move(status);
    queue_.clear();
    if (!writing_) FinishLocked();
  }

  void FinishLocked() { Finish(ToGrpcStatus(end_)); }

  void Pump() {
    if (writing_ || closing_) return;
    if (!queue_.empty()) {
      outgoing_ = std::move(queue_.front());
      queue_.erase(queue_.begin());
      if (queue_.empty()) queue_.shrink_to_fit();
    } else if (ack_ > acked_) {
      acked_ = ack_;
      outgoing_.mutable_ack()->set_sequence(acked_);
    } else {
      return;
    }
    writing_ = true;
    StartWrite(&outgoing_);
  }

  std::shared_ptr<AgentStream> self_;  // until OnDone
  std::shared_ptr<Session> session_;   // used by gRPC's calls only, which come one after the other
  v1::AgentMessage incoming_;          // likewise
  std::mutex mutex_;
  // All guarded by mutex_.
  v1::ControllerMessage outgoing_;
  std::vector<v1::ControllerMessage> queue_;
  uint64_t ack_ = 0, acked_ = 0;
  bool writing_ = false;
  bool closing_ = false;
  absl::Status end_;
};

}  // namespace

grpc::ServerBidiReactor<v1::AgentMessage, v1::ControllerMessage>* NewAgentStream(
    Fleet& fleet, const std::string& machine_id, Admission admission) {
  return AgentStream::Start(fleet, machine_id, std::move(admission));
}

}  // namespace keymedic::controller
