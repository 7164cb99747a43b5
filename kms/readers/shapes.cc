// SPDX-License-Identifier: Apache-2.0
#include "kms/readers/shapes.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace keymedic::kms::readers {
namespace {

constexpr size_t kNone = absl::string_view::npos;

bool IsHigh(char c) { return static_cast<unsigned char>(c) >= 0x80; }

// How many characters at `at` satisfy `test`.
template <typename Test>
size_t Run(absl::string_view text, size_t at, Test test) {
  size_t end = at;
  while (end < text.size() && test(text[end])) ++end;
  return end - at;
}

bool IsDigit(char c) { return absl::ascii_isdigit(c); }
bool IsHex(char c) { return absl::ascii_isxdigit(c); }

bool IsSpace(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

// As absl::StripAsciiWhitespace, which asks a table behind a call for each end.
absl::string_view Trim(absl::string_view text) {
  while (!text.empty() && IsSpace(text.front())) text.remove_prefix(1);
  while (!text.empty() && IsSpace(text.back())) text.remove_suffix(1);
  return text;
}

bool IsQuote(char c) { return c == '"' || c == '\''; }

// Letters, digits and what is no ASCII, in lower case. Returns the end of what it wrote.
char* WriteKey(absl::string_view label, char* out) {
  for (char c : label) {
    if (absl::ascii_isalnum(c) || IsHigh(c)) *out++ = absl::ascii_tolower(c);
  }
  return out;
}

}  // namespace

absl::string_view WithoutQuotes(absl::string_view value) {
  while (!value.empty() && IsQuote(value.front())) value.remove_prefix(1);
  while (!value.empty() && IsQuote(value.back())) value.remove_suffix(1);
  return value;
}

std::optional<Labelled> SplitLabel(absl::string_view line) {
  constexpr size_t kLongestLabel = 120;
  const size_t colon = line.substr(0, kLongestLabel + 1).find(':');
  if (colon == kNone) return std::nullopt;
  const absl::string_view label = Trim(line.substr(0, colon));
  if (label.empty() || label.size() == 1) return std::nullopt;  // "C:\>" is no label
  absl::string_view value = Trim(line.substr(colon + 1));
  if (absl::ConsumePrefix(&value, "**")) value = Trim(value);  // "**Name:** x"
  value = WithoutQuotes(value);
  if (absl::StartsWith(value, "//") || absl::StartsWith(value, "\\")) return std::nullopt;
  return Labelled{label, value};
}

std::string LabelKey(absl::string_view label) {
  std::string key(label.size(), '\0');
  key.resize(WriteKey(label, key.data()) - key.data());
  return key;
}

TableKey::TableKey(absl::string_view label) {
  if (label.size() <= sizeof(short_)) {
    view_ = absl::string_view(short_, WriteKey(label, short_) - short_);
  } else {
    view_ = long_ = LabelKey(label);
  }
}

bool IsUnknown(absl::string_view value) {
  value = Trim(value);
  if (value.empty() || value == "N/A" || value == "-") return true;
  // "xxxxxxxx-xxxx-xxxx": removed by hand.
  constexpr absl::string_view kMasks = "xX*#-.";
  if (value.size() >= 3 && kMasks.find(value[0]) != kNone && value.find_first_of("xX*#") != kNone &&
      value.find_first_not_of(kMasks) == kNone) {
    return true;
  }
  const size_t open = value.find('<');
  if (open != kNone && value.find('>', open) != kNone) return true;
  // "[removed]", "{guid}"; but "[fd00::1]" is an address.
  const bool brackets =
      (value[0] == '[' && value.back() == ']') || (value[0] == '{' && value.back() == '}');
  return brackets && !FindGuid(value) && value.find(':') == kNone;
}

std::string Lower(absl::string_view text) { return absl::AsciiStrToLower(text); }

bool HasAny(absl::string_view text, std::initializer_list<absl::string_view> words) {
  for (absl::string_view word : words) {
    if (absl::StrContains(text, word)) return true;
  }
  return false;
}

bool HasWord(absl::string_view text, absl::string_view word) {
  for (size_t at = text.find(word); at != kNone; at = text.find(word, at + 1)) {
    const size_t end = at + word.size();
    if ((at == 0 || !absl::ascii_isalnum(text[at - 1])) &&
        (end == text.size() || !absl::ascii_isalnum(text[end]))) {
      return true;
    }
  }
  return false;
}

std::optional<std::string> FindGuid(absl::string_view text) {
  constexpr std::array<size_t, 5> kGroups = {8, 4, 4, 4, 12};
  for (size_t at = 0; at + 36 <= text.size(); ++at) {
    if (!IsHex(text[at]) || (at > 0 && absl::ascii_isalnum(text[at - 1]))) continue;
    size_t end = at;
    bool fits = true;
    for (size_t group = 0; group < kGroups.size() && fits; ++group) {
      if (group > 0) fits = end < text.size() && text[end++] == '-';
      fits = fits && Run(text, end, IsHex) == kGroups[group];
      end += kGroups[group];
    }
    if (fits) return absl::AsciiStrToLower(text.substr(at, 36));
  }
  return std::nullopt;
}

std::optional<std::string> FindExtendedPid(absl::string_view text) {
  // ddddd-ddddd-ddd-dddddd-dd-d{4,5}-d{4,5}.0000-ddddddd
  for (size_t at = 0; at < text.size(); ++at) {
    if (!IsDigit(text[at]) || (at > 0 && IsDigit(text[at - 1]))) continue;
    const size_t length = Run(text, at, [](char c) { return IsDigit(c) || c == '-' || c == '.'; });
    const absl::string_view candidate = text.substr(at, length);
    const std::vector<absl::string_view> fields = absl::StrSplit(candidate, '-');
    if (fields.size() == 8 && fields[0].size() == 5 && fields[1].size() == 5 &&
        fields[2].size() == 3 && absl::EndsWith(fields[6], ".0000") && fields[7].size() >= 6) {
      return std::string(candidate);
    }
    at += length;
  }
  return std::nullopt;
}

std::optional<std::string> FindIpAddress(absl::string_view value) {
  value = absl::StripAsciiWhitespace(value);
  const std::vector<absl::string_view> parts = absl::StrSplit(value, '.');
  if (parts.size() == 4) {
    for (absl::string_view part : parts) {
      if (part.empty() || part.size() > 3 || !IsNumber(part)) return std::nullopt;
    }
    return std::string(value);
  }
  size_t colons = 0;
  for (char c : value) {
    if (!IsHex(c) && c != ':' && c != '.' && c != '%') return std::nullopt;
    colons += c == ':';
  }
  if (colons < 2 || value.size() > 45) return std::nullopt;
  return std::string(value);
}

std::string FindChannel(absl::string_view text) {
  // Prefixes that begin a channel, at the start of a word and after the product ("…, RETAIL
  // channel").
  static constexpr absl::string_view kPrefixes[] = {
      "VOLUME_", "VOLUME-", "RETAIL", "OEM_", "TIMEBASED_", "VIRTUAL_MACHINE_ACTIVATION", "VT_IA"};
  for (size_t at = 0; at < text.size(); ++at) {
    if (!absl::ascii_isupper(text[at])) continue;
    if (at > 0 && text[at - 1] != ' ' && text[at - 1] != ',') continue;
    const absl::string_view rest = text.substr(at);
    if (std::none_of(std::begin(kPrefixes), std::end(kPrefixes),
                     [&](absl::string_view prefix) { return absl::StartsWith(rest, prefix); })) {
      continue;
    }
    // "…渠道" may follow without a space: what is no ASCII ends it too.
    absl::string_view channel =
        rest.substr(0, Run(text, at, [](char c) {
                      return absl::ascii_isalnum(c) || c == '_' || c == '-' || c == '(' || c == ')';
                    }));
    if (absl::ConsumePrefix(&channel, "VOLUME-")) return absl::StrCat("VOLUME_", channel);
    return std::string(channel);
  }
  // Somebody typed it: "…, volume_kmsclient channel".
  const size_t end = text.find(" channel");
  if (end == kNone || Lower(text) != text) return "";
  return FindChannel(absl::AsciiStrToUpper(text.substr(0, end)));
}

bool IsHostChannel(absl::string_view channel) {
  return absl::StartsWith(channel, "VOLUME_KMS") && !absl::StartsWith(channel, "VOLUME_KMSCLIENT");
}

bool IsKeyChannel(absl::string_view value) {
  for (absl::string_view prefix : {"Volume:", "Retail:", "OEM:", "MSDN:"}) {
    if (absl::StartsWith(value, prefix) && value.size() > prefix.size()) return true;
  }
  return value == "Retail";
}

bool IsPartialKey(absl::string_view value) {
  if (value.size() != 5) return false;
  for (char c : value) {
    if (absl::string_view("BCDFGHJKMNPQRTVWXY2346789").find(c) == kNone) return false;
  }
  return true;
}

std::optional<HostPort> ParseHostPort(absl::string_view value) {
  value = absl::StripAsciiWhitespace(value);
  HostPort found;
  absl::string_view host = value;
  absl::string_view port;
  if (absl::StartsWith(value, "[")) {
    const size_t close = value.find(']');
    if (close == kNone) return std::nullopt;
    host = value.substr(1, close - 1);
    port = value.substr(close + 1);
    absl::ConsumePrefix(&port, ":");
  } else if (!FindIpAddress(value) || value.find('.') != kNone) {
    const size_t colon = value.rfind(':');
    if (colon != kNone) {
      host = absl::StripAsciiWhitespace(value.substr(0, colon));
      port = absl::StripAsciiWhitespace(value.substr(colon + 1));
    }
  }
  if (!port.empty()) {
    uint32_t number = 0;
    if (!IsNumber(port) || !absl::SimpleAtoi(port, &number) || number == 0 || number > 65535) {
      return std::nullopt;
    }
    found.port = number;
  }
  if (IsUnknown(host)) return found.port ? std::optional(found) : std::nullopt;
  for (char c : host) {
    if (!absl::ascii_isalnum(c) && !IsHigh(c) && absl::string_view("-_.:%").find(c) == kNone) {
      return std::nullopt;
    }
  }
  absl::ConsumeSuffix(&host, ".");
  if (host.empty() || host.size() > 255) return std::nullopt;
  found.host = absl::AsciiStrToLower(host);
  return found;
}

std::optional<uint32_t> FindCode(absl::string_view text, bool* broken) {
  for (size_t at = 0; at + 1 < text.size(); ++at) {
    if (text[at] != '0' || (text[at + 1] != 'x' && text[at + 1] != 'X')) continue;
    if (at > 0 && absl::ascii_isalnum(text[at - 1])) continue;
    const size_t digits = Run(text, at + 2, IsHex);
    const size_t end = at + 2 + digits;
    const bool ends = end == text.size() || !absl::ascii_isalnum(text[end]);
    uint32_t code = 0;
    if (digits >= 1 && digits <= 8 && ends &&
        absl::SimpleHexAtoi(text.substr(at + 2, digits), &code)) {
      return code;
    }
    if (broken != nullptr) *broken = true;
  }
  return std::nullopt;
}

std::optional<int64_t> FindNumber(absl::string_view text) {
  for (size_t at = 0; at < text.size(); ++at) {
    if (!IsDigit(text[at])) continue;
    int64_t number = 0;
    if (!absl::SimpleAtoi(text.substr(at, Run(text, at, IsDigit)), &number)) return std::nullopt;
    return number;
  }
  return std::nullopt;
}

bool IsNumber(absl::string_view value) {
  return !value.empty() && value.size() <= 18 && Run(value, 0, IsDigit) == value.size();
}

std::optional<int64_t> FindMinutes(absl::string_view text) {
  std::vector<int64_t> numbers;
  for (size_t at = 0; at < text.size() && numbers.size() < 4; ++at) {
    if (!IsDigit(text[at])) continue;
    std::string digits;
    // "243.720" and "243 720" are one number; a date's parts are not joined (they have 2 or 4).
    size_t end = at;
    for (;;) {
      const size_t length = Run(text, end, IsDigit);
      absl::StrAppend(&digits, text.substr(end, length));
      end += length;
      if (end + 3 < text.size() && absl::string_view("., '").find(text[end]) != kNone &&
          Run(text, end + 1, IsDigit) == 3) {
        ++end;
        continue;
      }
      break;
    }
    int64_t number = 0;
    if (absl::SimpleAtoi(digits, &number)) numbers.push_back(number);
    at = end;
  }
  for (size_t i = 0; i + 1 < numbers.size(); ++i) {
    for (auto [minutes, days] :
         {std::pair(numbers[i], numbers[i + 1]), std::pair(numbers[i + 1], numbers[i])}) {
      const int64_t floor = minutes / 1440;
      if (minutes >= days && (days == floor || days == floor + 1)) return minutes;
    }
  }
  return std::nullopt;
}

namespace {

// The runs of digits at the start of `text`, and the character before each.
struct DateParts {
  std::vector<int> numbers;
  char separator = 0;  // between the first two
};

DateParts ReadDateParts(absl::string_view text) {
  DateParts parts;
  for (size_t at = 0; at < text.size() && parts.numbers.size() < 6; ++at) {
    if (!IsDigit(text[at])) continue;
    const size_t length = Run(text, at, IsDigit);
    int number = 0;
    if (length > 4 || !absl::SimpleAtoi(text.substr(at, length), &number)) break;
    parts.numbers.push_back(number);
    at += length;
    if (parts.numbers.size() == 1 && at < text.size()) parts.separator = text[at];
  }
  return parts;
}

}  // namespace

std::optional<absl::Time> ParseInstant(absl::string_view text) {
  if (IsUnknown(text)) return std::nullopt;
  const DateParts parts = ReadDateParts(text);
  if (parts.numbers.size() < 3) return std::nullopt;
  const std::string lower = Lower(text);
  const bool pm = HasWord(lower, "pm");
  const bool twelve_hours = pm || HasWord(lower, "am");
  int year = parts.numbers[0];
  int month = parts.numbers[1];
  int day = parts.numbers[2];
  if (year < 1000) {
    year = parts.numbers[2];
    const int a = parts.numbers[0];
    const int b = parts.numbers[1];
    // "16.02.2024" is day first; "10/26/2016 9:58:33 AM" is month first.
    const bool month_first = b > 12 || (a <= 12 && parts.separator == '/' && twelve_hours);
    month = month_first ? a : b;
    day = month_first ? b : a;
    if (year < 100) year += 2000;
  }
  int clock[3] = {0, 0, 0};
  for (size_t i = 3; i < parts.numbers.size(); ++i) clock[i - 3] = parts.numbers[i];
  if (pm && clock[0] < 12) clock[0] += 12;
  if (twelve_hours && !pm && clock[0] == 12) clock[0] = 0;
  if (year < 1990 || year > 2200 || month < 1 || month > 12 || day < 1 || day > 31 ||
      clock[0] > 23 || clock[1] > 59 || clock[2] > 60) {
    return std::nullopt;
  }
  return absl::FromCivil(absl::CivilSecond(year, month, day, clock[0], clock[1], clock[2]),
                         absl::UTCTimeZone());
}

size_t NextBracket(absl::string_view json, size_t at) {
  bool quoted = false;
  for (; at < json.size(); ++at) {
    const char c = json[at];
    if (quoted) {
      if (c == '\\')
        ++at;
      else if (c == '"')
        quoted = false;
    } else if (c == '"') {
      quoted = true;
    } else if (c == '{' || c == '}' || c == '[' || c == ']') {
      return at;
    }
  }
  return kNone;
}

std::optional<std::string> FindVersion(absl::string_view text) {
  for (size_t at = 0; at < text.size(); ++at) {
    if (!IsDigit(text[at])) continue;
    const size_t length = Run(text, at, [](char c) { return IsDigit(c) || c == '.'; });
    const absl::string_view candidate = text.substr(at, length);
    const std::vector<absl::string_view> parts = absl::StrSplit(candidate, '.');
    if (parts.size() == 4 && parts[2].size() >= 4 && !parts[3].empty()) {
      return std::string(candidate);
    }
    at += length;
  }
  return std::nullopt;
}

}  // namespace keymedic::kms::readers
