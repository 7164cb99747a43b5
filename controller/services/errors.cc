// SPDX-License-Identifier: Apache-2.0
#include "controller/services/errors.h"

#include "absl/strings/cord.h"
#include "base/product_key.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace keymedic::controller {
namespace {

constexpr absl::string_view kReasonUrl = "keymedic/reason";

std::string ReasonOf(const absl::Status& status) {
  if (auto payload = status.GetPayload(kReasonUrl)) return std::string(*payload);
  return absl::StatusCodeToString(status.code());
}

}  // namespace

absl::Status WithReason(absl::Status status, absl::string_view reason) {
  if (!status.ok()) status.SetPayload(kReasonUrl, absl::Cord(reason));
  return status;
}

grpc::Status ToGrpcStatus(const absl::Status& status, absl::string_view reason,
                          const std::map<std::string, std::string>& metadata) {
  if (status.ok()) return grpc::Status::OK;
  const std::string message = RedactProductKeys(status.message());
  google::rpc::ErrorInfo info;
  info.set_reason(reason.empty() ? ReasonOf(status) : std::string(reason));
  info.set_domain("keymedic");
  for (const auto& [key, value] : metadata) {
    (*info.mutable_metadata())[key] = RedactProductKeys(value);
  }
  google::rpc::Status details;
  details.set_code(static_cast<int>(status.code()));
  details.set_message(message);
  details.add_details()->PackFrom(info);
  if (absl::IsUnavailable(status) || absl::IsAborted(status)) {
    google::rpc::RetryInfo retry;
    retry.mutable_retry_delay()->set_seconds(1);
    details.add_details()->PackFrom(retry);
  }
  if (absl::IsFailedPrecondition(status)) {
    google::rpc::PreconditionFailure failure;
    auto* violation = failure.add_violations();
    violation->set_type(info.reason());
    violation->set_description(message);
    details.add_details()->PackFrom(failure);
  }
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), message,
                      details.SerializeAsString());
}

}  // namespace keymedic::controller
