// SPDX-License-Identifier: Apache-2.0
#include "kms/tables_csv.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace keymedic::kms {
namespace {

// Takes one field and the separator behind it off `text`.
struct Field {
  absl::string_view raw;  // without its outer quotes
  bool ends_row = false;
  bool escaped = false;  // `raw` holds doubled quotes
};

absl::StatusOr<Field> TakeField(absl::string_view& text) {
  Field field;
  size_t end = 0;
  if (!text.empty() && text.front() == '"') {
    for (end = 1; end < text.size(); ++end) {
      if (text[end] != '"') continue;
      if (end + 1 >= text.size() || text[end + 1] != '"') break;
      field.escaped = true;
      ++end;
    }
    if (end >= text.size()) return absl::InvalidArgumentError("a quoted field does not end");
    field.raw = text.substr(1, end - 1);
    ++end;
  } else {
    end = std::min(text.find_first_of(",\r\n"), text.size());
    field.raw = text.substr(0, end);
  }
  text.remove_prefix(end);
  if (!text.empty() && text.front() == ',') {
    text.remove_prefix(1);
    return field;
  }
  field.ends_row = true;
  if (!text.empty() && text.front() == '\r') text.remove_prefix(1);
  if (text.empty()) return field;
  if (text.front() != '\n') return absl::InvalidArgumentError("text behind a closing quote");
  text.remove_prefix(1);
  return field;
}

}  // namespace

absl::StatusOr<CsvTable> CsvTable::Parse(absl::string_view text) {
  CsvTable table;
  for (size_t line = 1; !text.empty(); ++line) {
    std::vector<absl::string_view> row;
    for (bool more = true; more;) {
      absl::StatusOr<Field> field = TakeField(text);
      if (!field.ok()) {
        return absl::InvalidArgumentError(
            absl::StrCat("row ", line, ": ", field.status().message(), "; correct the table"));
      }
      if (field->escaped) {
        table.unquoted_.push_back(absl::StrReplaceAll(field->raw, {{"\"\"", "\""}}));
        field->raw = table.unquoted_.back();
      }
      row.push_back(field->raw);
      more = !field->ends_row;
    }
    if (line == 1) {
      table.header_ = std::move(row);
      continue;
    }
    if (row.size() != table.header_.size()) {
      return absl::InvalidArgumentError(absl::StrCat("row ", line, " has ", row.size(),
                                                     " fields, the header has ",
                                                     table.header_.size(), "; correct the table"));
    }
    table.rows_.push_back(std::move(row));
  }
  if (table.header_.empty()) return absl::InvalidArgumentError("the table has no header");
  return table;
}

absl::StatusOr<size_t> CsvTable::Column(absl::string_view name) const {
  for (size_t i = 0; i < header_.size(); ++i) {
    if (header_[i] == name) return i;
  }
  return absl::NotFoundError(absl::StrCat("the table has no column \"", name, "\""));
}

}  // namespace keymedic::kms
