// SPDX-License-Identifier: Apache-2.0
//
// What the states of remediations and their targets mean and are called, for those who make them
// and those who show them. Pure; any thread.
#ifndef KEYMEDIC_BASE_REMEDIATION_STATES_H_
#define KEYMEDIC_BASE_REMEDIATION_STATES_H_

#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "keymedic/v1/remediation_service.pb.h"

namespace keymedic {

// No state follows it.
inline bool IsEnd(v1::TargetState state) { return state >= v1::TARGET_STATE_SUCCEEDED; }

inline bool IsEnd(v1::RemediationState state) { return state >= v1::REMEDIATION_STATE_SUCCEEDED; }

// Something was or may have been sent and its end is not known: holds a unit of the error budget.
inline bool IsInFlight(v1::TargetState state) {
  return state == v1::TARGET_STATE_SENT || state == v1::TARGET_STATE_RUNNING ||
         state == v1::TARGET_STATE_VERIFYING;
}

// Failed, rolled back or unknown: has used up its unit.
inline bool IsLoss(v1::TargetState state) {
  return state == v1::TARGET_STATE_FAILED || state == v1::TARGET_STATE_ROLLED_BACK ||
         state == v1::TARGET_STATE_UNKNOWN;
}

// Succeeded, or nothing was to be done: what waits for it may go on.
inline bool IsGood(v1::TargetState state) {
  return state == v1::TARGET_STATE_SUCCEEDED || state == v1::TARGET_STATE_NO_CHANGE;
}

// "succeeded", "no-change": the keys of Remediation.totals.
inline std::string StateName(v1::TargetState state) {
  const absl::string_view name = absl::StripPrefix(v1::TargetState_Name(state), "TARGET_STATE_");
  return absl::StrReplaceAll(absl::AsciiStrToLower(name), {{"_", "-"}});
}
// "stopped-by-budget"
inline std::string StateName(v1::RemediationState state) {
  const absl::string_view name =
      absl::StripPrefix(v1::RemediationState_Name(state), "REMEDIATION_STATE_");
  return absl::StrReplaceAll(absl::AsciiStrToLower(name), {{"_", "-"}});
}

}  // namespace keymedic

#endif  // KEYMEDIC_BASE_REMEDIATION_STATES_H_
