// SPDX-License-Identifier: Apache-2.0
#include "plugins/systems/windows/event_values.h"

#include <objbase.h>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/windows/wide.h"

namespace keymedic::systems {
namespace {

constexpr uint64_t kLogStep = 64 << 10;
constexpr int64_t kSecondsTo1970 = 11644473600;  // from 1601, where file times begin
constexpr int64_t kTicksPerSecond = 10000000;

std::string GuidText(const GUID& guid) {
  wchar_t text[40] = L"";
  const int size = StringFromGUID2(guid, text, 40);
  return size <= 1 ? ""
                   : absl::AsciiStrToLower(windows::Narrow({text, static_cast<size_t>(size) - 1}));
}

std::string TimeText(uint64_t file_time) {
  return absl::FormatTime("%Y/%m/%d %H:%M:%S", FromFileTime(file_time), absl::UTCTimeZone());
}

std::string NumberText(const EVT_VARIANT& value) {
  switch (value.Type & EVT_VARIANT_TYPE_MASK) {
    case EvtVarTypeSByte:
      return absl::StrCat(static_cast<int>(value.SByteVal));
    case EvtVarTypeByte:
      return absl::StrCat(static_cast<int>(value.ByteVal));
    case EvtVarTypeInt16:
      return absl::StrCat(value.Int16Val);
    case EvtVarTypeUInt16:
      return absl::StrCat(value.UInt16Val);
    case EvtVarTypeInt32:
      return absl::StrCat(value.Int32Val);
    case EvtVarTypeUInt32:
      return absl::StrCat(value.UInt32Val);
    case EvtVarTypeInt64:
      return absl::StrCat(value.Int64Val);
    case EvtVarTypeUInt64:
      return absl::StrCat(value.UInt64Val);
    case EvtVarTypeSingle:
      return absl::StrCat(value.SingleVal);
    case EvtVarTypeDouble:
      return absl::StrCat(value.DoubleVal);
    default:
      return "";
  }
}

std::string ValueText(const EVT_VARIANT& value) {
  switch (value.Type & EVT_VARIANT_TYPE_MASK) {
    case EvtVarTypeString:
      return value.StringVal == nullptr ? "" : windows::Narrow(value.StringVal);
    case EvtVarTypeAnsiString:
      return value.AnsiStringVal == nullptr ? "" : value.AnsiStringVal;
    case EvtVarTypeBoolean:
      return value.BooleanVal ? "true" : "false";
    case EvtVarTypeHexInt32:
      return absl::StrCat("0x", absl::Hex(value.UInt32Val));
    case EvtVarTypeHexInt64:
      return absl::StrCat("0x", absl::Hex(value.UInt64Val));
    case EvtVarTypeGuid:
      return value.GuidVal == nullptr ? "" : GuidText(*value.GuidVal);
    case EvtVarTypeFileTime:
      return TimeText(value.FileTimeVal);
    default:
      return NumberText(value);
  }
}

bool IsBytes(const EVT_VARIANT& value) {
  return (value.Type & EVT_VARIANT_TYPE_MASK) == EvtVarTypeBinary;
}

}  // namespace

std::vector<std::string> DataTexts(const EVT_VARIANT* values, size_t count) {
  std::vector<std::string> texts;
  for (size_t i = 0; i < count; ++i) {
    const EVT_VARIANT& value = values[i];
    if (IsBytes(value)) continue;
    const bool array = (value.Type & EVT_VARIANT_TYPE_ARRAY) != 0;
    if (!array) {
      texts.push_back(ValueText(value));
    } else if ((value.Type & EVT_VARIANT_TYPE_MASK) == EvtVarTypeString) {
      for (DWORD k = 0; k < value.Count && value.StringArr != nullptr; ++k) {
        texts.push_back(value.StringArr[k] == nullptr ? "" : windows::Narrow(value.StringArr[k]));
      }
    } else {
      texts.emplace_back();  // keeps the place; no event of ours has arrays of numbers
    }
  }
  while (!texts.empty() && texts.back().empty()) texts.pop_back();
  return texts;
}

absl::Time FromFileTime(uint64_t file_time) {
  const auto ticks = static_cast<int64_t>(file_time);
  return absl::FromUnixSeconds(ticks / kTicksPerSecond - kSecondsTo1970) +
         absl::Nanoseconds(ticks % kTicksPerSecond * 100);
}

uint64_t WholeLogSize(uint64_t bytes) { return (bytes + kLogStep - 1) / kLogStep * kLogStep; }

}  // namespace keymedic::systems
