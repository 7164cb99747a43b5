// SPDX-License-Identifier: Apache-2.0
#include "plugins/roles/action.h"

#include <map>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "base/hash.h"
#include "base/product_key.h"
#include "kms/tables.h"

namespace keymedic::roles {
namespace {

v1::CommandResult End(v1::CommandResult result, v1::Outcome outcome, absl::string_view message) {
  result.set_outcome(outcome);
  result.set_message(RedactProductKeys(message));
  return result;
}

v1::CommandResult EndOf(v1::CommandResult result, const absl::Status& status,
                        absl::string_view what) {
  const bool refused = absl::IsInvalidArgument(status) || absl::IsFailedPrecondition(status);
  return End(std::move(result), refused ? v1::OUTCOME_REFUSED : v1::OUTCOME_FAILED,
             absl::StrCat(what, status.message()));
}

std::string Describe(const std::vector<v1::Change>& changes) {
  std::string text;
  for (const v1::Change& change : changes) {
    absl::StrAppend(&text, text.empty() ? "" : "; ", change.field(), ": '", change.before(),
                    "' -> '", change.after(), "'");
  }
  return text;
}

std::string DigestOf(const v1::CommandResult& result) {
  v1::CommandResult changes;
  *changes.mutable_changes() = result.changes();
  return Sha256Hex(SerializeDeterministic(changes));
}

v1::CommandResult Apply(v1::CommandResult result, const Plan& plan, const Look& look) {
  const absl::StatusOr<systems::Hresult> done = plan.apply();
  // Not REFUSED, whatever the code: something may have been done by then.
  if (!done.ok()) return End(std::move(result), v1::OUTCOME_FAILED, done.status().message());
  if (*done != 0) {
    result.set_error_code(*done);
    std::string message = absl::StrCat("refused with ", DescribeError(*done));
    if (plan.explain) absl::StrAppend(&message, plan.explain(*done));
    return End(std::move(result), v1::OUTCOME_FAILED, message);
  }
  if (!plan.inverse.action().empty()) *result.mutable_inverse() = plan.inverse;
  result.set_restart_required(plan.restart_required);
  const absl::StatusOr<Plan> after = look();
  if (!after.ok()) {
    return End(std::move(result), v1::OUTCOME_FAILED,
               absl::StrCat("it was done, but cannot be read back: ", after.status().message()));
  }
  std::vector<v1::Change> missing;
  for (const v1::Change& change : after->changes) {
    if (!plan.seen_later.contains(change.field())) missing.push_back(change);
  }
  if (!missing.empty()) {
    return End(std::move(result), v1::OUTCOME_FAILED,
               absl::StrCat("it was done without an error, but reading back still shows ",
                            Describe(missing)));
  }
  return End(std::move(result), v1::OUTCOME_CHANGED,
             absl::StrCat(Describe(plan.changes), plan.note));
}

}  // namespace

void Plan::Add(std::string field, std::string before, std::string after) {
  v1::Change& change = changes.emplace_back();
  change.set_field(std::move(field));
  change.set_before(std::move(before));
  change.set_after(std::move(after));
}

void Plan::SetInverse(std::string action, std::map<std::string, std::string> params) {
  inverse.set_action(std::move(action));
  inverse.mutable_params()->insert(params.begin(), params.end());
}

v1::CommandResult RunLook(const v1::Command& command, const Look& look) {
  v1::CommandResult result;
  result.set_command_id(command.id());
  if (command.mode() != v1::MODE_CHECK && command.mode() != v1::MODE_APPLY) {
    return End(std::move(result), v1::OUTCOME_REFUSED,
               "the command's mode is neither CHECK nor APPLY");
  }
  const absl::StatusOr<Plan> plan = look();
  if (!plan.ok()) return EndOf(std::move(result), plan.status(), "nothing was done: ");
  if (!plan->refusal.empty()) {
    result.set_error_code(plan->error_code);
    return End(std::move(result), v1::OUTCOME_REFUSED, plan->refusal);
  }
  if (plan->changes.empty()) {
    return End(std::move(result), v1::OUTCOME_NO_CHANGE, "already in the desired state");
  }
  result.mutable_changes()->Assign(plan->changes.begin(), plan->changes.end());
  result.set_check_digest(DigestOf(result));
  if (command.mode() == v1::MODE_CHECK) {
    if (!plan->inverse.action().empty()) *result.mutable_inverse() = plan->inverse;
    result.set_restart_required(plan->restart_required);
    return End(std::move(result), v1::OUTCOME_WOULD_CHANGE, Describe(plan->changes));
  }
  if (plan->compare_with_check && !command.expected_check_digest().empty() &&
      command.expected_check_digest() != result.check_digest()) {
    return End(std::move(result), v1::OUTCOME_REFUSED,
               absl::StrCat("drifted: the machine is no longer as it was when this was approved; "
                            "now it would be ",
                            Describe(plan->changes), ". Plan again"));
  }
  return Apply(std::move(result), *plan, look);
}

absl::StatusOr<bool> BoolParam(const v1::Command& command, const std::string& name, bool absent) {
  const auto found = command.params().find(name);
  if (found == command.params().end()) return absent;
  const std::string value = absl::AsciiStrToLower(found->second);
  if (value == "true") return true;
  if (value == "false") return false;
  return absl::InvalidArgumentError(absl::StrCat("parameter ", name, "='", found->second, "' of ",
                                                 command.action(), ": true or false"));
}

absl::StatusOr<uint64_t> NumberParam(const v1::Command& command, const std::string& name,
                                     uint64_t absent, uint64_t least, uint64_t most) {
  const auto found = command.params().find(name);
  if (found == command.params().end()) return absent;
  uint64_t value = 0;
  if (absl::SimpleAtoi(found->second, &value) && value >= least && value <= most) return value;
  return absl::InvalidArgumentError(absl::StrCat("parameter ", name, "='", found->second, "' of ",
                                                 command.action(), ": a number from ", least,
                                                 " to ", most));
}

std::string DescribeError(uint32_t code) {
  std::string text =
      absl::StrCat("0x", absl::AsciiStrToUpper(absl::StrCat(absl::Hex(code, absl::kZeroPad8))));
  const kms::ErrorRow* row = kms::FindError(code);
  if (row == nullptr) return text;
  absl::StrAppend(&text, " (", row->meaning);
  if (!row->action.empty()) absl::StrAppend(&text, "; ", row->action);
  return absl::StrCat(text, ")");
}

}  // namespace keymedic::roles
