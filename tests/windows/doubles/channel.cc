// SPDX-License-Identifier: Apache-2.0
#include "tests/windows/doubles/channel.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "tests/windows/doubles/lab_machine.h"

namespace keymedic::doubles {
namespace {

constexpr char kKmsChannel[] = "Key Management Service";
constexpr uint64_t kUsualBytes = 20 << 20;  // of Application

DWORD ToError(const absl::Status& status) {
  if (status.ok()) return ERROR_SUCCESS;
  if (absl::IsNotFound(status)) return ERROR_EVT_CHANNEL_NOT_FOUND;
  if (absl::IsInvalidArgument(status)) return ERROR_INVALID_PARAMETER;
  return RPC_S_SERVER_UNAVAILABLE;
}

// The first record behind `after`; 0 if there is none. A lab begins anew behind its end.
absl::StatusOr<uint64_t> NextId(systems::EventLog& log, const std::string& channel,
                                uint64_t after) {
  const auto batch = log.Read(channel, after, 1);
  if (!batch.ok()) return batch.status();
  if (batch->events.empty()) return 0;
  const uint64_t id = batch->events.front().record_id();
  return id > after ? id : 0;
}

// A lab does not tell it, but ids have no gaps: it is looked for.
absl::StatusOr<uint64_t> NewestId(systems::EventLog& log, const std::string& channel) {
  KM_ASSIGN_OR_RETURN(uint64_t last, NextId(log, channel, 0));
  if (last == 0) return last;
  uint64_t step = 1;
  while (true) {
    KM_ASSIGN_OR_RETURN(const uint64_t behind, NextId(log, channel, last + step - 1));
    if (behind == 0 && step == 1) break;
    if (behind != 0) last = behind;
    step = behind != 0 ? step * 2 : std::max<uint64_t>(step / 4, 1);
  }
  return last;
}

void Shorten(std::string& text) {
  const size_t second = text.find(',', text.find(',') + 1);
  if (second != std::string::npos) text.resize(second);
}

void Distort(v1::EventRecord& event) {
  const std::string how = FaultValue("events");
  if (how == "short") {
    if (event.data_size() > 0) Shorten(*event.mutable_data(0));
    while (event.data_size() > 1) event.mutable_data()->RemoveLast();
  } else if (how == "long") {
    if (event.data_size() > 0) absl::StrAppend(event.mutable_data(0), ",an extra field,17");
    event.add_data("an extra text");
  }
}

}  // namespace

DWORD ReadChannelInfo(const std::string& channel, ChannelInfo& info) {
  info.max_bytes = kUsualBytes;
  return ToError(WithLabMachine([&](systems::Systems& machine) {
    if (channel == kKmsChannel) {
      const auto host = machine.licensing->Host();
      if (host.ok()) {
        info.max_bytes = host->log_max_bytes();
        info.full = host->log_full();
      }
    }
    const auto newest = NewestId(*machine.events, channel);
    if (newest.ok()) info.newest = *newest;
    return newest.status();
  }));
}

DWORD ReadChannel(const std::string& channel, uint64_t after, uint32_t limit,
                  std::vector<v1::EventRecord>& events) {
  return ToError(WithLabMachine([&](systems::Systems& machine) {
    auto batch = machine.events->Read(channel, after, limit);
    if (!batch.ok()) return batch.status();
    // A lab begins anew behind its end; Windows has nothing there.
    if (batch->events.empty() || batch->events.front().record_id() <= after)
      return absl::OkStatus();
    events = std::move(batch->events);
    for (v1::EventRecord& event : events) Distort(event);
    return absl::OkStatus();
  }));
}

DWORD SetChannelBytes(const std::string& channel, uint64_t bytes) {
  return ToError(WithLabMachine(
      [&](systems::Systems& machine) { return machine.events->SetMaxBytes(channel, bytes); }));
}

}  // namespace keymedic::doubles
