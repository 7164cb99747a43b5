// SPDX-License-Identifier: Apache-2.0
#include "plugins/roles/event_history.h"

#include <utility>

#include "base/status_macros.h"
#include "kms/events.h"

namespace keymedic::roles {
namespace {

constexpr size_t kBatch = 512;
constexpr int kMostHandedOut = 2000;
// A log that always has more is not followed for ever within one call.
constexpr int kMostBatches = 2000;

uint64_t BookmarkOf(const v1::CollectRequest& request, const std::string& channel) {
  for (const v1::EventBookmark& bookmark : request.bookmarks()) {
    if (bookmark.channel() == channel) return bookmark.record_id();
  }
  return 0;
}

void KeepLicensing(std::vector<v1::EventRecord>& events) {
  std::erase_if(events, [](const v1::EventRecord& e) { return !kms::IsLicensingEvent(e); });
}

absl::Status IgnoreMissing(const absl::Status& status) {
  return absl::IsNotFound(status) ? absl::OkStatus() : status;
}

}  // namespace

EventHistory::EventHistory(systems::EventLog& log, std::vector<std::string> channels, Fold fold,
                           std::function<void()> forget)
    : log_(log),
      channels_(std::move(channels)),
      fold_(std::move(fold)),
      forget_(std::move(forget)) {}

absl::Status EventHistory::Update(const v1::CollectRequest& request) {
  for (const std::string& channel : channels_) {
    const uint64_t bookmark = BookmarkOf(request, channel);
    folded_until_.try_emplace(channel, bookmark > kFirstReach ? bookmark - kFirstReach : 0);
  }
  for (int attempt = 0; attempt < 2; ++attempt) {
    bool cleared = false;
    for (const std::string& channel : channels_) {
      const auto followed = UpdateChannel(channel, folded_until_[channel]);
      if (!followed.ok()) KM_RETURN_IF_ERROR(IgnoreMissing(followed.status()));
      cleared = cleared || (followed.ok() && !*followed);
    }
    if (!cleared) break;
    forget_();
    for (auto& [channel, folded_until] : folded_until_) folded_until = 0;
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> EventHistory::UpdateChannel(const std::string& channel,
                                                 uint64_t& folded_until) {
  for (int i = 0; i < kMostBatches; ++i) {
    KM_ASSIGN_OR_RETURN(auto batch, log_.Read(channel, folded_until, kBatch));
    if (!batch.events.empty() && batch.events.front().record_id() <= folded_until) return false;
    if (batch.last_record_id <= folded_until) break;
    folded_until = batch.last_record_id;
    KeepLicensing(batch.events);
    if (!batch.events.empty()) fold_(batch.events);
  }
  return true;
}

absl::Status HandOut(systems::EventLog& log, const std::string& channel,
                     const v1::CollectRequest& request, v1::CollectResponse& response) {
  uint64_t at = BookmarkOf(request, channel);
  const uint64_t began = at;
  const int before = response.events_size();
  for (int i = 0; i < kMostBatches && response.events_size() - before < kMostHandedOut; ++i) {
    auto batch = log.Read(channel, at, kBatch);
    if (!batch.ok()) return IgnoreMissing(batch.status());
    if (batch->last_record_id == at) break;
    at = batch->last_record_id;
    KeepLicensing(batch->events);
    for (v1::EventRecord& event : batch->events) *response.add_events() = std::move(event);
  }
  if (at != began) {
    v1::EventBookmark& bookmark = *response.add_bookmarks();
    bookmark.set_channel(channel);
    bookmark.set_record_id(at);
  }
  return absl::OkStatus();
}

}  // namespace keymedic::roles
