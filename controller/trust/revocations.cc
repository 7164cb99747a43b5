// SPDX-License-Identifier: Apache-2.0
#include "controller/trust/revocations.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "base/times.h"

namespace keymedic::controller {

using rows::v1::RevocationRow;

absl::StatusOr<std::unique_ptr<Revocations>> Revocations::Load(Store& store) {
  constexpr size_t kChunk = 1000;
  auto revocations = std::unique_ptr<Revocations>(new Revocations(store));
  std::string after;
  while (true) {
    KM_ASSIGN_OR_RETURN(std::vector<Row> rows, store.Scan(Table::kRevoked, "", after, kChunk));
    for (const Row& row : rows) {
      if (!revocations->rows_[row.key].ParseFromString(row.value)) {
        return absl::DataLossError(absl::StrCat("the store's row on the ban or reset of machine ",
                                                row.key, " is damaged; restore it from a backup"));
      }
    }
    if (rows.size() < kChunk) return revocations;
    after = rows.back().key;
  }
}

RevocationRow Revocations::Find(absl::string_view machine_id) const {
  std::shared_lock lock(mutex_);
  const auto it = rows_.find(machine_id);
  return it == rows_.end() ? RevocationRow() : it->second;
}

absl::Status Revocations::Check(absl::string_view machine_id, absl::Time issued_at) const {
  if (BanReason(machine_id)) {
    return absl::PermissionDeniedError(
        absl::StrCat("machine ", machine_id, " is banned from this estate; an admin can say why"));
  }
  if (issued_at < ValidFrom(machine_id)) {
    return absl::UnauthenticatedError(
        absl::StrCat("machine ", machine_id, " was reset: its certificate of ",
                     absl::FormatTime(absl::RFC3339_sec, issued_at, absl::UTCTimeZone()),
                     " is void. Enrol it again with a new join token: keymedic-agent enroll"));
  }
  return absl::OkStatus();
}

std::optional<std::string> Revocations::BanReason(absl::string_view machine_id) const {
  RevocationRow row = Find(machine_id);
  if (!row.banned()) return std::nullopt;
  return std::move(*row.mutable_ban_reason());
}

absl::Time Revocations::ValidFrom(absl::string_view machine_id) const {
  const RevocationRow row = Find(machine_id);
  return row.has_valid_from() ? FromTimestamp(row.valid_from()) : absl::InfinitePast();
}

absl::Status Revocations::Ban(const std::string& machine_id, absl::string_view reason) {
  std::lock_guard changing(changing_);
  RevocationRow row = Find(machine_id);
  row.set_banned(true);
  row.set_ban_reason(std::string(reason));
  return Save(machine_id, std::move(row));
}

absl::Status Revocations::Unban(const std::string& machine_id) {
  std::lock_guard changing(changing_);
  RevocationRow row = Find(machine_id);
  if (!row.banned()) {
    return absl::FailedPreconditionError(absl::StrCat("machines/", machine_id, " is not banned"));
  }
  row.clear_banned();
  row.clear_ban_reason();
  return Save(machine_id, std::move(row));
}

absl::Status Revocations::VoidCertificates(const std::string& machine_id, absl::Time now) {
  std::lock_guard changing(changing_);
  RevocationRow row = Find(machine_id);
  // Also where the clock was set back: it never turns to what was void before.
  const absl::Time until = std::max(now, FromTimestamp(row.valid_from()));
  *row.mutable_valid_from() = ToTimestamp(absl::FromUnixSeconds(absl::ToUnixSeconds(until) + 1));
  return Save(machine_id, std::move(row));
}

absl::Status Revocations::Save(const std::string& machine_id, RevocationRow row) {
  KM_RETURN_IF_ERROR(store_.Commit(
      {{.table = Table::kRevoked, .key = machine_id, .value = row.SerializeAsString()}}));
  std::unique_lock lock(mutex_);
  rows_[machine_id] = std::move(row);
  return absl::OkStatus();
}

}  // namespace keymedic::controller
