// SPDX-License-Identifier: Apache-2.0
#include "plugins/systems/windows/event_log.h"

#include <windows.h>
#include <winevt.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "base/windows/wide.h"
#include "plugins/systems/windows/event_values.h"

namespace keymedic::systems {
namespace {

constexpr DWORD kStepMs = 20000;
constexpr size_t kBatch = 64;

struct CloseEvent {
  void operator()(EVT_HANDLE handle) const { EvtClose(handle); }
};
using Handle = std::unique_ptr<void, CloseEvent>;

absl::Status Failed(absl::string_view what, absl::string_view channel) {
  const DWORD error = GetLastError();
  return windows::Win32Error(absl::StrCat(what, " of the event log '", channel, "'"), error);
}

absl::StatusOr<uint64_t> LogInfo(EVT_HANDLE log, EVT_LOG_PROPERTY_ID property,
                                 absl::string_view channel) {
  EVT_VARIANT value{};
  DWORD used = 0;
  if (!EvtGetLogInfo(log, property, sizeof(value), &value, &used)) return Failed("state", channel);
  return (value.Type & EVT_VARIANT_TYPE_MASK) == EvtVarTypeBoolean ? uint64_t{value.BooleanVal != 0}
                                                                   : value.UInt64Val;
}

absl::StatusOr<Handle> OpenLog(absl::string_view channel) {
  Handle log(EvtOpenLog(nullptr, windows::Wide(channel).c_str(), EvtOpenChannelPath));
  if (log == nullptr) return Failed("opening", channel);
  return log;
}

absl::StatusOr<Handle> OpenConfig(absl::string_view channel) {
  Handle config(EvtOpenChannelConfig(nullptr, windows::Wide(channel).c_str(), 0));
  if (config == nullptr) return Failed("settings", channel);
  return config;
}

absl::StatusOr<uint64_t> Setting(EVT_HANDLE config, EVT_CHANNEL_CONFIG_PROPERTY_ID property,
                                 absl::string_view channel) {
  alignas(EVT_VARIANT) char buffer[sizeof(EVT_VARIANT) + 512] = {};
  auto& value = reinterpret_cast<EVT_VARIANT&>(buffer);
  DWORD used = 0;
  if (!EvtGetChannelConfigProperty(config, property, 0, sizeof(buffer), &value, &used)) {
    return Failed("settings", channel);
  }
  return (value.Type & EVT_VARIANT_TYPE_MASK) == EvtVarTypeBoolean ? uint64_t{value.BooleanVal != 0}
                                                                   : value.UInt64Val;
}

// One event's values; the buffer is used again for the next.
class Renderer {
 public:
  static absl::StatusOr<Renderer> Make(absl::string_view channel) {
    Renderer renderer;
    renderer.system_.reset(EvtCreateRenderContext(0, nullptr, EvtRenderContextSystem));
    renderer.user_.reset(EvtCreateRenderContext(0, nullptr, EvtRenderContextUser));
    if (renderer.system_ == nullptr || renderer.user_ == nullptr) {
      return Failed("rendering", channel);
    }
    return renderer;
  }

  absl::StatusOr<v1::EventRecord> Render(EVT_HANDLE event, absl::string_view channel) {
    KM_ASSIGN_OR_RETURN(size_t count, Values(system_.get(), event, channel));
    v1::EventRecord record;
    record.set_channel(std::string(channel));
    const EVT_VARIANT* values = this->values();
    if (count > EvtSystemComputer) {
      record.set_record_id(values[EvtSystemEventRecordId].UInt64Val);
      record.set_event_id(values[EvtSystemEventID].UInt16Val);
      record.set_provider(Text(values[EvtSystemProviderName]));
      record.set_computer(Text(values[EvtSystemComputer]));
      SetTime(values[EvtSystemTimeCreated].FileTimeVal, record);
    }
    // A payload that cannot be rendered takes the event itself not away.
    const auto data = Values(user_.get(), event, channel);
    if (data.ok()) {
      for (std::string& text : DataTexts(this->values(), *data)) record.add_data(std::move(text));
    }
    return record;
  }

 private:
  static std::string Text(const EVT_VARIANT& value) {
    if (value.Type != EvtVarTypeString || value.StringVal == nullptr) return "";
    return windows::Narrow(value.StringVal);
  }
  static void SetTime(uint64_t file_time, v1::EventRecord& record) {
    const absl::Time time = FromFileTime(file_time);
    const int64_t seconds = absl::ToUnixSeconds(time);
    record.mutable_time()->set_seconds(seconds);
    record.mutable_time()->set_nanos(
        static_cast<int32_t>(absl::ToInt64Nanoseconds(time - absl::FromUnixSeconds(seconds))));
  }

  const EVT_VARIANT* values() const { return reinterpret_cast<const EVT_VARIANT*>(buffer_.data()); }
  absl::StatusOr<size_t> Values(EVT_HANDLE context, EVT_HANDLE event, absl::string_view channel) {
    DWORD used = 0, count = 0;
    const auto size = [&] { return static_cast<DWORD>(buffer_.size() * sizeof(buffer_[0])); };
    while (
        !EvtRender(context, event, EvtRenderEventValues, size(), buffer_.data(), &used, &count)) {
      if (GetLastError() != ERROR_INSUFFICIENT_BUFFER || used <= size()) {
        return Failed("rendering", channel);
      }
      buffer_.resize(used / sizeof(buffer_[0]) + 1);
    }
    return count;
  }

  Handle system_, user_;
  std::vector<uint64_t> buffer_ = std::vector<uint64_t>(512);  // aligned as the values must be
};

class EventReader {
 public:
  // `direction`: EvtQueryForwardDirection or EvtQueryReverseDirection.
  static absl::StatusOr<EventReader> Open(absl::string_view channel, DWORD direction) {
    EventReader reader;
    reader.channel_ = std::string(channel);
    reader.results_.reset(EvtQuery(nullptr, windows::Wide(channel).c_str(), nullptr,
                                   EvtQueryChannelPath | direction));
    if (reader.results_ == nullptr) return Failed("opening", channel);
    return reader;
  }

  // False if that record is not there; then where this reader stands is not known.
  bool SeekBehind(uint64_t record_id) {
    const std::wstring xml =
        windows::Wide(absl::StrCat("<BookmarkList><Bookmark Channel='", channel_, "' RecordId='",
                                   record_id, "' IsCurrent='true'/></BookmarkList>"));
    const Handle bookmark(EvtCreateBookmark(xml.c_str()));
    return bookmark != nullptr &&
           EvtSeek(results_.get(), 1, bookmark.get(), 0, EvtSeekRelativeToBookmark | EvtSeekStrict);
  }

  // At most `limit`; none at the end of the log.
  absl::StatusOr<std::vector<Handle>> Next(size_t limit) {
    EVT_HANDLE events[kBatch] = {};
    DWORD count = 0;
    const auto wanted = static_cast<DWORD>(std::min(limit, kBatch));
    std::vector<Handle> owned;
    if (!EvtNext(results_.get(), wanted, events, kStepMs, 0, &count)) {
      if (GetLastError() == ERROR_NO_MORE_ITEMS) return owned;
      return Failed("reading", channel_);
    }
    for (DWORD i = 0; i < count; ++i) owned.emplace_back(events[i]);
    return owned;
  }

 private:
  std::string channel_;
  Handle results_;
};

// The first record from the one end or the other; none in an empty log.
absl::StatusOr<std::optional<v1::EventRecord>> RecordAtEnd(absl::string_view channel,
                                                           DWORD direction) {
  KM_ASSIGN_OR_RETURN(EventReader reader, EventReader::Open(channel, direction));
  KM_ASSIGN_OR_RETURN(const auto events, reader.Next(1));
  if (events.empty()) return std::nullopt;
  KM_ASSIGN_OR_RETURN(Renderer renderer, Renderer::Make(channel));
  return renderer.Render(events[0].get(), channel);
}

class WindowsEventLog final : public EventLog {
 public:
  absl::StatusOr<Batch> Read(absl::string_view channel, uint64_t after, size_t limit) override {
    KM_ASSIGN_OR_RETURN(EventReader reader, EventReader::Open(channel, EvtQueryForwardDirection));
    Batch batch;
    batch.last_record_id = after;
    if (after != 0) {
      KM_ASSIGN_OR_RETURN(const auto newest, RecordAtEnd(channel, EvtQueryReverseDirection));
      if (!newest.has_value() || newest->record_id() == after) return batch;
      if (newest->record_id() < after) {
        after = 0;  // the log was cleared and counts anew
      } else if (!reader.SeekBehind(after)) {
        // Overwritten, or cleared away: what is left is read from its beginning.
        KM_ASSIGN_OR_RETURN(reader, EventReader::Open(channel, EvtQueryForwardDirection));
      }
    }
    const absl::Status read = Collect(reader, channel, after, limit, batch);
    // What was read before a failure is told; the next call hears of the failure.
    if (!read.ok() && batch.events.empty()) return read;
    return batch;
  }

  absl::Status SetMaxBytes(absl::string_view channel, uint64_t bytes) override {
    KM_ASSIGN_OR_RETURN(const Handle config, OpenConfig(channel));
    EVT_VARIANT value{};
    value.Type = EvtVarTypeUInt64;
    value.UInt64Val = WholeLogSize(bytes);
    if (!EvtSetChannelConfigProperty(config.get(), EvtChannelLoggingConfigMaxSize, 0, &value)) {
      return Failed("size", channel);
    }
    // A log that keeps its oldest records and archives none is full one day, and then says nothing.
    const auto archives = Setting(config.get(), EvtChannelLoggingConfigAutoBackup, channel);
    if (archives.ok() && *archives == 0) {
      value.Type = EvtVarTypeBoolean;
      value.UInt64Val = 0;
      value.BooleanVal = FALSE;
      if (!EvtSetChannelConfigProperty(config.get(), EvtChannelLoggingConfigRetention, 0, &value)) {
        return Failed("retention", channel);
      }
    }
    if (!EvtSaveChannelConfig(config.get(), 0)) return Failed("saving the settings", channel);
    return absl::OkStatus();
  }

 private:
  static absl::Status Collect(EventReader& reader, absl::string_view channel, uint64_t after,
                              size_t limit, Batch& batch) {
    KM_ASSIGN_OR_RETURN(Renderer renderer, Renderer::Make(channel));
    while (batch.events.size() < limit) {
      KM_ASSIGN_OR_RETURN(const auto events, reader.Next(limit - batch.events.size()));
      if (events.empty()) break;
      for (const Handle& event : events) {
        auto record = renderer.Render(event.get(), channel);
        // A damaged record hides none of the others.
        if (!record.ok() || record->record_id() <= after) continue;
        batch.last_record_id = record->record_id();
        batch.events.push_back(*std::move(record));
      }
    }
    return absl::OkStatus();
  }
};

}  // namespace

std::unique_ptr<EventLog> MakeWindowsEventLog() { return std::make_unique<WindowsEventLog>(); }

absl::StatusOr<ChannelState> ReadChannelState(absl::string_view channel) {
  ChannelState state;
  KM_ASSIGN_OR_RETURN(const Handle config, OpenConfig(channel));
  KM_ASSIGN_OR_RETURN(state.max_bytes,
                      Setting(config.get(), EvtChannelLoggingConfigMaxSize, channel));
  KM_ASSIGN_OR_RETURN(const Handle log, OpenLog(channel));
  KM_ASSIGN_OR_RETURN(const uint64_t full, LogInfo(log.get(), EvtLogFull, channel));
  // One that overwrites its oldest records is never full in the sense that matters.
  const auto keeps = Setting(config.get(), EvtChannelLoggingConfigRetention, channel);
  state.full = full != 0 && (!keeps.ok() || *keeps != 0);
  KM_ASSIGN_OR_RETURN(const auto oldest, RecordAtEnd(channel, EvtQueryForwardDirection));
  if (oldest.has_value()) state.oldest = absl::FromUnixSeconds(oldest->time().seconds());
  return state;
}

}  // namespace keymedic::systems
