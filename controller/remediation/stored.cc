// SPDX-License-Identifier: Apache-2.0
#include "controller/remediation/stored.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/status_macros.h"

namespace keymedic::controller {
namespace {

constexpr size_t kPage = 1000;

std::string TargetPrefix(const std::string& id) { return id + '\0'; }

template <typename Message>
absl::Status ParseRow(const std::string& value, const std::string& id, Message& message) {
  if (message.ParseFromString(value)) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat("the stored remediation ", id,
                                          " cannot be read; restore the database from a backup"));
}

}  // namespace

Write HeaderRow(const v1::Remediation& remediation) {
  v1::Remediation header = remediation;
  header.clear_targets();
  return {.table = Table::kRemediations, .key = header.id(), .value = header.SerializeAsString()};
}

Write TargetRow(const v1::Remediation& remediation, uint32_t index) {
  return {.table = Table::kTargets,
          .key = TargetPrefix(remediation.id()) + absl::StrFormat("%010u", index),
          .value = remediation.targets(index).SerializeAsString()};
}

absl::StatusOr<std::vector<v1::Remediation>> LoadHeaders(Store& store) {
  std::vector<v1::Remediation> headers;
  std::string after;
  while (true) {
    KM_ASSIGN_OR_RETURN(std::vector<Row> rows, store.Scan(Table::kRemediations, "", after, kPage));
    for (const Row& row : rows) {
      KM_RETURN_IF_ERROR(ParseRow(row.value, row.key, headers.emplace_back()));
    }
    if (rows.size() < kPage) return headers;
    after = rows.back().key;
  }
}

absl::Status LoadTargets(Store& store, v1::Remediation& remediation) {
  remediation.clear_targets();
  std::string after;
  while (true) {
    KM_ASSIGN_OR_RETURN(std::vector<Row> rows,
                        store.Scan(Table::kTargets, TargetPrefix(remediation.id()), after, kPage));
    for (const Row& row : rows) {
      KM_RETURN_IF_ERROR(ParseRow(row.value, remediation.id(), *remediation.add_targets()));
    }
    if (rows.size() < kPage) return absl::OkStatus();
    after = rows.back().key;
  }
}

absl::StatusOr<v1::Remediation> LoadRemediation(Store& store, const std::string& id) {
  KM_ASSIGN_OR_RETURN(std::optional<std::string> row, store.Get(Table::kRemediations, id));
  if (!row) {
    return absl::NotFoundError(
        absl::StrCat("there is no remediation '", id, "'; see keymedic remediations list"));
  }
  v1::Remediation remediation;
  KM_RETURN_IF_ERROR(ParseRow(*row, id, remediation));
  KM_RETURN_IF_ERROR(LoadTargets(store, remediation));
  return remediation;
}

}  // namespace keymedic::controller
