// SPDX-License-Identifier: Apache-2.0
//
// Output that is beautiful on a terminal and plain in a pipe: colours, tables, and a progress line
// that rewrites itself on a terminal and prints whole lines otherwise. Data goes to standard
// output, progress to standard error. One thread.
#ifndef KEYMEDIC_CLI_TERMINAL_H_
#define KEYMEDIC_CLI_TERMINAL_H_

#include <ostream>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "keymedic/v1/finding.pb.h"

namespace keymedic::cli {

enum class Style { kPlain, kBold, kDim, kRed, kYellow, kGreen, kCyan };

// True if `fd` is a terminal that shows colours and nobody asked for none (NO_COLOR, TERM=dumb).
bool WantsColor(int fd);

std::string Paint(absl::string_view text, Style style, bool color);
Style StyleOf(v1::Severity severity);
std::string SeverityName(v1::Severity severity);  // "critical"

// Columns as wide as their widest cell, two spaces between; the last one is not padded.
class TextTable {
 public:
  explicit TextTable(std::vector<std::string> headings) : headings_(std::move(headings)) {}
  void Add(std::vector<std::string> cells, Style first_cell = Style::kPlain);
  void Print(std::ostream& out, bool color) const;
  bool empty() const { return rows_.empty(); }

 private:
  struct Row {
    std::vector<std::string> cells;
    Style first;
  };
  std::vector<std::string> headings_;
  std::vector<Row> rows_;
};

// Of running text, in columns.
inline constexpr size_t kTextWidth = 96;

// Lines of at most `width` columns, each after `indent`.
std::string Wrap(absl::string_view text, size_t indent, size_t width);

// On a terminal Update rewrites what it showed, one line or several; otherwise it prints the text
// whenever it changes.
class ProgressLine {
 public:
  ProgressLine(std::ostream& out, bool terminal) : out_(out), terminal_(terminal) {}
  ~ProgressLine() { Finish(); }
  bool rewrites() const { return terminal_; }
  void Update(absl::string_view text);
  // Leaves the last text standing and ends its line.
  void Finish();

 private:
  std::ostream& out_;
  const bool terminal_;
  std::string shown_;
};

// "[#########.....] 40/90"
std::string Bar(uint64_t done, uint64_t total, size_t width = 24);

}  // namespace keymedic::cli

#endif  // KEYMEDIC_CLI_TERMINAL_H_
