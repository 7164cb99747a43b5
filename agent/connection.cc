// SPDX-License-Identifier: Apache-2.0
#include "agent/connection.h"

#include <grpcpp/grpcpp.h>

#include <deque>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/synchronization/mutex.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "keymedic/v1/agent_service.grpc.pb.h"

namespace keymedic::agent {
namespace {

// For controllers behind proxies that drop the details of errors.
constexpr char kRetryAfterKey[] = "keymedic-retry-after-ms";
constexpr absl::Duration kRenewTimeout = absl::Seconds(30);

// An idle agent costs little: small buffers, no bandwidth probing, and a ping that also finds a
// connection which died without a word.
grpc::ChannelArguments Arguments() {
  grpc::ChannelArguments args;
  args.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // many agents in one process
  args.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 30000);
  args.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 20000);
  args.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  args.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  args.SetInt(GRPC_ARG_HTTP2_MAX_FRAME_SIZE, 16384);
  args.SetInt(GRPC_ARG_TCP_READ_CHUNK_SIZE, 1024);
  args.SetInt(GRPC_ARG_TCP_MIN_READ_CHUNK_SIZE, 256);
  args.SetInt(GRPC_ARG_TCP_MAX_READ_CHUNK_SIZE, 16384);
  args.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  args.SetInt(GRPC_ARG_ENABLE_CHANNELZ, 0);
  return args;
}

absl::Status ToAbsl(const grpc::Status& status) {
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
}

absl::Duration RetryAfter(const grpc::Status& status, const grpc::ClientContext& context) {
  if (const absl::Duration delay = RetryDelay(status.error_details());
      delay > absl::ZeroDuration()) {
    return delay;
  }
  const auto& metadata = context.GetServerTrailingMetadata();
  const auto found = metadata.find(kRetryAfterKey);
  int64_t milliseconds = 0;
  if (found == metadata.end() ||
      !absl::SimpleAtoi(absl::string_view(found->second.data(), found->second.size()),
                        &milliseconds)) {
    return absl::ZeroDuration();
  }
  return absl::Milliseconds(milliseconds);
}

class GrpcConnection final
    : public Connection,
      public grpc::ClientBidiReactor<v1::AgentMessage, v1::ControllerMessage>,
      public std::enable_shared_from_this<GrpcConnection> {
 public:
  GrpcConnection(const std::string& controller, const Credential& credential,
                 ConnectionEvents events)
      : events_(std::move(events)) {
    grpc::SslCredentialsOptions tls;
    tls.pem_root_certs = credential.ca_pem;
    tls.pem_private_key = credential.key_pem;
    tls.pem_cert_chain = credential.certificate_pem;
    stub_ = v1::AgentService::NewStub(
        grpc::CreateCustomChannel(controller, grpc::SslCredentials(tls), Arguments()));
  }

  void Begin() {
    self_ = shared_from_this();
    stub_->async()->Connect(&context_, this);
    AddHold();  // writes are started from outside the reactions
    StartRead(&incoming_);
    StartCall();
  }

  void Send(v1::AgentMessage message) override {
    absl::MutexLock lock(&mutex_);
    if (ended_) return;
    outgoing_.push_back(std::move(message));
    if (outgoing_.size() == 1) WriteFront();
  }

  void Renew(const std::string& csr_pem) override {
    absl::MutexLock lock(&mutex_);
    if (ended_ || renewing_) return;
    renewing_ = true;
    renewal_ = std::make_unique<Renewal>();
    renewal_->request.set_csr_pem(csr_pem);
    renewal_->context.set_deadline(absl::ToChronoTime(absl::Now() + kRenewTimeout));
    stub_->async()->RenewCertificate(&renewal_->context, &renewal_->request, &renewal_->response,
                                     [this](grpc::Status status) { Renewed(status); });
  }

  void Close() override { context_.TryCancel(); }

  void OnReadDone(bool ok) override {
    if (ok) {
      events_.message(std::exchange(incoming_, {}));
      StartRead(&incoming_);
      return;
    }
    absl::MutexLock lock(&mutex_);
    End();
  }

  void OnWriteDone(bool ok) override {
    absl::MutexLock lock(&mutex_);
    if (!ok) return End();
    outgoing_.pop_front();
    if (!outgoing_.empty() && !ended_) WriteFront();
  }

  void OnDone(const grpc::Status& status) override {
    {
      absl::MutexLock lock(&mutex_);
      status_ = status;
      stream_done_ = true;
      if (renewing_) {
        renewal_->context.TryCancel();
        return;  // Renewed goes on
      }
    }
    Closed();
  }

 private:
  struct Renewal {
    grpc::ClientContext context;
    v1::RenewCertificateRequest request;
    v1::RenewCertificateResponse response;
  };

  void WriteFront() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { StartWrite(&outgoing_.front()); }

  // No more writes; lets OnDone come.
  void End() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (std::exchange(ended_, true)) return;
    RemoveHold();
  }

  void Renewed(const grpc::Status& status) {
    if (status.ok()) {
      events_.renewed(std::move(renewal_->response));
    } else {
      events_.renewed(ToAbsl(status));
    }
    bool last = false;
    {
      absl::MutexLock lock(&mutex_);
      renewing_ = false;
      last = stream_done_;
    }
    if (last) Closed();
  }

  void Closed() {
    const auto closed = events_.closed;
    absl::Status status = ToAbsl(status_);
    const absl::Duration retry_after = RetryAfter(status_, context_);
    closed(std::move(self_), std::move(status), retry_after);
  }

  const ConnectionEvents events_;
  std::unique_ptr<v1::AgentService::Stub> stub_;
  grpc::ClientContext context_;
  v1::ControllerMessage incoming_;
  std::shared_ptr<GrpcConnection> self_;
  absl::Mutex mutex_;
  std::deque<v1::AgentMessage> outgoing_ ABSL_GUARDED_BY(mutex_);  // the first is being written
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  bool stream_done_ ABSL_GUARDED_BY(mutex_) = false;
  bool renewing_ ABSL_GUARDED_BY(mutex_) = false;
  std::unique_ptr<Renewal> renewal_;  // the last one; its context keeps the channel
  grpc::Status status_;
};

}  // namespace

std::shared_ptr<Connection> Connection::Open(const std::string& controller,
                                             const Credential& credential,
                                             ConnectionEvents events) {
  auto connection = std::make_shared<GrpcConnection>(controller, credential, std::move(events));
  connection->Begin();
  return connection;
}

absl::Duration RetryDelay(const std::string& status_details) {
  google::rpc::Status status;
  if (!status.ParseFromString(status_details)) return absl::ZeroDuration();
  google::rpc::RetryInfo info;
  for (const auto& detail : status.details()) {
    if (detail.UnpackTo(&info)) {
      return absl::Seconds(info.retry_delay().seconds()) +
             absl::Nanoseconds(info.retry_delay().nanos());
    }
  }
  return absl::ZeroDuration();
}

}  // namespace keymedic::agent
