// SPDX-License-Identifier: Apache-2.0
#include "bench/stage.h"

#include <grpcpp/grpcpp.h>

#include <filesystem>
#include <iostream>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "base/files.h"
#include "base/status_macros.h"
#include "base/x509.h"
#include "cli/programs.h"
#include "keymedic/v1/agent_service.grpc.pb.h"

namespace keymedic::bench {

absl::StatusOr<std::string> WaitForFile(const std::string& path, cli::Child& child) {
  const absl::Time deadline = absl::Now() + kPatience;
  while (absl::Now() < deadline) {
    if (auto text = ReadFile(path); text.ok() && !text->empty())
      return std::string(absl::StripAsciiWhitespace(*text));
    if (const std::string ended = child.Ended(); !ended.empty()) return absl::InternalError(ended);
    absl::SleepFor(absl::Milliseconds(10));
  }
  return absl::DeadlineExceededError(absl::StrCat(path, " did not appear"));
}

Stage::~Stage() {
  controller.reset();
  echo.reset();
  std::error_code ignored;
  std::filesystem::remove_all(directory, ignored);
}

absl::Status Stage::Start(size_t agents) {
  directory = std::filesystem::temp_directory_path() / "keymedic-bench-XXXXXX";
  if (mkdtemp(directory.data()) == nullptr)
    return absl::ErrnoToStatus(errno, "cannot make a temporary directory");
  data_ = directory + "/controller/";
  KM_RETURN_IF_ERROR(RunToEnd({bin_ + "keymedic-controller", "init", "--data-dir", data_, "--name",
                               "localhost", "--name", "127.0.0.1"}));
  KM_RETURN_IF_ERROR(StartController());
  echo =
      Launch({cli::ProgramPath("keymedic-bench"), "echo-server", data_, directory + "/echo.port"});
  KM_ASSIGN_OR_RETURN(const std::string echo_port, WaitForFile(directory + "/echo.port", *echo));
  echo_address = "127.0.0.1:" + echo_port;
  KM_RETURN_IF_ERROR(EnrollAll(agents));
  // What enrolling left in its heap would hide what streams take.
  controller.reset();
  return StartController();
}

std::unique_ptr<cli::Child> Stage::Launch(std::vector<std::string> command) const {
  auto child = std::make_unique<cli::Child>(cli::Child::Options{
      .command = std::move(command), .environment = {}, .log_file = directory + "/log"});
  const absl::Status status = child->Start();
  if (!status.ok()) std::cerr << status.message() << '\n';
  return child;
}

std::string Stage::Log() const { return ReadFile(directory + "/log").value_or(""); }

absl::StatusOr<std::unique_ptr<cli::Session>> Stage::Admin() const {
  return cli::Session::Open(
      {controller_address, data_ + "ca.crt", data_ + "admin.crt", data_ + "admin.key"});
}

absl::StatusOr<std::string> Stage::Token(size_t uses) const {
  KM_ASSIGN_OR_RETURN(auto session, Admin());
  v1::CreateTokenRequest request;
  request.set_uses(static_cast<uint32_t>(uses));
  KM_ASSIGN_OR_RETURN(
      const v1::CreateTokenResponse response,
      cli::Call(*session, session->access, &v1::AccessService::Stub::CreateToken, request));
  return response.secret();
}

absl::Status Stage::StartController() {
  const std::string port_file = directory + "/controller.port";
  std::error_code ignored;
  std::filesystem::remove(port_file, ignored);
  controller = Launch({bin_ + "keymedic-controller", "run", "--data-dir", data_, "--listen",
                       "127.0.0.1:0", "--port-file", port_file});
  KM_ASSIGN_OR_RETURN(const std::string port, WaitForFile(port_file, *controller));
  controller_address = "127.0.0.1:" + port;
  return absl::OkStatus();
}

absl::Status Stage::RunToEnd(std::vector<std::string> command) const {
  const std::string name = command[0];
  auto child = Launch(std::move(command));
  std::string ended;
  while ((ended = child->Ended()).empty()) absl::SleepFor(absl::Milliseconds(5));
  return ended.find("code 0") != std::string::npos
             ? absl::OkStatus()
             : absl::InternalError(absl::StrCat(name, " ", ended));
}

absl::Status Stage::EnrollAll(size_t agents) {
  KM_ASSIGN_OR_RETURN(const std::string ca, ReadFile(data_ + "ca.crt"));
  KM_ASSIGN_OR_RETURN(const std::string token, Token(agents + 1));
  auto stub = v1::AgentService::NewStub(grpc::CreateChannel(
      controller_address,
      grpc::SslCredentials({.pem_root_certs = ca, .pem_private_key = "", .pem_cert_chain = ""})));
  for (size_t i = 0; i < agents; ++i) {
    KM_ASSIGN_OR_RETURN(const std::string key, x509::GenerateKeyPem());
    v1::EnrollRequest request;
    request.set_token(token);
    request.set_machine_name(absl::StrCat("bench-", i));
    request.set_machine_id(
        absl::StrCat("bbbbbbbb-0000-4000-8000-", absl::Dec(i, absl::kZeroPad12)));
    KM_ASSIGN_OR_RETURN(*request.mutable_csr_pem(), x509::MakeCsrPem(key, request.machine_name()));
    v1::EnrollResponse response;
    grpc::ClientContext context;
    if (const grpc::Status status = stub->Enroll(&context, request, &response); !status.ok())
      return absl::InternalError(status.error_message());
    credentials.push_back({ca, response.certificate_pem(), key});
  }
  return absl::OkStatus();
}

}  // namespace keymedic::bench
