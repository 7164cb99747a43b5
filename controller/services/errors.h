// SPDX-License-Identifier: Apache-2.0
//
// absl::Status on its way to a caller: the same code and message, with a google.rpc.Status in the
// trailing metadata whose ErrorInfo says the reason for programs. The only place where grpc::Status
// errors are made.
#ifndef KEYMEDIC_CONTROLLER_SERVICES_ERRORS_H_
#define KEYMEDIC_CONTROLLER_SERVICES_ERRORS_H_

#include <grpcpp/support/status.h>

#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace keymedic::controller {

// `reason` is a stable UPPER_CASE name ("TOKEN_EXPIRED"); empty: one that follows from the code.
// kUnavailable and kAborted carry a RetryInfo, kFailedPrecondition a PreconditionFailure. Product
// keys in the message are redacted.
grpc::Status ToGrpcStatus(const absl::Status& status, absl::string_view reason = "",
                          const std::map<std::string, std::string>& metadata = {});

// Gives `status` a reason that ToGrpcStatus uses when it is not told another.
absl::Status WithReason(absl::Status status, absl::string_view reason);

}  // namespace keymedic::controller

#endif  // KEYMEDIC_CONTROLLER_SERVICES_ERRORS_H_
