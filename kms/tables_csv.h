// SPDX-License-Identifier: Apache-2.0
//
// The tables' text form: comma separated fields, a header line, quotes around fields that hold
// commas, quotes ("" stands for one) or line ends. Only what kms/data/*.csv needs.
//
// A table points into the text that it was parsed from; the text must outlive it.
#ifndef KEYMEDIC_KMS_TABLES_CSV_H_
#define KEYMEDIC_KMS_TABLES_CSV_H_

#include <deque>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace keymedic::kms {

class CsvTable {
 public:
  // Every row must have as many fields as the header; the error names the line.
  static absl::StatusOr<CsvTable> Parse(absl::string_view text);

  size_t size() const { return rows_.size(); }
  absl::StatusOr<size_t> Column(absl::string_view name) const;
  absl::string_view at(size_t row, size_t column) const { return rows_[row][column]; }

 private:
  std::vector<absl::string_view> header_;
  std::vector<std::vector<absl::string_view>> rows_;
  std::deque<std::string>
      unquoted_;  // fields that differ from their text; a deque never moves them
};

}  // namespace keymedic::kms

#endif  // KEYMEDIC_KMS_TABLES_CSV_H_
