// SPDX-License-Identifier: Apache-2.0
//
// What lies around the lines of a report: a log's timestamps, the bars of a table, a web page that
// ran all lines into one.
#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/strip.h"
#include "kms/readers/readers.h"
#include "kms/readers/shapes.h"
#include "kms/readers/slmgr_labels.h"

namespace keymedic::kms::readers {
namespace {

constexpr size_t kNone = absl::string_view::npos;
constexpr size_t kLongestPrefix = 80;  // of a log's line, behind its timestamp

bool IsReportLine(absl::string_view text) {
  const auto labelled = SplitLabel(text);
  if (!labelled) return false;
  return FieldOfLabel(TableKey(labelled->label).view()) != Field::kUnknown || StartsOspp(text);
}

// "2024-02-11 08:14:02 INFO  License Status: Notification" without what the log put before it.
absl::string_view WithoutLogPrefix(absl::string_view line) {
  absl::string_view text = absl::StripLeadingAsciiWhitespace(line);
  absl::ConsumePrefix(&text, "[");
  if (text.empty() || !absl::ascii_isdigit(text[0])) return line;
  const size_t end = text.find_first_not_of("0123456789-/.:,TZ+ ]");
  if (end == kNone || end < 14 || !ParseInstant(text.substr(0, end))) return line;
  const absl::string_view rest = text.substr(end);
  for (size_t at = 0; at < std::min(rest.size(), kLongestPrefix); ++at) {
    const bool word = at == 0 || rest[at - 1] == ' ' || rest[at - 1] == '\t';
    if (word && IsReportLine(rest.substr(at))) return rest.substr(at);
  }
  return line;
}

// "> > License Status: Notification" without what a mail program put before it.
absl::string_view WithoutQuoteMarks(absl::string_view line) {
  absl::string_view text = line;
  while (absl::ConsumePrefix(&text, ">")) absl::ConsumePrefix(&text, " ");
  return text;
}

// "| License Status | Notification |" becomes "  License Status : Notification".
void OpenTableRow(Document& document, Line& line) {
  absl::string_view text = absl::StripAsciiWhitespace(line.text);
  if (!absl::ConsumePrefix(&text, "|") || !absl::ConsumeSuffix(&text, "|")) return;
  const size_t bar = text.find('|');
  if (bar == kNone || text.find('|', bar + 1) != kNone) return;
  if (FieldOfLabel(TableKey(text.substr(0, bar)).view()) == Field::kUnknown) return;
  document.text[text.data() + bar - document.text.data()] = ':';
  line.text = absl::StripTrailingAsciiWhitespace(text);
}

// Labels of slmgr that stand nowhere else, each the start of a line.
constexpr absl::string_view kLineStarts[] = {
    "Description: ",
    "Activation ID: ",
    "Application ID: ",
    "Extended PID: ",
    "Product Key Channel: ",
    "Installation ID: ",
    "Partial Product Key: ",
    "License Status: ",
    "Notification Reason: ",
    "Volume activation expiration: ",
    "Time remaining: ",
    "Remaining Windows rearm count: ",
    "Remaining SKU rearm count: ",
    "Trusted time: ",
    "Configured Activation Type: ",
    "Please use slmgr.vbs",
    "Most recent activation information:",
    "Key Management Service client information",
    "Client Machine ID (CMID): ",
    "Registered KMS machine name: ",
    "KMS machine name from DNS: ",
    "KMS machine IP address: ",
    "KMS machine extended PID: ",
    "Activation interval: ",
    "Renewal interval: ",
    "KMS host caching is",
    "Key Management Service is enabled",
    "Current count: ",
    "Listening on Port: ",
    "DNS publishing ",
    "KMS priority: ",
    "Key Management Service cumulative requests",
    "Total requests received: ",
    "Failed requests received: ",
    "Requests with License Status ",
};

// Where the lines begin that ran together into this one; empty if it is one line.
std::vector<size_t> LinesWithin(absl::string_view text) {
  constexpr size_t kFew = 3;
  std::vector<size_t> starts = {0};
  for (size_t space = text.find(' '); space != kNone; space = text.find(' ', space + 1)) {
    const absl::string_view rest = text.substr(space + 1);
    if (rest.empty() || !absl::ascii_isupper(rest[0])) continue;
    if (std::any_of(std::begin(kLineStarts), std::end(kLineStarts),
                    [&](absl::string_view label) { return absl::StartsWith(rest, label); })) {
      starts.push_back(space + 1);
    }
  }
  if (starts.size() <= kFew) return {};
  return starts;
}

}  // namespace

void TidyLayout(Document& document) {
  Lines lines;
  lines.reserve(document.lines.size());
  for (Line& line : document.lines) {
    OpenTableRow(document, line);
    line.text = WithoutLogPrefix(WithoutQuoteMarks(line.text));
    const std::vector<size_t> starts =
        line.text.size() < 80 ? std::vector<size_t>() : LinesWithin(line.text);
    if (starts.empty()) {
      lines.push_back(line);
      continue;
    }
    for (size_t i = 0; i < starts.size(); ++i) {
      const size_t end = i + 1 < starts.size() ? starts[i + 1] : line.text.size();
      lines.push_back({line.number, absl::StripTrailingAsciiWhitespace(
                                        line.text.substr(starts[i], end - starts[i]))});
    }
  }
  document.lines = std::move(lines);
}

}  // namespace keymedic::kms::readers
