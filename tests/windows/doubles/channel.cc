// SPDX-License-Identifier: Apache-2.0
#include "tests/windows/doubles/channel.h"

#include "absl/strings/str_cat.h"
#include "tests/windows/doubles/lab_machine.h"

namespace keymedic::doubles {
namespace {

constexpr char kKmsChannel[] = "Key Management Service";
constexpr uint64_t kUsualBytes = 20 << 20;  // of Application
constexpr size_t kAtOnce = 5000;

DWORD ToError(const absl::Status& status) {
  if (status.ok()) return ERROR_SUCCESS;
  if (absl::IsNotFound(status)) return ERROR_EVT_CHANNEL_NOT_FOUND;
  if (absl::IsInvalidArgument(status)) return ERROR_INVALID_PARAMETER;
  return RPC_S_SERVER_UNAVAILABLE;
}

// All that lie there are counted, because a lab tells no number.
absl::Status CountRecords(systems::EventLog& log, const std::string& channel, ChannelInfo& info) {
  uint64_t after = 0;
  while (true) {
    const auto batch = log.Read(channel, after, kAtOnce);
    if (!batch.ok()) return batch.status();
    if (batch->events.empty() || batch->events.front().record_id() <= after)
      return absl::OkStatus();
    if (info.records == 0) info.oldest = batch->events.front().record_id();
    info.records += batch->events.size();
    after = batch->last_record_id;
  }
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
    return CountRecords(*machine.events, channel, info);
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
