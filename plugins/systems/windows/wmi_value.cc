// SPDX-License-Identifier: Apache-2.0
#include "plugins/systems/windows/wmi_value.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace keymedic::systems {
namespace {

constexpr uint32_t kAccessDenied = 0x80070005;
constexpr uint32_t kOutOfMemory = 0x8007000E;
constexpr int kFirstYear = 1970;

std::vector<std::string> Present(const std::vector<std::string>& wanted,
                                 const std::vector<std::string>& present) {
  std::vector<std::string> columns;
  for (const std::string& column : wanted) {
    const bool known = std::any_of(present.begin(), present.end(), [&](const std::string& name) {
      return absl::EqualsIgnoreCase(name, column);
    });
    if (known) columns.push_back(column);
  }
  return columns;
}

}  // namespace

const WmiValue* WmiRow::Find(const std::string& name) const {
  const auto found = values_.find(name);
  return found == values_.end() ? nullptr : &found->second;
}

std::optional<std::string> WmiRow::Text(const std::string& name) const {
  const WmiValue* value = Find(name);
  if (value == nullptr) return std::nullopt;
  if (const auto* text = std::get_if<std::string>(value)) return *text;
  if (const auto* number = std::get_if<int64_t>(value)) return absl::StrCat(*number);
  return std::nullopt;
}

std::optional<int64_t> WmiRow::Number(const std::string& name) const {
  const WmiValue* value = Find(name);
  if (value == nullptr) return std::nullopt;
  if (const auto* number = std::get_if<int64_t>(value)) return *number;
  if (const auto* flag = std::get_if<bool>(value)) return *flag ? 1 : 0;
  const auto* text = std::get_if<std::string>(value);
  int64_t number = 0;
  uint64_t large = 0;
  if (text == nullptr) return std::nullopt;
  if (absl::SimpleAtoi(*text, &number)) return number;
  if (absl::SimpleAtoi(*text, &large)) return static_cast<int64_t>(large);
  return std::nullopt;
}

std::optional<bool> WmiRow::Flag(const std::string& name) const {
  const WmiValue* value = Find(name);
  if (value == nullptr) return std::nullopt;
  if (const auto* flag = std::get_if<bool>(value)) return *flag;
  const auto number = Number(name);
  if (!number.has_value()) return std::nullopt;
  return *number != 0;
}

std::vector<std::string> WmiRow::List(const std::string& name) const {
  const WmiValue* value = Find(name);
  if (value == nullptr) return {};
  if (const auto* list = std::get_if<std::vector<std::string>>(value)) return *list;
  if (const auto* text = std::get_if<std::string>(value)) return {*text};
  return {};
}

std::string QueryText(const WmiQuery& query) {
  std::string text =
      absl::StrCat("SELECT ", query.columns.empty() ? "*" : absl::StrJoin(query.columns, ", "),
                   " FROM ", query.class_name);
  if (!query.where.empty()) absl::StrAppend(&text, " WHERE ", query.where);
  return text;
}

WmiAnswer ColumnFallback::Query(WmiQuery query, const Run& run, const ListColumns& list) {
  const auto known = known_.find(query.class_name);
  if (known != known_.end()) query.columns = Present(query.columns, known->second);
  WmiAnswer answer = run(query);
  if (answer.hresult != kWmiInvalidQuery || query.columns.empty() || known != known_.end()) {
    return answer;
  }
  WmiNames present = list(query.class_name);
  if (present.hresult != 0) return {.hresult = present.hresult};
  std::vector<std::string> columns = Present(query.columns, present.names);
  if (columns.empty() || columns.size() == query.columns.size()) return answer;
  known_[query.class_name] = std::move(present.names);
  query.columns = std::move(columns);
  return run(query);
}

FailureOf WhoFailed(uint32_t hresult) {
  if (hresult == kAccessDenied || hresult == kOutOfMemory) return FailureOf::kWmi;
  if ((hresult & 0x80000000) == 0 || (hresult & 0xF0000000) == 0xC0000000) {
    return FailureOf::kService;
  }
  // Of the same facility as WMI's own, but above them: SL_E_… as Windows 7 numbers them.
  if ((hresult >> 16) == 0x8004 && (hresult & 0xFFFF) >= 0xD100) return FailureOf::kService;
  switch (hresult >> 16) {
    case 0x8000:  // E_FAIL and the like
    case 0x8001:  // RPC_E_…: COM lost the server
    case 0x8004:  // WBEM_E_…, CO_E_…
      return FailureOf::kWmi;
    default:
      return FailureOf::kAskAgain;
  }
}

std::optional<absl::Time> ParseWmiTime(absl::string_view text) {
  if (text.size() < 14) return std::nullopt;
  const auto part = [&](size_t at, size_t size) {
    int number = -1;
    return absl::SimpleAtoi(text.substr(at, size), &number) ? number : -1;
  };
  const int year = part(0, 4), month = part(4, 2), day = part(6, 2);
  const int hour = part(8, 2), minute = part(10, 2), second = part(12, 2);
  if (year < kFirstYear || month < 1 || month > 12 || day < 1 || day > 31 || hour < 0 ||
      minute < 0 || second < 0) {
    return std::nullopt;
  }
  absl::Time time = absl::FromCivil(absl::CivilSecond(year, month, day, hour, minute, second),
                                    absl::UTCTimeZone());
  const size_t sign = text.find_first_of("+-", 14);
  int offset = 0;
  if (sign != absl::string_view::npos && absl::SimpleAtoi(text.substr(sign + 1), &offset)) {
    time -= absl::Minutes(text[sign] == '-' ? -offset : offset);
  }
  return time;
}

}  // namespace keymedic::systems
