// SPDX-License-Identifier: Apache-2.0
//
// Comma, semicolon or tab separated values: Export-Csv, wmic /format:csv, Event Viewer's exports. A
// quoted value may hold separators and line ends. Event Viewer's names are translated: there, the
// source of an event and the number behind it tell the columns.
#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "kms/readers/readers.h"
#include "kms/readers/record.h"
#include "kms/readers/shapes.h"

namespace keymedic::kms::readers {
namespace {

constexpr size_t kNone = absl::string_view::npos;
constexpr size_t kMaxFields = 200;
constexpr size_t kMaxQuoted = 64u << 10;
constexpr absl::string_view kSeparators = ",;\t";

struct Row {
  std::vector<std::string> fields;
  std::vector<bool> quoted;
  size_t end = 0;  // behind its line end
};

// The field at `at`; `at` moves to what ends it.
std::string FieldAt(absl::string_view text, char separator, size_t& at, bool& quoted) {
  quoted = at < text.size() && text[at] == '"';
  if (quoted) {
    std::string field;
    const size_t limit = std::min(text.size(), at + kMaxQuoted);
    for (size_t i = at + 1; i < limit; ++i) {
      if (text[i] != '"') {
        field += text[i];
      } else if (i + 1 < limit && text[i + 1] == '"') {
        field += text[i++];
      } else {
        at = i + 1;
        return field;
      }
    }
    quoted = false;  // nothing closes it: it is a sign like others
  }
  const char ends[] = {separator, '\n'};
  const size_t end = std::min(text.find_first_of(absl::string_view(ends, 2), at), text.size());
  std::string field(absl::StripAsciiWhitespace(text.substr(at, end - at)));
  // " Office" behind "Windows, " tells that the separator was the text's own.
  if (end > at && text[at] == ' ') field.insert(0, 1, ' ');
  at = end;
  return field;
}

Row RowAt(absl::string_view text, char separator, size_t at) {
  Row row;
  for (;;) {
    bool quoted = false;
    std::string field = FieldAt(text, separator, at, quoted);
    if (row.fields.size() < kMaxFields) {
      row.fields.push_back(std::move(field));
      row.quoted.push_back(quoted);
    }
    while (at < text.size() && (text[at] == ' ' || text[at] == '\r')) ++at;
    if (at < text.size() && text[at] == separator) {
      ++at;
      continue;
    }
    at = std::min(text.find('\n', at), text.size());
    row.end = std::min(at + 1, text.size());
    return row;
  }
}

// wmic writes its values as they are, commas and all: what begins with a blank goes on.
void JoinTornFields(Row& row, size_t wanted) {
  for (size_t i = 1; i < row.fields.size() && row.fields.size() > wanted;) {
    if (row.quoted[i] || row.fields[i].empty() || row.fields[i][0] != ' ') {
      ++i;
      continue;
    }
    absl::StrAppend(&row.fields[i - 1], ",", row.fields[i]);
    row.fields.erase(row.fields.begin() + i);
    row.quoted.erase(row.quoted.begin() + i);
  }
}

bool IsHeaderName(absl::string_view field) {
  return !field.empty() && field.size() <= 64 &&
         std::all_of(field.begin(), field.end(),
                     [](char c) { return absl::ascii_isalnum(c) || c == '_' || c == ' '; });
}

char SeparatorOf(absl::string_view line) {
  const size_t at = line.find_first_of(kSeparators);
  return at == kNone ? 0 : line[at];
}

Record RecordOf(const std::vector<std::string>& names, const Row& row, uint32_t line) {
  Record record;
  record.line = line;
  for (size_t i = 0; i < row.fields.size(); ++i) {
    // Event Viewer gives its last column no name.
    const std::string key = i < names.size() ? LabelKey(names[i]) : "message";
    record.properties.push_back({key, std::string(absl::StripAsciiWhitespace(row.fields[i]))});
  }
  return record;
}

// Names for the columns of an event whose header is translated or missing; empty if it is none.
std::vector<std::string> NamesByShape(const Row& row) {
  std::vector<std::string> names(row.fields.size());
  bool source = false, id = false, time = false;
  for (size_t i = 0; i < row.fields.size(); ++i) {
    const absl::string_view field = row.fields[i];
    const bool last = i + 1 == row.fields.size();
    if (!source && field.size() < 80 && IsLicensingSource(field)) {
      names[i] = "source";
      source = true;
    } else if (source && !id && IsNumber(field)) {
      names[i] = "eventid";
      id = true;
    } else if (!time && !source && ParseInstant(field)) {
      names[i] = "timecreated";
      time = true;
    } else if (source && id && last) {
      names[i] = "message";
    } else {
      names[i] = absl::StrCat("column", i);
    }
  }
  if (!source || !id) names.clear();
  return names;
}

class CsvReader {
 public:
  CsvReader(absl::string_view text, Sink& sink) : text_(text), sink_(sink) {}
  size_t Read(size_t at, uint32_t line);

 private:
  size_t ReadRows(size_t at, uint32_t line, char separator, const std::vector<std::string>& names);

  absl::string_view text_;
  Sink& sink_;
};

size_t CsvReader::ReadRows(size_t at, uint32_t line, char separator,
                           const std::vector<std::string>& names) {
  while (at < text_.size() && text_[at] != '\n' && text_[at] != '\r') {
    Row row = RowAt(text_, separator, at);
    JoinTornFields(row, names.size());
    if (row.fields.size() < 2) break;
    ReadRecord(RecordOf(names, row, line), sink_);
    line += std::count(text_.begin() + at, text_.begin() + row.end, '\n');
    at = row.end;
  }
  return at;
}

size_t CsvReader::Read(size_t at, uint32_t line) {
  const absl::string_view first = text_.substr(at, text_.find('\n', at) - at);
  const char separator = SeparatorOf(first);
  if (separator == 0) return 0;
  const Row row = RowAt(text_, separator, at);
  if (row.fields.size() < 2) return 0;
  if (std::all_of(row.fields.begin(), row.fields.end(), IsHeaderName)) {
    if (KindOfRecord(RecordOf(row.fields, row, line)) == RecordKind::kNone) return 0;
    return ReadRows(row.end, line + 1, separator, row.fields);
  }
  const std::vector<std::string> names = NamesByShape(row);
  if (names.empty()) return 0;
  ReadRecord(RecordOf(names, row, line), sink_);
  return row.end;
}

}  // namespace

bool StartsCsv(absl::string_view line) {
  const char separator = SeparatorOf(line);
  if (separator == 0) return false;
  // A header's names, or an event by its source.
  const absl::string_view first = WithoutQuotes(line.substr(0, line.find(separator)));
  if (IsHeaderName(first) && !absl::StrContains(line, "0x")) {
    const bool names = std::all_of(line.begin(), line.end(), [&](char c) {
      return absl::ascii_isalnum(c) || c == separator || c == '"' || c == '_' || c == ' ';
    });
    if (names) return true;
  }
  return separator != ';' && IsLicensingSource(line) &&
         std::count(line.begin(), line.end(), separator) >= 3;
}

size_t ReadCsv(absl::string_view text, size_t at, uint32_t line, Sink& sink) {
  return CsvReader(text, sink).Read(at, line);
}

}  // namespace keymedic::kms::readers
