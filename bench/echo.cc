// SPDX-License-Identifier: Apache-2.0
#include "bench/echo.h"

#include <grpcpp/grpcpp.h>

#include <deque>
#include <mutex>

#include "absl/strings/str_cat.h"
#include "base/files.h"
#include "base/status_macros.h"
#include "keymedic/v1/agent_service.grpc.pb.h"

namespace keymedic::bench {
namespace {

class EchoStream final : public grpc::ServerBidiReactor<v1::AgentMessage, v1::ControllerMessage> {
 public:
  EchoStream() { StartRead(&request_); }

  void OnReadDone(bool ok) override {
    if (!ok) return Finish(grpc::Status::OK);
    {
      std::lock_guard lock(mutex_);
      if (request_.has_sections()) {
        acknowledge_ = request_.sections().sequence();
        if (!writing_) Write();
      }
    }
    StartRead(&request_);
  }

  void OnWriteDone(bool ok) override {
    std::lock_guard lock(mutex_);
    writing_ = false;
    if (ok && acknowledge_ > written_) Write();
  }

  void OnDone() override { delete this; }

 private:
  void Write() {
    writing_ = true;
    written_ = acknowledge_;
    answer_.mutable_ack()->set_sequence(written_);
    StartWrite(&answer_);
  }

  std::mutex mutex_;
  v1::AgentMessage request_;
  v1::ControllerMessage answer_;
  uint64_t acknowledge_ = 0, written_ = 0;
  bool writing_ = false;
};

class EchoService final : public v1::AgentService::CallbackService {
  grpc::ServerBidiReactor<v1::AgentMessage, v1::ControllerMessage>* Connect(
      grpc::CallbackServerContext*) override {
    return new EchoStream;
  }
};

}  // namespace

absl::Status RunEchoServer(const Credential& server, const std::string& port_file) {
  grpc::SslServerCredentialsOptions options(
      GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  options.pem_root_certs = server.ca;
  options.pem_key_cert_pairs.push_back({server.key, server.certificate});
  EchoService service;
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::SslServerCredentials(options), &port);
  builder.RegisterService(&service);
  auto running = builder.BuildAndStart();
  if (running == nullptr || port == 0)
    return absl::UnavailableError("the echo server cannot listen");
  KM_RETURN_IF_ERROR(WriteFileAtomically(port_file, absl::StrCat(port)));
  running->Wait();
  return absl::OkStatus();
}

absl::Status RunIdleClient(const std::string& target, const Credential& credential,
                           const std::string& ready_file) {
  auto channel =
      grpc::CreateChannel(target, grpc::SslCredentials({.pem_root_certs = credential.ca,
                                                        .pem_private_key = credential.key,
                                                        .pem_cert_chain = credential.certificate}));
  auto stub = v1::AgentService::NewStub(channel);
  grpc::ClientContext context;
  auto stream = stub->Connect(&context);
  stream->Write(Change(0, 1));
  v1::ControllerMessage answer;
  if (!stream->Read(&answer)) return absl::UnavailableError(stream->Finish().error_message());
  KM_RETURN_IF_ERROR(WriteFileAtomically(ready_file, "ready"));
  while (stream->Read(&answer)) {
  }
  return absl::OkStatus();
}

}  // namespace keymedic::bench
