// SPDX-License-Identifier: Apache-2.0
//
// What every command that talks to a controller shares: the global options, the connection, and how
// errors and answers are shown.
//
// Exit codes: 0 ok, 1 error, 2 usage, 3 partial (something failed, the rest was done), 4 stopped by
// the error budget.
#ifndef KEYMEDIC_CLI_SESSION_H_
#define KEYMEDIC_CLI_SESSION_H_

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "cli/profiles.h"
#include "google/protobuf/message.h"
#include "keymedic/v1/access_service.grpc.pb.h"
#include "keymedic/v1/audit_service.grpc.pb.h"
#include "keymedic/v1/fleet_service.grpc.pb.h"
#include "keymedic/v1/host_key_service.grpc.pb.h"
#include "keymedic/v1/policy_service.grpc.pb.h"
#include "keymedic/v1/remediation_service.grpc.pb.h"

namespace keymedic::cli {

inline constexpr int kOk = 0;
inline constexpr int kError = 1;
inline constexpr int kUsage = 2;
inline constexpr int kPartial = 3;
inline constexpr int kStoppedByBudget = 4;

struct Globals {
  std::string profile;
  std::string output = "table";
  bool no_color = false;

  bool json() const { return output == "json"; }
  bool color() const;  // of standard output
};

// A connection to one controller. Connects when the first call needs it.
class Session {
 public:
  static absl::StatusOr<std::unique_ptr<Session>> Open(const Profile& profile);

  std::unique_ptr<v1::FleetService::Stub> fleet;
  std::unique_ptr<v1::RemediationService::Stub> remediation;
  std::unique_ptr<v1::PolicyService::Stub> policy;
  std::unique_ptr<v1::AccessService::Stub> access;
  std::unique_ptr<v1::HostKeyService::Stub> host_keys;
  std::unique_ptr<v1::AuditService::Stub> audit;

  const std::string& controller() const { return controller_; }
  // With the remedy for what usually stands behind it. `status` must not be OK.
  absl::Status Explain(const grpc::Status& status) const;

 private:
  std::string controller_;
  std::shared_ptr<grpc::Channel> channel_;
};

absl::StatusOr<std::unique_ptr<Session>> OpenSession(const Globals& globals);

// A unary call with a deadline:  auto answer = Call(*session, session->fleet,
// &v1::FleetService::Stub::GetSummary, request);
template <typename Stub, typename Request, typename Response>
absl::StatusOr<Response> Call(const Session& session, const std::unique_ptr<Stub>& stub,
                              grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                                           Response*),
                              const Request& request, int seconds = 60) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(seconds));
  Response response;
  const grpc::Status status = (stub.get()->*method)(&context, request, &response);
  if (!status.ok()) return session.Explain(status);
  return response;
}

// All pages of a list in one response.
template <typename Stub, typename Request, typename Response>
absl::StatusOr<Response> CallForAll(const Session& session, const std::unique_ptr<Stub>& stub,
                                    grpc::Status (Stub::*method)(grpc::ClientContext*,
                                                                 const Request&, Response*),
                                    Request request) {
  request.set_page_size(1000);
  Response all;
  do {
    auto page = Call(session, stub, method, request);
    if (!page.ok()) return page.status();
    request.set_page_token(page->next_page_token());
    page->clear_next_page_token();
    all.MergeFrom(*page);
  } while (!request.page_token().empty());
  return all;
}

// "error: ..." on standard error; returns `code`.
int Fail(const absl::Status& status, int code = kError);
// The message as JSON, with the field names of the protocol.
std::string ToJson(const google::protobuf::Message& message);
void PrintJson(const google::protobuf::Message& message);
// "2 h ago", "never".
std::string Ago(const google::protobuf::Timestamp& time, bool known);

}  // namespace keymedic::cli

#endif  // KEYMEDIC_CLI_SESSION_H_
