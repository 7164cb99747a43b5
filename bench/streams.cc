// SPDX-License-Identifier: Apache-2.0
#include "bench/streams.h"

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <condition_variable>
#include <mutex>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/blocking_counter.h"
#include "absl/time/clock.h"
#include "base/hash.h"
#include "keymedic/v1/agent_service.grpc.pb.h"

namespace keymedic::bench {
namespace {

template <typename Message>
v1::Section Pack(const char* name, const Message& message) {
  v1::Section section;
  section.set_name(name);
  section.set_type(std::string(message.GetTypeName()));
  section.set_payload(SerializeDeterministic(message));
  section.set_sha256(Sha256(section.payload()));
  return section;
}

constexpr int64_t kEpoch = 1'790'000'000;

// A machine after its n-th attempt to activate.
v1::Section ClientSection(int index, uint64_t n) {
  v1::KmsClientSection client;
  client.set_client_machine_id(
      absl::StrCat("00000000-0000-4000-8000-", absl::Dec(index, absl::kZeroPad12)));
  client.set_registered_host("");
  client.set_discovered_host("kms-1.contoso.example");
  client.set_discovered_port(1688);
  client.set_host_extended_pid("03612-00206-000-000000-03-1033-20348.0000-1002026");
  client.set_activation_interval_minutes(120);
  client.set_renewal_interval_minutes(10080);
  client.set_host_caching(true);
  client.mutable_last_activation_at()->set_seconds(kEpoch + static_cast<int64_t>(n));
  v1::ActivationAttempt& attempt = *client.add_attempts();
  attempt.mutable_at()->set_seconds(kEpoch + static_cast<int64_t>(n));
  attempt.set_source_event(12288);
  attempt.set_error(0);
  attempt.set_host("kms-1.contoso.example");
  attempt.set_answered(true);
  attempt.set_bound(true);
  attempt.set_count(50);
  return Pack("kms_client", client);
}

v1::AgentMessage WholeState(int index) {
  v1::AgentMessage message;
  v1::SectionUpdate& update = *message.mutable_sections();
  update.set_sequence(1);
  update.set_complete(true);
  v1::OsSection os;
  os.set_computer_name(absl::StrCat("bench-", index));
  os.set_dns_domain("contoso.example");
  os.set_edition_id("Enterprise");
  os.set_build(22631);
  os.set_clock_skew_minutes(0);
  *update.add_sections() = Pack("os", os);
  v1::LicensingSection licensing;
  v1::Product& product = *licensing.add_products();
  product.set_activation_id("73111121-5638-40f6-bc11-f1d7b0d64300");
  product.set_application_id("55c92734-d682-4d71-983e-d6ec3f16059f");
  product.set_name("Windows(R), Enterprise edition");
  product.set_description("Windows(R) Operating System, VOLUME_KMSCLIENT channel");
  product.set_partial_key("2YT43");
  product.set_status(v1::LICENSE_STATUS_LICENSED);
  product.mutable_expires_at()->set_seconds(kEpoch + 180 * 86400);
  *update.add_sections() = Pack("licensing", licensing);
  *update.add_sections() = ClientSection(index, 0);
  v1::NamesSection names;
  names.add_suffixes("contoso.example");
  v1::SrvAnswer& answer = *names.add_answers();
  answer.set_name("_vlmcs._tcp.contoso.example");
  v1::SrvRecord& record = *answer.add_records();
  record.set_target("kms-1.contoso.example");
  record.set_port(1688);
  *update.add_sections() = Pack("names", names);
  v1::ProbesSection probes;
  v1::Probe& probe = *probes.add_probes();
  probe.set_host("kms-1.contoso.example");
  probe.set_port(1688);
  probe.set_result(v1::PROBE_RESULT_KMS);
  *update.add_sections() = Pack("probes", probes);
  return message;
}

class StreamsOverGrpc;

// One agent. Its state changes on gRPC's threads, one call at a time under its lock.
class Agent final : public grpc::ClientBidiReactor<v1::AgentMessage, v1::ControllerMessage> {
 public:
  Agent(StreamsOverGrpc& owner, const std::string& target, const Credential& credential, int index);

  void Begin();
  void Push(int window);
  void StopPushing() {
    std::lock_guard lock(mutex_);
    window_ = 0;
  }
  void End() { context_.TryCancel(); }

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnDone(const grpc::Status& status) override;

 private:
  void Enqueue(v1::AgentMessage message);  // under the lock
  void Fill();                             // under the lock

  StreamsOverGrpc& owner_;
  const int index_;
  std::unique_ptr<v1::AgentService::Stub> stub_;
  grpc::ClientContext context_;
  v1::ControllerMessage received_;
  std::mutex mutex_;
  std::vector<v1::AgentMessage> queue_;
  v1::AgentMessage writing_;
  bool busy_ = false;
  int window_ = 0;
  uint64_t sent_ = 1, acknowledged_ = 0;
};

class StreamsOverGrpc final : public Streams {
 public:
  explicit StreamsOverGrpc(size_t n) : open_(static_cast<int>(n)), ended_(static_cast<int>(n)) {}
  ~StreamsOverGrpc() override {
    closing_ = true;
    for (auto& agent : agents_) agent->End();
    ended_.Wait();
  }

  absl::Status OpenAll(const std::string& target, const std::vector<Credential>& credentials,
                       int index) {
    for (const Credential& credential : credentials)
      agents_.push_back(std::make_unique<Agent>(*this, target, credential, index++));
    for (auto& agent : agents_) agent->Begin();
    open_.Wait();
    std::lock_guard lock(mutex_);
    return error_;
  }

  absl::StatusOr<double> Push(int window, absl::Duration duration) override {
    for (auto& agent : agents_) agent->Push(window);
    absl::SleepFor(duration / 4);  // warm
    const uint64_t before = acknowledged_;
    const absl::Time start = absl::Now();
    absl::SleepFor(duration);
    const uint64_t after = acknowledged_;
    const double seconds = absl::ToDoubleSeconds(absl::Now() - start);
    for (auto& agent : agents_) agent->StopPushing();
    std::lock_guard lock(mutex_);
    if (!error_.ok()) return error_;
    return static_cast<double>(after - before) / seconds;
  }

  void OnOpen() { open_.DecrementCount(); }
  void OnAcknowledged(uint64_t n) { acknowledged_ += n; }
  void OnEnded(bool was_open, const grpc::Status& status) {
    if (!closing_) {
      std::lock_guard lock(mutex_);
      error_ = absl::UnavailableError(absl::StrCat("a stream ended: ", status.error_message()));
    }
    if (!was_open) open_.DecrementCount();
    ended_.DecrementCount();
  }

 private:
  std::vector<std::unique_ptr<Agent>> agents_;
  absl::BlockingCounter open_, ended_;
  std::atomic<uint64_t> acknowledged_ = 0;
  std::atomic<bool> closing_ = false;
  std::mutex mutex_;
  absl::Status error_;
};

Agent::Agent(StreamsOverGrpc& owner, const std::string& target, const Credential& credential,
             int index)
    : owner_(owner), index_(index) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // a connection of its own
  auto channel =
      grpc::CreateCustomChannel(target,
                                grpc::SslCredentials({.pem_root_certs = credential.ca,
                                                      .pem_private_key = credential.key,
                                                      .pem_cert_chain = credential.certificate}),
                                arguments);
  stub_ = v1::AgentService::NewStub(channel);
}

void Agent::Begin() {
  context_.set_wait_for_ready(true);
  stub_->async()->Connect(&context_, this);
  StartRead(&received_);
  {
    std::lock_guard lock(mutex_);
    v1::AgentMessage hello;
    hello.mutable_hello()->set_agent_version("bench");
    hello.mutable_hello()->set_machine_name(absl::StrCat("bench-", index_));
    Enqueue(std::move(hello));
    Enqueue(WholeState(index_));
  }
  StartCall();
}

void Agent::Enqueue(v1::AgentMessage message) {
  queue_.push_back(std::move(message));
  if (busy_) return;
  busy_ = true;
  writing_ = std::move(queue_.front());
  queue_.erase(queue_.begin());
  StartWrite(&writing_);
}

void Agent::OnWriteDone(bool ok) {
  std::lock_guard lock(mutex_);
  busy_ = false;
  if (!ok || queue_.empty()) return;
  busy_ = true;
  writing_ = std::move(queue_.front());
  queue_.erase(queue_.begin());
  StartWrite(&writing_);
}

void Agent::Push(int window) {
  std::lock_guard lock(mutex_);
  window_ = window;
  Fill();
}

void Agent::Fill() {
  while (sent_ - acknowledged_ < static_cast<uint64_t>(window_)) Enqueue(Change(index_, ++sent_));
}

void Agent::OnReadDone(bool ok) {
  if (!ok) return;
  if (received_.has_ack()) {
    std::lock_guard lock(mutex_);
    const uint64_t sequence = received_.ack().sequence();
    if (acknowledged_ == 0 && sequence >= 1) owner_.OnOpen();
    if (sequence > acknowledged_) {
      owner_.OnAcknowledged(sequence - acknowledged_);
      acknowledged_ = sequence;
    }
    Fill();
  }
  StartRead(&received_);
}

void Agent::OnDone(const grpc::Status& status) {
  bool was_open;
  {
    std::lock_guard lock(mutex_);
    was_open = acknowledged_ > 0;
    window_ = 0;
  }
  owner_.OnEnded(was_open, status);
}

}  // namespace

v1::AgentMessage Change(int index, uint64_t sequence) {
  v1::AgentMessage message;
  message.mutable_sections()->set_sequence(sequence);
  *message.mutable_sections()->add_sections() = ClientSection(index, sequence);
  return message;
}

absl::StatusOr<std::unique_ptr<Streams>> Streams::Open(const std::string& target,
                                                       const std::vector<Credential>& credentials,
                                                       int first) {
  auto streams = std::make_unique<StreamsOverGrpc>(credentials.size());
  if (const absl::Status status = streams->OpenAll(target, credentials, first); !status.ok())
    return status;
  return streams;
}

}  // namespace keymedic::bench
