// SPDX-License-Identifier: Apache-2.0
//
// Walks one capture: asks each reader at each line, and follows the headings that people put
// between pieces.
#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "kms/readers/headings.h"
#include "kms/readers/readers.h"
#include "kms/readers/shapes.h"

namespace keymedic::kms::readers {
namespace {

constexpr size_t kNone = absl::string_view::npos;
constexpr size_t kMaxObject = 16u << 20;

// "# … slmgr /dlv: License Status: Notification / Notification Reason: 0xC004F056": the lines of a
// report that somebody wrote into one comment.
Lines ReportInComment(const Line& comment) {
  size_t at = kNone;
  for (absl::string_view label : {"License Status:", "Notification Reason:", "Description:",
                                  "Partial Product Key:", "Current count:"}) {
    at = std::min(at, comment.text.find(label));
  }
  Lines lines;
  if (at == kNone) return lines;
  for (absl::string_view half : absl::StrSplit(comment.text.substr(at), " / ")) {
    for (absl::string_view part : absl::StrSplit(half, "; "))
      lines.push_back({comment.number, part});
  }
  return lines;
}

class Walker {
 public:
  Walker(const Document& document, Sink& sink)
      : text_(document.text), lines_(document.lines), sink_(sink) {}

  void Run() {
    while (at_ < lines_.size()) Step();
  }

 private:
  void Step();
  void TakeComment(const Line& line);
  bool TakeXml(absl::string_view line);
  bool TakeJson(absl::string_view line);
  bool TakeAutomation(absl::string_view text);
  size_t TakeRecords();
  size_t Offset(absl::string_view in) const { return in.data() - text_.data(); }
  void ContinueAt(size_t offset);
  void Took(size_t lines) {
    at_ += lines;
    floor_ = at_;
  }

  const absl::string_view text_;
  const Lines& lines_;
  Sink& sink_;
  size_t at_ = 0;
  size_t floor_ = 0;        // lines above it belong to a piece
  size_t list_looked_ = 0;  // no list of properties begins above it
  uint32_t heading_event_ = 0;
  size_t no_event_end_after_ = kNone;  // no "</Event>" at or behind this offset
  bool json_ends_ = true;
};

void Walker::ContinueAt(size_t offset) {
  while (at_ < lines_.size() && Offset(lines_[at_].text) < offset) ++at_;
  floor_ = at_;
}

bool Walker::TakeXml(absl::string_view line) {
  const size_t open = std::min(line.find("<Event "), line.find("<Event>"));
  if (open == kNone) return false;
  size_t offset = Offset(line) + open;
  uint32_t number = lines_[at_].number;
  if (offset >= no_event_end_after_) return false;
  while (offset != kNone) {
    const size_t end = text_.find("</Event>", offset);
    if (end == kNone || end - offset > kMaxObject) {
      no_event_end_after_ = offset;
      sink_.Unreadable(number, "an <Event> that is cut off");
      ContinueAt(offset + 6);
      return true;
    }
    ReadEventXml(text_.substr(offset, end - offset), number, sink_);
    number += std::count(text_.begin() + offset, text_.begin() + end, '\n');
    // Exports write all events on one line.
    const size_t next = text_.find_first_not_of(" \t\r", end + 8);
    offset = next != kNone && absl::StartsWith(text_.substr(next), "<Event ") ? next : kNone;
    if (offset == kNone) ContinueAt(end + 8);
  }
  return true;
}

// Where the JSON object or array that opens at `at` ends; kNone if it does not.
size_t EndOfObject(absl::string_view text, size_t at) {
  text = text.substr(0, at + kMaxObject);
  int depth = 0;
  for (at = NextBracket(text, at); at != kNone; at = NextBracket(text, at + 1)) {
    depth += text[at] == '{' || text[at] == '[' ? 1 : -1;
    if (depth == 0) return at + 1;
  }
  return kNone;
}

bool Walker::TakeJson(absl::string_view line) {
  if (!json_ends_) return false;
  size_t offset = text_.find_first_not_of(" \t\r\n[,", Offset(line));
  if (offset == kNone || text_[offset] != '{') return false;
  const size_t inside = text_.find_first_not_of(" \t\r\n", offset + 1);
  if (inside == kNone || text_[inside] != '"') return false;
  uint32_t number = lines_[at_].number;
  while (offset != kNone) {
    const size_t end = EndOfObject(text_, offset);
    if (end == kNone) {
      json_ends_ = false;
      sink_.Unreadable(number, "JSON that is cut off");
      ContinueAt(offset + 1);
      return true;
    }
    const absl::string_view object = text_.substr(offset, end - offset);
    if (!ReadEventJson(object, number, sink_) && MayBeRecordJson(object)) {
      ReadRecordJson(object, number, sink_);
    }
    const size_t next = text_.find_first_not_of(" \t\r\n[],", end);
    const bool more = next != kNone && text_[next] == '{';
    number += std::count(text_.begin() + offset, text_.begin() + (more ? next : end), '\n');
    if (!more) ContinueAt(end);
    offset = more ? next : kNone;
  }
  return true;
}

void Walker::TakeComment(const Line& line) {
  ReadHeading(line.text, sink_);
  heading_event_ = MentionedEvent(line.text);
  const Lines report = ReportInComment(line);
  if (report.empty() || ReadSlmgr(report, 0, 0, sink_) == 0) ReadMention(lines_, at_, 0, sink_);
  Took(1);
}

size_t Walker::TakeRecords() {
  if (at_ >= list_looked_ && StartsRecordList(lines_[at_].text)) {
    if (const size_t taken = ReadRecordList(lines_, at_, list_looked_, sink_)) return taken;
  }
  return ReadRecordTable(lines_, at_, sink_);
}

// "ok: [pc-101] => {": a machine, then what its command gave as JSON.
bool Walker::TakeAutomation(absl::string_view text) {
  const size_t arrow = text.find("=> {");
  if (arrow == kNone) return false;
  const auto machine = MachineHeading(text);
  if (!machine) return false;
  sink_.Heading(Role::kUnknown, *machine, false);
  return TakeJson(text.substr(arrow + 3));
}

void Walker::Step() {
  const Line& line = lines_[at_];
  const absl::string_view text = absl::StripLeadingAsciiWhitespace(line.text);
  if (text.empty()) {
    ++at_;
    return;
  }
  if (IsComment(text)) return TakeComment(line);
  ReadPrompt(text, sink_);
  if ((text[0] == '{' || text[0] == '[') && TakeJson(text)) return;
  if (text.size() > 6 && text.find('<') != kNone && TakeXml(text)) return;
  if (TakeAutomation(text)) return;
  size_t taken = TakeRecords();
  if (taken == 0 && StartsCsv(text)) {
    if (const size_t end = ReadCsv(text_, Offset(text), line.number, sink_)) return ContinueAt(end);
  }
  if (taken == 0 && StartsOspp(text)) taken = ReadOspp(lines_, at_, sink_);
  if (taken == 0 && StartsNames(text)) taken = ReadNames(lines_, at_, sink_);
  if (taken == 0 && !NamedComputer(text) && StartsEvent(text))
    taken = ReadEvents(lines_, at_, sink_);
  if (taken == 0 && StartsSlmgr(text)) taken = ReadSlmgr(lines_, floor_, at_, sink_);
  if (taken == 0) taken = ReadMention(lines_, at_, heading_event_, sink_);
  if (taken == 0 && ReadHeading(text, sink_)) {
    heading_event_ = MentionedEvent(text);
    taken = 1;
  }
  if (taken == 0)
    ++at_;  // prose
  else
    Took(taken);
}

}  // namespace

void ReadDocument(const Document& document, Sink& sink) { Walker(document, sink).Run(); }

}  // namespace keymedic::kms::readers
