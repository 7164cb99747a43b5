// SPDX-License-Identifier: Apache-2.0
#include "tests/windows/doubles/rendering.h"

#include <cstring>

#include "absl/time/time.h"
#include "base/times.h"
#include "base/windows/wide.h"

namespace keymedic::doubles {
namespace {

// Hundreds of nanoseconds since 1601.
uint64_t ToFileTime(absl::Time time) {
  const absl::Duration since =
      time - absl::FromCivil(absl::CivilSecond(1601, 1, 1), absl::UTCTimeZone());
  return static_cast<uint64_t>(since / absl::Nanoseconds(100));
}

}  // namespace

Rendering::Item Rendering::Text(const std::string& utf8) {
  Item item;
  item.value.Type = EvtVarTypeString;
  item.text = windows::Wide(utf8);
  return item;
}

Rendering Rendering::System(const v1::EventRecord& event) {
  Rendering out;
  out.values_.resize(EvtSystemPropertyIdEND);  // what is not set is null, as for classic events
  auto& values = out.values_;
  values[EvtSystemProviderName] = Text(event.provider());
  values[EvtSystemChannel] = Text(event.channel());
  values[EvtSystemComputer] = Text(event.computer());
  values[EvtSystemEventID].value.Type = EvtVarTypeUInt16;
  values[EvtSystemEventID].value.UInt16Val = static_cast<UINT16>(event.event_id());
  values[EvtSystemEventRecordId].value.Type = EvtVarTypeUInt64;
  values[EvtSystemEventRecordId].value.UInt64Val = event.record_id();
  values[EvtSystemTimeCreated].value.Type = EvtVarTypeFileTime;
  values[EvtSystemTimeCreated].value.FileTimeVal = ToFileTime(FromTimestamp(event.time()));
  return out;
}

Rendering Rendering::User(const v1::EventRecord& event) {
  Rendering out;
  for (const std::string& text : event.data()) out.values_.push_back(Text(text));
  return out;
}

DWORD Rendering::bytes() const {
  size_t bytes = values_.size() * sizeof(EVT_VARIANT);
  for (const Item& item : values_) {
    if (item.value.Type == EvtVarTypeString) bytes += (item.text.size() + 1) * sizeof(wchar_t);
  }
  return static_cast<DWORD>(bytes);
}

void Rendering::CopyTo(void* buffer) const {
  auto* const values = static_cast<EVT_VARIANT*>(buffer);
  auto* text = reinterpret_cast<wchar_t*>(values + values_.size());
  for (size_t i = 0; i < values_.size(); ++i) {
    values[i] = values_[i].value;
    if (values[i].Type != EvtVarTypeString) continue;
    values[i].StringVal = text;
    const size_t size = values_[i].text.size() + 1;
    std::memcpy(text, values_[i].text.c_str(), size * sizeof(wchar_t));
    text += size;
  }
}

}  // namespace keymedic::doubles
