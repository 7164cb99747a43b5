// SPDX-License-Identifier: Apache-2.0
//
// The shapes of values that no display language changes: GUIDs, host:port, extended PIDs, error
// codes, minutes, channels. All readers find their values with these. Pure; take any text.
#ifndef KEYMEDIC_KMS_READERS_SHAPES_H_
#define KEYMEDIC_KMS_READERS_SHAPES_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace keymedic::kms::readers {

// "label: value". The value may be empty, the label is not; neither has outer spaces.
struct Labelled {
  absl::string_view label, value;
};
std::optional<Labelled> SplitLabel(absl::string_view line);
absl::string_view WithoutQuotes(absl::string_view value);

// A label as the tables of labels hold it: lower case (ASCII), without spaces and punctuation.
std::string LabelKey(absl::string_view label);
// The same for looking a label up: every line of a file is, so it allocates for none of usual
// length.
class TableKey {
 public:
  explicit TableKey(absl::string_view label);
  TableKey(const TableKey&) = delete;
  TableKey& operator=(const TableKey&) = delete;
  absl::string_view view() const { return view_; }

 private:
  char short_[128];
  std::string long_;
  absl::string_view view_;
};

// What a publisher removed ("<redacted>", "<KMS Host FQDN>"), or nothing at all.
bool IsUnknown(absl::string_view value);

std::string Lower(absl::string_view text);
bool HasAny(absl::string_view text, std::initializer_list<absl::string_view> words);
// `word` with no letter or digit on either side.
bool HasWord(absl::string_view text, absl::string_view word);

std::optional<std::string> FindGuid(absl::string_view text);  // lower case
std::optional<std::string> FindExtendedPid(absl::string_view text);
std::optional<std::string> FindIpAddress(absl::string_view value);  // the whole value is one
// "VOLUME_KMSCLIENT" in "Windows(R) Operating System, VOLUME-KMSCLIENT channel"; "" if none.
std::string FindChannel(absl::string_view text);
bool IsHostChannel(absl::string_view channel);
bool IsKeyChannel(absl::string_view value);  // "Volume:GVLK", "OEM:DM"
bool IsPartialKey(absl::string_view value);  // five characters of the alphabet of product keys

struct HostPort {
  std::string host;  // empty: not known
  std::optional<uint32_t> port;
};
// "kms01:1688", "kms01", "[fd00::1]:1688", "<removed>:1688". Nothing for what is no host name.
std::optional<HostPort> ParseHostPort(absl::string_view value);

// The first "0x…" of one to eight digits. `broken`, if given: the text has an "0x" that is none.
std::optional<uint32_t> FindCode(absl::string_view text, bool* broken = nullptr);
// "243720 minute(s) (169 day(s))": minutes and days that agree, whatever their units are called.
std::optional<int64_t> FindMinutes(absl::string_view text);
std::optional<int64_t> FindNumber(absl::string_view text);  // the first run of digits
bool IsNumber(absl::string_view value);
// "10/26/2016 9:58:33 AM", "2020/2/27 11:48:43", "16.02.2024 18:51:07", ISO 8601. As UTC.
std::optional<absl::Time> ParseInstant(absl::string_view text);
// Where the next bracket or brace stands that is in no string, from one that is in none.
size_t NextBracket(absl::string_view json, size_t at);
// "10.0.17763.1039" inside a line.
std::optional<std::string> FindVersion(absl::string_view text);

}  // namespace keymedic::kms::readers

#endif  // KEYMEDIC_KMS_READERS_SHAPES_H_
