// SPDX-License-Identifier: Apache-2.0
//
// A call without a client certificate: a join token buys one. The token pins the authority,
// so the agent trusts nobody that it did not bring along itself.
#include <grpcpp/grpcpp.h>

#include "absl/strings/str_cat.h"
#include "agent/agent.h"
#include "agent/anonymous_channel.h"
#include "agent/identity.h"
#include "base/files.h"
#include "base/join_token.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "base/x509.h"
#include "keymedic/v1/agent_service.grpc.pb.h"

namespace keymedic::agent {
namespace {

constexpr absl::Duration kTimeout = absl::Seconds(30);

absl::Status CannotConnect(const std::string& controller, absl::string_view why) {
  return absl::UnavailableError(
      absl::StrCat("cannot connect to the controller ", controller, ": ", why,
                   "; check host and port, that keymedic-controller runs there, and that no "
                   "firewall is between"));
}

absl::StatusOr<std::string> FetchAuthority(const std::string& controller, const JoinToken& token) {
  auto ca = x509::FetchPinnedCaPem(controller, token.ca_sha256, kTimeout);
  if (ca.ok()) return ca;
  if (absl::IsPermissionDenied(ca.status())) {
    return absl::PermissionDeniedError(
        absl::StrCat("the server at ", controller, " is not the controller that made this token (",
                     ca.status().message(),
                     "); check --controller, or make a token there: keymedic tokens "
                     "create"));
  }
  if (absl::IsInvalidArgument(ca.status())) return ca.status();
  return CannotConnect(controller, ca.status().message());
}

absl::Status Explain(const std::string& controller, const grpc::Status& status) {
  const auto code = static_cast<absl::StatusCode>(status.error_code());
  switch (status.error_code()) {
    case grpc::StatusCode::UNAVAILABLE:
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return CannotConnect(controller, status.error_message());
    case grpc::StatusCode::UNAUTHENTICATED:
    case grpc::StatusCode::PERMISSION_DENIED:
    case grpc::StatusCode::NOT_FOUND:
    case grpc::StatusCode::FAILED_PRECONDITION:
    case grpc::StatusCode::RESOURCE_EXHAUSTED:
      return absl::Status(
          code, absl::StrCat("the controller ", controller,
                             " refused the join token: ", status.error_message(),
                             "; a token is spent after its uses and ends at its time; make a new "
                             "one: keymedic tokens create"));
    default:
      return absl::Status(code,
                          absl::StrCat("the controller ", controller,
                                       " could not enrol this machine: ", status.error_message()));
  }
}

absl::StatusOr<v1::EnrollResponse> Call(const std::string& controller, const std::string& ca_pem,
                                        const v1::EnrollRequest& request) {
  auto stub = v1::AgentService::NewStub(AnonymousChannel(controller, ca_pem));
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + kTimeout));
  v1::EnrollResponse response;
  const grpc::Status status = stub->Enroll(&context, request, &response);
  if (!status.ok()) return Explain(controller, status);
  return response;
}

}  // namespace

absl::Status Enroll(const EnrollOptions& options, const Clock& clock, Random& random) {
  KM_ASSIGN_OR_RETURN(const JoinToken token, JoinToken::Parse(options.token));
  KM_RETURN_IF_ERROR(MakeDirectories(options.state_dir));
  KM_ASSIGN_OR_RETURN(const std::string ca_pem, FetchAuthority(options.controller, token));
  KM_ASSIGN_OR_RETURN(const std::string key_pem, x509::GenerateKeyPem());

  v1::EnrollRequest request;
  request.set_token(token.ToString());
  request.set_machine_name(options.machine_name);
  request.mutable_labels()->insert(options.labels.begin(), options.labels.end());
  KM_ASSIGN_OR_RETURN(*request.mutable_csr_pem(), x509::MakeCsrPem(key_pem, options.machine_name));
  KM_ASSIGN_OR_RETURN(*request.mutable_machine_id(),
                      ReadOrProposeMachineId(options.state_dir, random));
  KM_ASSIGN_OR_RETURN(const v1::EnrollResponse response, Call(options.controller, ca_pem, request));

  const std::string machine_id =
      response.machine_id().empty() ? request.machine_id() : response.machine_id();
  auto credential = MakeCredential(key_pem, response.certificate_pem(),
                                   response.ca_pem().empty() ? ca_pem : response.ca_pem());
  if (!credential.ok()) {
    return Annotate(credential.status(), absl::StrCat("the answer of ", options.controller));
  }
  if (clock.Now() < credential->not_before - absl::Minutes(5) ||
      clock.Now() > credential->not_after) {
    log::Warning("AGENT_CLOCK_OFF",
                 "the new certificate is valid from {} to {}, this machine's clock says {}: set "
                 "the clock, or connections will be refused",
                 absl::FormatTime(credential->not_before), absl::FormatTime(credential->not_after),
                 absl::FormatTime(clock.Now()));
  }
  KM_RETURN_IF_ERROR(
      StoreEnrolment(options.state_dir, machine_id, options.controller, *credential));
  log::Info("AGENT_ENROLLED", "enrolled with {} as machine {}; the certificate ends at {}",
            options.controller, machine_id, absl::FormatTime(credential->not_after));
  return absl::OkStatus();
}

}  // namespace keymedic::agent
