// SPDX-License-Identifier: Apache-2.0
#include "controller/audit.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "base/hash.h"
#include "base/product_key.h"
#include "base/status_macros.h"
#include "controller/store/page.h"

namespace keymedic::controller {
namespace {

constexpr uint64_t kChunk = 500;

std::string KeyOf(uint64_t sequence) { return absl::StrFormat("%020u", sequence); }

std::string HashOf(v1::AuditEntry entry) {
  entry.clear_hash();
  return Sha256(SerializeDeterministic(entry));
}

absl::StatusOr<v1::AuditEntry> ParseEntry(const Row& row) {
  v1::AuditEntry entry;
  if (!entry.ParseFromString(row.value)) {
    return absl::DataLossError(
        absl::StrCat("audit line ", row.key, " is damaged; compare with a backup of the database"));
  }
  return entry;
}

}  // namespace

absl::StatusOr<std::unique_ptr<AuditLog>> AuditLog::Open(Store& store, const Clock& clock) {
  auto log = std::unique_ptr<AuditLog>(new AuditLog(store, clock));
  // Sequences have no gap, so the last one is found by halving.
  uint64_t present = 0, absent = 1;
  auto exists = [&](uint64_t sequence) -> absl::StatusOr<bool> {
    KM_ASSIGN_OR_RETURN(auto value, store.Get(Table::kAudit, KeyOf(sequence)));
    return value.has_value();
  };
  while (true) {
    KM_ASSIGN_OR_RETURN(bool there, exists(absent));
    if (!there) break;
    present = absent;
    absent *= 2;
  }
  while (absent - present > 1) {
    const uint64_t middle = present + (absent - present) / 2;
    KM_ASSIGN_OR_RETURN(bool there, exists(middle));
    (there ? present : absent) = middle;
  }
  if (present > 0) {
    KM_ASSIGN_OR_RETURN(auto value, store.Get(Table::kAudit, KeyOf(present)));
    KM_ASSIGN_OR_RETURN(v1::AuditEntry last, ParseEntry({KeyOf(present), value.value_or("")}));
    log->last_sequence_ = present;
    log->last_hash_ = last.hash();
  }
  return log;
}

absl::Status AuditLog::Append(absl::string_view actor, absl::string_view act,
                              absl::string_view object, absl::string_view detail) {
  return Append({{std::string(actor), std::string(act), std::string(object), std::string(detail)}});
}

absl::Status AuditLog::Append(const std::vector<AuditRecord>& records) {
  std::lock_guard lock(mutex_);
  const int64_t nanos = absl::ToUnixNanos(clock_.Now());
  uint64_t sequence = last_sequence_;
  std::string hash = last_hash_;
  Batch batch;
  for (const AuditRecord& record : records) {
    v1::AuditEntry entry;
    entry.set_sequence(++sequence);
    entry.mutable_time()->set_seconds(nanos / 1'000'000'000);
    entry.mutable_time()->set_nanos(static_cast<int32_t>(nanos % 1'000'000'000));
    entry.set_actor(record.actor);
    entry.set_act(record.act);
    entry.set_object(record.object);
    entry.set_detail(RedactProductKeys(record.detail));
    entry.set_previous_hash(hash);
    hash = HashOf(entry);
    entry.set_hash(hash);
    batch.push_back({.table = Table::kAudit,
                     .key = KeyOf(sequence),
                     .value = entry.SerializeAsString(),
                     .expected = std::optional<std::string>()});
  }
  KM_RETURN_IF_ERROR(store_.Commit(std::move(batch)));
  last_sequence_ = sequence;
  last_hash_ = hash;
  return absl::OkStatus();
}

absl::StatusOr<v1::ListAuditEntriesResponse> AuditLog::List(
    const v1::ListAuditEntriesRequest& request) {
  const size_t page_size = PageSize(request.page_size());
  uint64_t before = 0;  // entries with a lower sequence are wanted
  if (request.page_token().empty()) {
    std::lock_guard lock(mutex_);
    before = last_sequence_ + 1;
  } else if (!absl::SimpleAtoi(request.page_token(), &before)) {
    return absl::InvalidArgumentError(
        "page_token is not one that this service gave; leave it empty to begin");
  }
  v1::ListAuditEntriesResponse response;
  while (before > 1) {
    const uint64_t first = before > kChunk ? before - kChunk : 1;
    KM_ASSIGN_OR_RETURN(auto rows,
                        store_.Scan(Table::kAudit, "", KeyOf(first - 1), before - first));
    for (auto row = rows.rbegin(); row != rows.rend(); ++row) {
      KM_ASSIGN_OR_RETURN(v1::AuditEntry entry, ParseEntry(*row));
      if (entry.sequence() >= before) continue;
      if (!absl::StrContains(entry.act(), request.filter()) &&
          !absl::StrContains(entry.object(), request.filter())) {
        continue;
      }
      if (response.entries_size() == static_cast<int>(page_size)) {
        response.set_next_page_token(absl::StrCat(entry.sequence() + 1));
        return response;
      }
      *response.add_entries() = std::move(entry);
    }
    before = first;
  }
  return response;
}

absl::Status AuditLog::Verify() {
  std::string after, previous_hash;
  uint64_t expected = 1;
  while (true) {
    KM_ASSIGN_OR_RETURN(auto rows, store_.Scan(Table::kAudit, "", after, kChunk));
    for (const Row& row : rows) {
      KM_ASSIGN_OR_RETURN(v1::AuditEntry entry, ParseEntry(row));
      if (entry.sequence() != expected || row.key != KeyOf(expected) ||
          entry.previous_hash() != previous_hash || entry.hash() != HashOf(entry)) {
        return absl::DataLossError(
            absl::StrCat("audit line ", row.key, " does not follow from line ", expected - 1,
                         ": it or one before it was changed or removed; compare with a backup"));
      }
      previous_hash = entry.hash();
      after = row.key;
      ++expected;
    }
    if (rows.size() < kChunk) return absl::OkStatus();
  }
}

}  // namespace keymedic::controller
