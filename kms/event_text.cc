// SPDX-License-Identifier: Apache-2.0
#include "kms/event_text.h"

#include <algorithm>
#include <cstdio>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/product_key.h"
#include "kms/tables.h"

namespace keymedic::kms {
namespace {

constexpr size_t kTextLimit = 8192;
constexpr size_t kGuidSize = 36;
constexpr uint32_t kFailureBit = 0x80000000;

bool IsGuid(absl::string_view text) {
  if (text.size() != kGuidSize) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash ? text[i] != '-' : !absl::ascii_isxdigit(text[i])) return false;
  }
  return true;
}

bool IsHostCharacter(char c) { return absl::ascii_isalnum(c) || c == '.' || c == '-' || c == '_'; }

// A hexadecimal number that stands by itself.
struct HexNumber {
  size_t begin = absl::string_view::npos;
  size_t digits = 0;
  uint32_t value = 0;
};

HexNumber NextHex(absl::string_view text, size_t from) {
  for (size_t i = from; i + 2 < text.size(); ++i) {
    if (text[i] != '0' || absl::ascii_tolower(text[i + 1]) != 'x') continue;
    if (i > 0 && absl::ascii_isalnum(text[i - 1])) continue;
    size_t end = i + 2;
    while (end < text.size() && absl::ascii_isxdigit(text[end])) ++end;
    if (end < text.size() && absl::ascii_isalnum(text[end])) continue;
    if (auto value = ParseErrorCode(text.substr(i, end - i))) return {i, end - i - 2, *value};
  }
  return {};
}

// Where the payload starts: at its error code, or at once if that is written without "0x".
size_t PayloadStart(absl::string_view text) {
  const size_t hex = NextHex(text, 0).begin;
  const absl::string_view first = text.substr(0, text.find(','));
  const std::optional<uint32_t> code = ParseErrorCode(first);
  if (code && (hex == absl::string_view::npos || (*code & kFailureBit) != 0)) return 0;
  return std::min(hex, text.size());
}

constexpr absl::string_view kOpeningQuotes[] = {"'", "\"", "‘", "“", "„", "«", "‚", "「"};
constexpr absl::string_view kClosingQuotes[] = {"'", "\"", "’", "”", "“", "»", "‘", "」"};

bool IsQuoted(absl::string_view text, size_t begin, size_t end) {
  const auto before = [&](absl::string_view q) { return absl::EndsWith(text.substr(0, begin), q); };
  const auto after = [&](absl::string_view q) { return absl::StartsWith(text.substr(end), q); };
  return std::any_of(std::begin(kOpeningQuotes), std::end(kOpeningQuotes), before) &&
         std::any_of(std::begin(kClosingQuotes), std::end(kClosingQuotes), after);
}

bool IsRemoved(absl::string_view value) {
  return absl::StartsWith(value, "<") && absl::EndsWith(value, ">");
}

// Length of the well-formed UTF-8 character at the start of `text`, 0 if there is none.
size_t CharacterSize(absl::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  const size_t size = lead < 0x80                   ? 1
                      : lead >= 0xC2 && lead < 0xE0 ? 2
                      : lead >= 0xE0 && lead < 0xF0 ? 3
                      : lead >= 0xF0 && lead < 0xF5 ? 4
                                                    : 0;
  if (size == 0 || text.size() < size) return 0;
  for (size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  const bool overlong = (lead == 0xE0 && byte(1) < 0xA0) || (lead == 0xF0 && byte(1) < 0x90);
  const bool no_character = (lead == 0xED && byte(1) >= 0xA0) || (lead == 0xF4 && byte(1) >= 0x90);
  return overlong || no_character ? 0 : size;
}

}  // namespace

std::string EventText(const v1::EventRecord& event) {
  std::string text;
  for (const std::string& part : event.data()) {
    if (!text.empty()) text.append(", ");
    text.append(part, 0, kTextLimit);
    if (text.size() >= kTextLimit) break;
  }
  text.resize(std::min(text.size(), kTextLimit));
  return text;
}

PayloadFields::PayloadFields(absl::string_view text) {
  text.remove_prefix(PayloadStart(text));
  if (text.empty()) return;
  for (absl::string_view field : absl::StrSplit(text, ',')) {
    fields_.push_back(absl::StripAsciiWhitespace(field));
  }
}

absl::string_view PayloadFields::text(size_t index) const {
  if (index >= fields_.size() || IsRemoved(fields_[index])) return {};
  return fields_[index];
}

std::optional<uint32_t> PayloadFields::code(size_t index) const {
  absl::string_view field = text(index);
  return ParseErrorCode(field.substr(0, field.find_first_of(" \t\r\n")));
}

std::optional<uint32_t> PayloadFields::number(size_t index) const {
  absl::string_view field = text(index);
  uint32_t value = 0;
  if (!absl::SimpleAtoi(field.substr(0, field.find_first_of(" \t\r\n")), &value)) {
    return std::nullopt;
  }
  return value;
}

std::optional<std::string> PayloadFields::guid(size_t index) const {
  absl::string_view field = absl::StripPrefix(text(index), "{").substr(0, kGuidSize);
  if (!IsGuid(field)) return std::nullopt;
  return absl::AsciiStrToLower(field);
}

std::optional<absl::Time> PayloadFields::time(size_t index) const {
  int year = 0, month = 0, day = 0, hour = 0, minute = 0;
  const std::string field(text(index).substr(0, 32));
  if (std::sscanf(field.c_str(), "%4d/%2d/%2d %2d:%2d", &year, &month, &day, &hour, &minute) != 5) {
    return std::nullopt;
  }
  return absl::FromCivil(absl::CivilMinute(year, month, day, hour, minute), absl::UTCTimeZone());
}

std::optional<uint32_t> FindErrorCode(absl::string_view text) {
  constexpr size_t kCodeDigits = 8;  // fewer or more is a flag, a keyword mask or the like
  std::optional<uint32_t> found;
  for (HexNumber hex = NextHex(text, 0); hex.begin != absl::string_view::npos;
       hex = NextHex(text, hex.begin + 2)) {
    if (hex.digits != kCodeDigits) continue;
    if (hex.value != 0) return hex.value;
    found = 0;
  }
  if (found) return found;
  for (absl::string_view field : absl::StrSplit(text, absl::ByAnyChar(",;\n"))) {
    const size_t label = field.find_last_of("=:");
    if (label != absl::string_view::npos) field.remove_prefix(label + 1);
    std::optional<uint32_t> code = ParseErrorCode(field);
    if (code && (*code & kFailureBit) != 0) return code;
  }
  return std::nullopt;
}

std::string FindGuidAfter(absl::string_view text, absl::string_view label) {
  for (size_t i = 0; i + label.size() < text.size(); ++i) {
    if (!absl::StartsWithIgnoreCase(text.substr(i), label)) continue;
    absl::string_view rest = text.substr(i + label.size());
    rest.remove_prefix(std::min(rest.find_first_not_of(" \t{"), rest.size()));
    if (IsGuid(rest.substr(0, kGuidSize))) return absl::AsciiStrToLower(rest.substr(0, kGuidSize));
  }
  return "";
}

std::string FindDomain(absl::string_view text) {
  std::string dotted;
  for (size_t begin = 0; begin < text.size();) {
    if (!IsHostCharacter(text[begin])) {
      ++begin;
      continue;
    }
    size_t end = begin;
    while (end < text.size() && IsHostCharacter(text[end])) ++end;
    absl::string_view word = text.substr(begin, end - begin);
    const bool removed = begin > 0 && text[begin - 1] == '<';
    if (!removed && IsQuoted(text, begin, end)) return absl::AsciiStrToLower(word);
    word = absl::StripSuffix(word, ".");
    const size_t dot = word.rfind('.');
    const bool is_domain = dot != absl::string_view::npos && dot > 0 && dot + 1 < word.size() &&
                           absl::ascii_isalpha(word[dot + 1]);
    if (dotted.empty() && !removed && is_domain) {
      dotted = absl::AsciiStrToLower(word);
    }
    begin = end;
  }
  if (!dotted.empty()) return dotted;
  for (absl::string_view field : absl::StrSplit(text, ',')) {  // a payload's "corp"
    field = absl::StripAsciiWhitespace(field);
    if (!field.empty() && std::all_of(field.begin(), field.end(), IsHostCharacter) &&
        !ParseErrorCode(field)) {
      return absl::AsciiStrToLower(field);
    }
  }
  return "";
}

std::string FindCommonName(absl::string_view text) {
  constexpr absl::string_view kLabel = "CN=";
  for (size_t i = 0; i + kLabel.size() < text.size(); ++i) {
    if (!absl::StartsWithIgnoreCase(text.substr(i), kLabel)) continue;
    absl::string_view name = text.substr(i + kLabel.size());
    return OneLine(name.substr(0, name.find(',')), 256);
  }
  return "";
}

HostPort SplitHostPort(absl::string_view text) {
  text = absl::StripAsciiWhitespace(text);
  HostPort result;
  size_t colon = absl::string_view::npos;
  if (absl::ConsumePrefix(&text, "[")) {
    const size_t bracket = text.find(']');
    if (bracket == absl::string_view::npos) return result;
    result.host = OneLine(text.substr(0, bracket), 255);
    text.remove_prefix(bracket + 1);
    colon = text.find(':');
  } else {
    colon = text.find(':');
    // More than one colon without brackets is an address without a port.
    if (colon != text.rfind(':')) colon = absl::string_view::npos;
    absl::string_view host = text.substr(0, colon);
    if (!IsRemoved(host)) result.host = OneLine(host, 255);
  }
  uint32_t port = 0;
  if (colon != absl::string_view::npos && absl::SimpleAtoi(text.substr(colon + 1), &port) &&
      port > 0 && port <= 65535) {
    result.port = port;
  }
  return result;
}

std::string OneLine(absl::string_view text, size_t limit) {
  std::string line;
  while (!text.empty()) {
    const size_t size = CharacterSize(text);
    const bool blank = size == 1 && static_cast<unsigned char>(text.front()) <= ' ';
    const absl::string_view piece = size == 0 ? "?" : blank ? " " : text.substr(0, size);
    if (!blank || (!line.empty() && line.back() != ' ')) line.append(piece.data(), piece.size());
    text.remove_prefix(std::max<size_t>(size, 1));
  }
  line = RedactProductKeys(absl::StripAsciiWhitespace(line));
  if (line.size() > limit) {
    size_t end = limit;
    while (end > 0 && (line[end] & 0xC0) == 0x80) --end;  // not in the middle of a character
    line.resize(end);
  }
  absl::StripTrailingAsciiWhitespace(&line);
  return line;
}

}  // namespace keymedic::kms
