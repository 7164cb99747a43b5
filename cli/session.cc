// SPDX-License-Identifier: Apache-2.0
#include "cli/session.h"

#include <google/protobuf/util/json_util.h>
#include <unistd.h>

#include <iostream>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/files.h"
#include "base/product_key.h"
#include "base/status_macros.h"
#include "cli/terminal.h"

namespace keymedic::cli {

bool Globals::color() const { return !no_color && WantsColor(STDOUT_FILENO); }

absl::StatusOr<std::unique_ptr<Session>> Session::Open(const Profile& profile) {
  KM_ASSIGN_OR_RETURN(const std::string ca, ReadFile(profile.ca, 1 << 20));
  KM_ASSIGN_OR_RETURN(const std::string certificate, ReadFile(profile.certificate, 1 << 20));
  KM_ASSIGN_OR_RETURN(const std::string key, ReadFile(profile.key, 1 << 20));
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 30'000);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);  // also while a watch is quiet
  arguments.SetMaxReceiveMessageSize(256 << 20);
  auto session = std::make_unique<Session>();
  session->controller_ = profile.controller;
  session->channel_ = grpc::CreateCustomChannel(
      profile.controller,
      grpc::SslCredentials(
          {.pem_root_certs = ca, .pem_private_key = key, .pem_cert_chain = certificate}),
      arguments);
  session->fleet = v1::FleetService::NewStub(session->channel_);
  session->remediation = v1::RemediationService::NewStub(session->channel_);
  session->policy = v1::PolicyService::NewStub(session->channel_);
  session->access = v1::AccessService::NewStub(session->channel_);
  session->host_keys = v1::HostKeyService::NewStub(session->channel_);
  session->audit = v1::AuditService::NewStub(session->channel_);
  return session;
}

absl::Status Session::Explain(const grpc::Status& status) const {
  std::string text = RedactProductKeys(status.error_message());
  if (status.error_code() == grpc::StatusCode::UNAVAILABLE) {
    text = absl::StrCat("cannot talk to the controller at ", controller_, ": ", text,
                        "; `keymedic doctor` finds out why");
  } else if (status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED) {
    text = absl::StrCat("the controller at ", controller_,
                        " did not answer in time; `keymedic doctor` finds out why");
  }
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()), text);
}

absl::StatusOr<std::unique_ptr<Session>> OpenSession(const Globals& globals) {
  KM_ASSIGN_OR_RETURN(const Profile profile, FindProfile(globals.profile));
  return Session::Open(profile);
}

int Fail(const absl::Status& status, int code) {
  std::cout.flush();
  std::cerr << "error: " << status.message() << '\n';
  return code;
}

std::string ToJson(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = true;
  options.always_print_primitive_fields = true;
  options.preserve_proto_field_names = true;
  std::string out;
  const auto status = google::protobuf::util::MessageToJsonString(message, &out, options);
  return status.ok() ? out : "{}\n";
}

void PrintJson(const google::protobuf::Message& message) { std::cout << ToJson(message); }

std::string Ago(const google::protobuf::Timestamp& time, bool known) {
  if (!known) return "never";
  const absl::Duration age = absl::Now() - absl::FromUnixSeconds(time.seconds());
  if (age < absl::Minutes(1)) return "now";
  if (age < absl::Hours(1)) return absl::StrCat(absl::ToInt64Minutes(age), " min ago");
  if (age < absl::Hours(48)) return absl::StrCat(absl::ToInt64Hours(age), " h ago");
  return absl::StrCat(absl::ToInt64Hours(age) / 24, " days ago");
}

}  // namespace keymedic::cli
