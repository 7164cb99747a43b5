// SPDX-License-Identifier: Apache-2.0
#include "controller/policy.h"

#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/hash.h"
#include "base/status_macros.h"
#include "controller/remediation/states.h"
#include "kms/tables.h"

namespace keymedic::controller {
namespace {

constexpr char kKey[] = "policy";
constexpr uint32_t kMostHours = 24 * 365;

struct Stored {
  std::optional<std::string> bytes;
  v1::Policy policy;
};

v1::Policy Complete(v1::Policy policy) {
  policy.clear_etag();
  if (!policy.has_expect_kms()) policy.set_expect_kms(true);
  if (policy.grace_warning_days() == 0) policy.set_grace_warning_days(30);
  if (policy.clock_skew_minutes() == 0) policy.set_clock_skew_minutes(60);
  if (policy.agent_silent_minutes() == 0) policy.set_agent_silent_minutes(60);
  if (policy.expiry_ahead_days() == 0) policy.set_expiry_ahead_days(30);
  policy.set_etag(Sha256Hex(SerializeDeterministic(policy)).substr(0, 16));
  return policy;
}

absl::StatusOr<Stored> Read(Store& store) {
  Stored stored;
  KM_ASSIGN_OR_RETURN(stored.bytes, store.Get(Table::kPolicy, kKey));
  if (stored.bytes && !stored.policy.ParseFromString(*stored.bytes)) {
    return absl::DataLossError("the stored policy is damaged; restore the store from a backup");
  }
  stored.policy = Complete(std::move(stored.policy));
  return stored;
}

absl::Status Check(const v1::Policy& policy) {
  for (const std::string& host : policy.kms_hosts()) {
    if (host.empty() || host.size() > 255 || host.find_first_of(" \t\n:/") != std::string::npos) {
      return absl::InvalidArgumentError(absl::StrCat(
          "kms_hosts: \"", host, "\" is no host name; give a name such as kms1.contoso.example"));
    }
  }
  if (policy.clock_skew_minutes() > 240) {
    return absl::InvalidArgumentError(
        absl::StrCat("clock_skew_minutes: ", policy.clock_skew_minutes(),
                     "; a KMS host accepts 240 at most, so more is never right"));
  }
  if (policy.grace_warning_days() > 180 || policy.expiry_ahead_days() > 180) {
    return absl::InvalidArgumentError(
        "grace_warning_days, expiry_ahead_days: at most 180, the life of an activation");
  }
  if (policy.agent_silent_minutes() > kMostHours * 60) {
    return absl::InvalidArgumentError("agent_silent_minutes: at most a year");
  }
  for (const std::string& code : policy.automatic()) {
    if (kms::FindFinding(code) == nullptr) {
      return absl::InvalidArgumentError(
          absl::StrCat("automatic: there is no finding '", code,
                       "'; keymedic findings explain --all lists them"));
    }
  }
  v1::RolloutPolicy rollout = policy.rollout();
  return CompletePolicy(rollout);
}

}  // namespace

absl::StatusOr<v1::Policy> LoadPolicy(Store& store) {
  KM_ASSIGN_OR_RETURN(Stored stored, Read(store));
  return stored.policy;
}

absl::StatusOr<v1::Policy> SavePolicy(Store& store, const v1::Policy& policy) {
  KM_RETURN_IF_ERROR(Check(policy));
  KM_ASSIGN_OR_RETURN(Stored stored, Read(store));
  const absl::Status changed = absl::AbortedError(
      "the policy was changed since it was read, or was sent without its etag; read it again, make "
      "the change there and send it with its etag");
  if (policy.etag() != stored.policy.etag()) return changed;
  v1::Policy complete = Complete(policy);
  const absl::Status status = store.Commit({{.table = Table::kPolicy,
                                             .key = kKey,
                                             .value = complete.SerializeAsString(),
                                             .expected = std::move(stored.bytes)}});
  if (absl::IsAborted(status)) return changed;
  KM_RETURN_IF_ERROR(status);
  return complete;
}

}  // namespace keymedic::controller
