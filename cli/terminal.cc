// SPDX-License-Identifier: Apache-2.0
#include "cli/terminal.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace keymedic::cli {
namespace {

// Columns that UTF-8 text takes, near enough for names: code points, not bytes.
size_t Width(absl::string_view text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

}  // namespace

bool WantsColor(int fd) {
  const char* no_color = std::getenv("NO_COLOR");
  const char* term = std::getenv("TERM");
  if (no_color != nullptr && *no_color != '\0') return false;
  return isatty(fd) != 0 && term != nullptr && std::strcmp(term, "dumb") != 0;
}

std::string Paint(absl::string_view text, Style style, bool color) {
  static constexpr const char* kCodes[] = {"",         "\033[1m",  "\033[2m", "\033[31m",
                                           "\033[33m", "\033[32m", "\033[36m"};
  if (!color || style == Style::kPlain) return std::string(text);
  return absl::StrCat(kCodes[static_cast<int>(style)], text, "\033[0m");
}

Style StyleOf(v1::Severity severity) {
  switch (severity) {
    case v1::SEVERITY_CRITICAL:
      return Style::kRed;
    case v1::SEVERITY_WARNING:
      return Style::kYellow;
    case v1::SEVERITY_NOTICE:
      return Style::kCyan;
    default:
      return Style::kDim;
  }
}

std::string SeverityName(v1::Severity severity) {
  return absl::AsciiStrToLower(absl::StripPrefix(v1::Severity_Name(severity), "SEVERITY_"));
}

void TextTable::Add(std::vector<std::string> cells, Style first_cell) {
  rows_.push_back({std::move(cells), first_cell});
}

void TextTable::Print(std::ostream& out, bool color) const {
  std::vector<size_t> widths(headings_.size());
  for (size_t i = 0; i < headings_.size(); ++i) {
    widths[i] = Width(headings_[i]);
    for (const Row& row : rows_)
      widths[i] = std::max(widths[i], i < row.cells.size() ? Width(row.cells[i]) : 0);
  }
  auto line = [&](const std::vector<std::string>& cells, Style first, Style rest) {
    for (size_t i = 0; i < cells.size(); ++i) {
      out << Paint(cells[i], i == 0 ? first : rest, color);
      if (i + 1 < cells.size()) out << std::string(widths[i] - Width(cells[i]) + 2, ' ');
    }
    out << '\n';
  };
  line(headings_, Style::kBold, Style::kBold);
  for (const Row& row : rows_) line(row.cells, row.first, Style::kPlain);
}

std::string Wrap(absl::string_view text, size_t indent, size_t width) {
  std::string out;
  size_t column = 0;
  for (absl::string_view word : absl::StrSplit(text, absl::ByAnyChar(" \n"), absl::SkipEmpty())) {
    if (column != 0 && column + 1 + Width(word) > width) {
      out += '\n';
      column = 0;
    }
    if (column == 0) {
      out.append(indent, ' ');
      column = indent;
    } else {
      out += ' ';
      ++column;
    }
    absl::StrAppend(&out, word);
    column += Width(word);
  }
  return out;
}

void ProgressLine::Update(absl::string_view text) {
  if (text == shown_) return;
  if (terminal_) {
    const auto above = std::count(shown_.begin(), shown_.end(), '\n');
    if (above > 0) out_ << "\033[" << above << 'A';
    // Each line's rest is cleared, then what is left of a longer text.
    out_ << '\r' << absl::StrReplaceAll(text, {{"\n", "\033[K\n"}}) << "\033[J" << std::flush;
  } else {
    out_ << text << '\n' << std::flush;
  }
  shown_ = std::string(text);
}

void ProgressLine::Finish() {
  if (terminal_ && !shown_.empty()) out_ << '\n' << std::flush;
  shown_.clear();
}

std::string Bar(uint64_t done, uint64_t total, size_t width) {
  const size_t filled = total == 0 ? 0 : static_cast<size_t>(std::min(done, total) * width / total);
  return absl::StrCat("[", std::string(filled, '#'), std::string(width - filled, '.'), "] ", done,
                      "/", total);
}

}  // namespace keymedic::cli
