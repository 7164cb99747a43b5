// SPDX-License-Identifier: Apache-2.0
#include "lab/log.h"

#include <algorithm>

#include "lab/timestamps.h"

namespace keymedic::lab {
namespace {

constexpr char kProvider[] = "Microsoft-Windows-Security-SPP";
// What a record takes in a real log beside its strings: header, provider, computer, padding.
constexpr uint64_t kRecordOverhead = 340;

}  // namespace

void Log::Write(uint32_t event_id, absl::Time at, std::vector<std::string> data) {
  uint64_t size = kRecordOverhead;
  for (const std::string& text : data) size += 2 * text.size();  // UTF-16
  if (!overwrite_ && bytes_ + size > max_bytes_) {
    full_ = true;
    return;
  }
  records_.push_back({next_id_++, event_id, at, std::move(data), size});
  bytes_ += size;
  Trim();
}

void Log::Trim() {
  while (records_.size() > 1 && ((max_records_ != 0 && records_.size() > max_records_) ||
                                 (max_bytes_ != 0 && bytes_ > max_bytes_))) {
    bytes_ -= records_.front().bytes;
    records_.pop_front();
    overwritten_ = true;
  }
}

std::vector<keymedic::v1::EventRecord> Log::Read(uint64_t after, size_t limit) const {
  std::vector<keymedic::v1::EventRecord> out;
  if (after >= next_id_) after = 0;
  auto it = std::upper_bound(records_.begin(), records_.end(), after,
                             [](uint64_t id, const Record& record) { return id < record.id; });
  for (; it != records_.end() && out.size() < limit; ++it) {
    keymedic::v1::EventRecord& event = out.emplace_back();
    event.set_channel(channel_);
    event.set_record_id(it->id);
    event.set_event_id(it->event_id);
    event.set_provider(kProvider);
    *event.mutable_time() = ToTimestamp(it->at);
    for (const std::string& text : it->data) event.add_data(text);
    event.set_computer(computer_);
  }
  return out;
}

void Log::Reset() {
  records_.clear();
  bytes_ = 0;
  next_id_ = 1;
  full_ = false;
  overwritten_ = false;
}

void Log::SetMaxBytes(uint64_t bytes) {
  max_bytes_ = bytes;
  overwrite_ = true;
  full_ = false;
  Trim();
}

void Log::StopOverwriting(uint64_t max_bytes) {
  max_bytes_ = max_bytes;
  Trim();
  overwrite_ = false;
}

}  // namespace keymedic::lab
