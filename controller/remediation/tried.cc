// SPDX-License-Identifier: Apache-2.0
#include "controller/remediation/tried.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "base/times.h"
#include "controller/remediation/states.h"

namespace keymedic::controller {
namespace {

constexpr size_t kPage = 1000;
// A finding that was undone back into being is seen anew a little after the attempt ended.
constexpr absl::Duration kSameFinding = absl::Hours(1);

std::string KeyOf(absl::string_view machine_id, absl::string_view code, absl::string_view action) {
  return absl::StrCat(machine_id, absl::string_view("\0", 1), code, absl::string_view("\0", 1),
                      action);
}

// It did something, or tried to; a refusal did nothing.
bool WasTried(const v1::Step& step) {
  return step.outcome() == v1::OUTCOME_CHANGED || step.outcome() == v1::OUTCOME_FAILED;
}

}  // namespace

absl::StatusOr<Tried> Tried::Load(Store& store) {
  Tried tried;
  std::string after;
  while (true) {
    KM_ASSIGN_OR_RETURN(std::vector<Row> rows, store.Scan(Table::kTried, "", after, kPage));
    for (const Row& row : rows) {
      if (!tried.rows_[row.key].ParseFromString(row.value)) {
        return absl::DataLossError(
            "a stored attempt cannot be read; restore the database from a backup");
      }
    }
    if (rows.size() < kPage) return tried;
    after = rows.back().key;
  }
}

void Tried::Note(const v1::Remediation& remediation, const v1::Target& target, absl::Time now,
                 Batch& batch) {
  const bool failed =
      target.state() == v1::TARGET_STATE_FAILED || target.state() == v1::TARGET_STATE_ROLLED_BACK;
  if (!failed && target.state() != v1::TARGET_STATE_SUCCEEDED) return;
  std::vector<std::string> codes(target.finding_codes().begin(), target.finding_codes().end());
  codes.insert(codes.end(), target.elsewhere_codes().begin(), target.elsewhere_codes().end());
  for (const std::string& code : codes) {
    for (const v1::Step& step : target.steps()) {
      std::string key = KeyOf(target.machine_id(), code, step.action());
      if (!failed) {
        if (rows_.erase(key) > 0) batch.push_back({.table = Table::kTried, .key = std::move(key)});
        continue;
      }
      if (!WasTried(step)) continue;
      rows::v1::TriedRow& row = rows_[key];
      row.set_machine_id(target.machine_id());
      row.set_code(code);
      row.set_action(step.action());
      row.set_remediation(remediation.id());
      *row.mutable_tried_at() = ToTimestamp(now);
      row.set_message(target.message());
      batch.push_back(
          {.table = Table::kTried, .key = std::move(key), .value = row.SerializeAsString()});
    }
  }
}

std::string Tried::WhyNotAgain(const v1::Finding& finding, const std::string& machine_id,
                               const std::string& action) const {
  const auto found = rows_.find(KeyOf(machine_id, finding.code(), action));
  if (found == rows_.end()) return "";
  const rows::v1::TriedRow& row = found->second;
  const bool is_new =
      finding.has_first_seen_at() &&
      FromTimestamp(finding.first_seen_at()) > FromTimestamp(row.tried_at()) + kSameFinding;
  if (is_new) return "";
  return absl::StrCat("was tried by ", row.remediation(), " and did not help (", row.message(),
                      "); to try it once more, plan with --again");
}

}  // namespace keymedic::controller
