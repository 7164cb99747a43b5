// SPDX-License-Identifier: Apache-2.0
#include "kms/readers/evtx_values.h"

#include <array>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "kms/readers/bytes.h"
#include "kms/readers/text.h"

namespace keymedic::kms::readers {
namespace {

constexpr size_t kMaxText = 32u << 10;
constexpr size_t kMaxStrings = 64;

// "text\0more\0" of UTF-16.
std::vector<std::string> Strings(absl::string_view bytes) {
  std::vector<std::string> strings;
  size_t begin = 0;
  for (size_t i = 0; i + 1 < bytes.size() && strings.size() < kMaxStrings; i += 2) {
    if (bytes[i] != 0 || bytes[i + 1] != 0) continue;
    strings.push_back(FromUtf16(bytes.substr(begin, i - begin), false));
    begin = i + 2;
  }
  if (begin + 1 < bytes.size() && strings.size() < kMaxStrings) {
    strings.push_back(FromUtf16(bytes.substr(begin), false));
  }
  return strings;
}

std::string GuidText(absl::string_view b) {
  std::string text = absl::StrFormat("{%08X-%04X-%04X-", LittleEndian<uint32_t>(b, 0),
                                     LittleEndian<uint16_t>(b, 4), LittleEndian<uint16_t>(b, 6));
  for (size_t i = 8; i < 16; ++i) {
    absl::StrAppendFormat(&text, "%02X%s", static_cast<uint8_t>(b[i]), i == 9 ? "-" : "");
  }
  return text + "}";
}

std::optional<absl::Time> TimeOfSystemTime(absl::string_view b) {
  std::array<uint16_t, 8> part;
  for (size_t i = 0; i < part.size(); ++i) part[i] = LittleEndian<uint16_t>(b, 2 * i);
  const auto [year, month, weekday, day, hour, minute, second, millisecond] = part;
  if (year < 1601 || month < 1 || month > 12 || day < 1 || day > 31) return std::nullopt;
  return absl::FromCivil(absl::CivilSecond(year, month, day, hour, minute, second),
                         absl::UTCTimeZone());
}

// Numbers of `size` bytes as XML writes them; "" for what is none.
std::string NumberText(uint8_t type, absl::string_view b) {
  uint64_t number = 0;
  for (size_t i = b.size(); i-- > 0;) number = number << 8 | static_cast<uint8_t>(b[i]);
  if (type == kHex32 || type == kHex64) return absl::StrFormat("0x%x", number);
  constexpr uint8_t kFirstInteger = 0x03, kLastInteger = 0x0A, kBool = 0x0D, kSize = 0x10;
  if (type == kBool) return number != 0 ? "true" : "false";
  if (type == kSize) return absl::StrFormat("0x%x", number);
  if (type < kFirstInteger || type > kLastInteger || b.empty()) return "";
  const bool is_signed = type % 2 == 1;
  if (!is_signed || b.size() > 8) return absl::StrCat(number);
  const int unused = 64 - 8 * static_cast<int>(b.size());
  return absl::StrCat(static_cast<int64_t>(number << unused) >> unused);
}

}  // namespace

void EvtxContent::Append(absl::string_view more) {
  if (text.size() < kMaxText) absl::StrAppend(&text, Excerpt(more, kMaxText - text.size()));
}

std::optional<absl::Time> TimeOfFileTime(uint64_t ticks) {
  // 100 ns each since 1601.
  constexpr int64_t kSecondsTo1970 = 11'644'473'600;
  constexpr uint64_t kPerSecond = 10'000'000;
  const int64_t seconds = static_cast<int64_t>(ticks / kPerSecond) - kSecondsTo1970;
  constexpr int64_t kYear2200 = 7'258'118'400;
  if (seconds <= 0 || seconds >= kYear2200) return std::nullopt;
  return absl::FromUnixSeconds(seconds) + absl::Nanoseconds(100) * (ticks % kPerSecond);
}

void AppendValue(uint8_t type, absl::string_view bytes, EvtxContent& content) {
  switch (type) {
    case kString: {
      // Some writers end it with a NUL, some do not.
      const size_t units = bytes.size() / 2;
      const bool ended = units > 0 && LittleEndian<uint16_t>(bytes, 2 * (units - 1)) == 0;
      content.Append(FromUtf16(bytes.substr(0, 2 * (units - ended)), false));
      return;
    }
    case kString | kArray:
      content.items = Strings(bytes);
      if (content.items.empty()) content.omitted = true;
      return;
    case kAnsi: {
      Document decoded;  // in a code page of its machine, of which only the ASCII part is certain
      Decode(bytes.substr(0, bytes.find('\0')), decoded);
      content.Append(decoded.text);
      return;
    }
    case kGuid:
      if (bytes.size() == 16) content.Append(GuidText(bytes));
      return;
    case kFileTime:
      if (bytes.size() == 8) content.time = TimeOfFileTime(LittleEndian<uint64_t>(bytes, 0));
      break;
    case kSystemTime:
      if (bytes.size() == 16) content.time = TimeOfSystemTime(bytes);
      break;
    default:
      if (bytes.size() <= 8) content.Append(NumberText(type, bytes));
      return;
  }
  if (content.time) {
    content.Append(absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", *content.time, absl::UTCTimeZone()));
  }
}

}  // namespace keymedic::kms::readers
