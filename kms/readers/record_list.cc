// SPDX-License-Identifier: Apache-2.0
//
// Objects as lists and tables: Format-List ("Name : value", wrapped under the value), wmic
// ("Name=value"), Format-Table (a row of dashes under the names) and wmic's own columns.
#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "kms/readers/readers.h"
#include "kms/readers/record.h"
#include "kms/readers/shapes.h"

namespace keymedic::kms::readers {
namespace {

constexpr size_t kNone = absl::string_view::npos;
constexpr size_t kMaxProperties = 200;  // of one object; the widest class has 90
constexpr size_t kMaxColumns = 64;
constexpr size_t kMaxValue = 64u << 10;

bool IsNameChar(char c) { return absl::ascii_isalnum(c) || c == '_'; }

// "LicenseStatus  : 5" or "LicenseStatus=5": one word, then the value.
std::optional<Labelled> ListLine(absl::string_view line) {
  size_t end = 0;
  while (end < line.size() && IsNameChar(line[end])) ++end;
  if (end < 2 || end > 64 || absl::ascii_isdigit(line[0])) return std::nullopt;
  size_t at = end;
  while (at < line.size() && line[at] == ' ') ++at;
  if (at == line.size() || (line[at] != ':' && line[at] != '=')) return std::nullopt;
  if (line[at] == '=' && at != end) return std::nullopt;
  return Labelled{line.substr(0, end), absl::StripAsciiWhitespace(line.substr(at + 1))};
}

// A wrapped value stands under its beginning: far to the right of any name.
bool IsContinuation(absl::string_view line) {
  const size_t text = line.find_first_not_of(' ');
  return text != kNone && text >= 8;
}

void Append(Record& record, absl::string_view label, absl::string_view value) {
  if (record.properties.size() >= kMaxProperties) return;
  record.properties.push_back({LabelKey(label), std::string(WithoutQuotes(value))});
}

// The object that begins at `at`; `end` is behind it.
Record ListAt(const Lines& lines, size_t at, size_t& end) {
  Record record;
  record.line = lines[at].number;
  size_t blanks = 0;
  for (end = at; end < lines.size(); ++end) {
    const absl::string_view text = lines[end].text;
    if (text.empty()) {
      // Some tools leave a blank line after each property.
      const bool spaced = record.properties.size() == ++blanks && end + 1 < lines.size();
      const auto next = spaced ? ListLine(lines[end + 1].text) : std::nullopt;
      if (!next || record.Has(LabelKey(next->label))) break;
      continue;
    }
    if (const auto property = ListLine(text)) {
      Append(record, property->label, property->value);
    } else if (!record.properties.empty() && IsContinuation(text)) {
      std::string& value = record.properties.back().value;
      const bool words = !value.empty() && absl::StrContains(value, ' ');
      if (value.size() < kMaxValue) {
        absl::StrAppend(&value, words ? " " : "", absl::StripAsciiWhitespace(text));
      }
    } else {
      break;
    }
  }
  return record;
}

struct Column {
  absl::string_view name;
  size_t begin, end;  // of the name, in cells
};

// How many cells a terminal needs for the character that begins with this byte; its bytes.
size_t CellsAt(absl::string_view text, size_t at, size_t& bytes) {
  const auto lead = static_cast<unsigned char>(text[at]);
  bytes = lead < 0xC0 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  bytes = std::min(bytes, text.size() - at);
  // From Hangul and the scripts of East Asia on.
  return lead >= 0xE3 && lead < 0xF0 ? 2 : 1;
}

// Where the cell is in the bytes of the line.
size_t ByteOfCell(absl::string_view text, size_t cell) {
  size_t at = 0;
  while (at < text.size() && at < cell && static_cast<signed char>(text[at]) >= 0) ++at;
  for (size_t cells = at; at < text.size() && cells < cell;) {
    size_t bytes = 1;
    cells += CellsAt(text, at, bytes);
    at += bytes;
  }
  return at;
}

// "----   -- ------": the names are as long as the dashes under them.
std::vector<Column> ColumnsUnder(absl::string_view names, absl::string_view dashes) {
  std::vector<Column> columns;
  if (dashes.find("--") == kNone || dashes.find_first_not_of("- ") != kNone) return columns;
  for (size_t at = dashes.find('-'); at != kNone; at = dashes.find('-', at)) {
    const size_t end = std::min(dashes.find(' ', at), dashes.size());
    const size_t first = ByteOfCell(names, at);
    const absl::string_view name = names.substr(first, ByteOfCell(names, end) - first);
    columns.push_back({absl::StripAsciiWhitespace(name), at, end});
    at = end;
    if (columns.size() > kMaxColumns) return {};
  }
  return columns;
}

// wmic has no dashes: single words, far apart, left aligned.
std::vector<Column> ColumnsOfWords(absl::string_view names) {
  std::vector<Column> columns;
  if (names.find("  ") == kNone) return columns;
  for (size_t at = 0; at < names.size();) {
    size_t end = at;
    while (end < names.size() && IsNameChar(names[end])) ++end;
    if (end == at || (end < names.size() && names.substr(end, 2) != "  ")) return {};
    columns.push_back({names.substr(at, end - at), at, end});
    at = std::min(names.find_first_not_of(' ', end), names.size());
    if (columns.size() > kMaxColumns) return {};
  }
  return columns;
}

// The cells of a row. A value begins under its name, or ends with it (numbers): the blank nearest
// to the next name parts the two.
std::vector<absl::string_view> RowCells(absl::string_view row, const std::vector<Column>& columns) {
  std::vector<absl::string_view> cells;
  size_t from = 0;
  for (size_t i = 0; i < columns.size(); ++i) {
    size_t cut = row.size();
    if (i + 1 < columns.size()) {
      const size_t low = ByteOfCell(row, columns[i].end);
      cut = ByteOfCell(row, columns[i + 1].begin);
      while (cut > std::max(low, from) && cut <= row.size() && row[cut - 1] != ' ') --cut;
    }
    cut = std::max(cut, from);
    cells.push_back(absl::StripAsciiWhitespace(row.substr(from, cut - from)));
    from = cut;
  }
  return cells;
}

RecordKind KindOfColumns(const std::vector<Column>& columns) {
  Record record;
  for (const Column& column : columns) Append(record, column.name, "");
  return KindOfRecord(record);
}

bool IsTableOfInterest(const std::vector<Column>& columns) {
  if (columns.empty()) return false;
  const RecordKind kind = KindOfColumns(columns);
  return kind == RecordKind::kLicense || kind == RecordKind::kEvent;
}

}  // namespace

bool StartsRecordList(absl::string_view line) { return ListLine(line).has_value(); }

size_t ReadRecordList(const Lines& lines, size_t at, size_t& looked, Sink& sink) {
  size_t end = at;
  const Record record = ListAt(lines, at, end);
  looked = std::max(looked, end);
  const RecordKind kind = KindOfRecord(record);
  if (kind != RecordKind::kLicense) return 0;  // lists of events and of DNS have readers
  ReadRecord(record, sink);
  return end - at;
}

size_t ReadRecordTable(const Lines& lines, size_t at, Sink& sink) {
  const absl::string_view names = lines[at].text;
  if (names.empty() || names.size() > 4096) return 0;
  std::vector<Column> columns;
  size_t row = at + 1;
  if (row < lines.size() && lines[row].text.find("--") != kNone) {
    columns = ColumnsUnder(names, lines[row].text);
    ++row;
  }
  if (columns.empty()) {
    row = at + 1;
    columns = ColumnsOfWords(names);
  }
  if (!IsTableOfInterest(columns)) return 0;
  Record record;
  const auto flush = [&] {
    if (!record.properties.empty()) ReadRecord(record, sink);
    record.properties.clear();
  };
  for (; row < lines.size(); ++row) {
    const absl::string_view text = lines[row].text;
    if (text.empty() || IsBreak(text)) break;
    const std::vector<absl::string_view> cells = RowCells(text, columns);
    const bool continues = cells[0].empty() && columns[0].begin < 4 && !record.properties.empty();
    if (!continues) {
      flush();
      record.line = lines[row].number;
      for (size_t i = 0; i < cells.size(); ++i) Append(record, columns[i].name, cells[i]);
      continue;
    }
    for (size_t i = 0; i < cells.size() && i < record.properties.size(); ++i) {  // -Wrap
      std::string& value = record.properties[i].value;
      if (!cells[i].empty() && value.size() < kMaxValue) absl::StrAppend(&value, " ", cells[i]);
    }
  }
  flush();
  return row - at;
}

}  // namespace keymedic::kms::readers
