// SPDX-License-Identifier: Apache-2.0
//
// Walks one capture: asks each reader at each line, and follows the headings that people put
// between pieces.
#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "kms/readers/readers.h"
#include "kms/readers/shapes.h"

namespace keymedic::kms::readers {
namespace {

constexpr size_t kNone = absl::string_view::npos;
constexpr size_t kMaxObject = 16u << 20;

bool IsComment(absl::string_view text) {
  return absl::StartsWith(text, "#") || absl::StartsWith(text, "//") ||
         absl::StartsWith(text, "==");
}

bool IsPrompt(absl::string_view text) {
  const size_t close = text.find('>');
  if (absl::StartsWith(text, "PS ") && close != kNone && close < 200) return true;
  if (absl::StartsWith(text, "$ ")) return true;
  return text.size() > 3 && absl::ascii_isalpha(text[0]) && text[1] == ':' && text[2] == '\\' &&
         close != kNone && close < 200;
}

// "Computer: pc-017" and its like.
std::optional<absl::string_view> NamedComputer(absl::string_view text) {
  const auto labelled = SplitLabel(text);
  if (!labelled || IsUnknown(labelled->value)) return std::nullopt;
  const std::string key = LabelKey(labelled->label);
  for (absl::string_view known : {"computer", "computername", "hostname", "machine", "machinename",
                                  "pc", "client", "kmsclient", "kmshost", "kmsserver", "rechner",
                                  "rechnername", "ordinateur", "equipo", "计算机", "计算机名"}) {
    if (key != known) continue;
    const auto host = ParseHostPort(labelled->value);
    if (host && !host->port && !host->host.empty()) return labelled->value;
  }
  return std::nullopt;
}

// Where `word` stands in the clause, or far behind it.
size_t PlaceOf(absl::string_view clause, std::initializer_list<absl::string_view> words) {
  size_t first = kNone;
  for (absl::string_view word : words) first = std::min(first, clause.find(word));
  return first;
}

// Whose evidence a heading announces: by its first clause ("on the KMS host, Application log").
Role RoleInHeading(absl::string_view heading) {
  std::string lower = Lower(heading);
  absl::string_view clause = lower;
  while (!clause.empty() && absl::string_view("#=/-* \t").find(clause[0]) != kNone) {
    clause.remove_prefix(1);
  }
  clause = clause.substr(0, clause.find_first_of(",;:("));
  for (absl::string_view command : {"slmgr", "nslookup", "ospp", "dig", "resolve-", "get-",
                                    "cscript", "host caching", "host -t"}) {
    if (absl::StartsWith(clause, command)) return Role::kUnknown;
  }
  if (HasAny(clause, {"client machine id", "host name", "host caching"})) return Role::kUnknown;
  const size_t client =
      PlaceOf(clause, {"client", "workstation", "客户端", "クライアント", "клиент"});
  const size_t host =
      PlaceOf(clause, {"host", "hôte", "kms server", "kms-server", "主机", "ホスト", "хост"});
  if (client == kNone && host == kNone) return Role::kUnknown;
  return client < host ? Role::kClient : Role::kHost;
}

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
  size_t floor_ = 0;  // lines above it belong to a piece
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

// Where the JSON object that opens at `at` ends; kNone if it does not.
size_t EndOfObject(absl::string_view text, size_t at) {
  int depth = 0;
  bool quoted = false;
  const size_t limit = std::min(text.size(), at + kMaxObject);
  for (size_t i = at; i < limit; ++i) {
    const char c = text[i];
    if (quoted) {
      if (c == '\\')
        ++i;
      else if (c == '"')
        quoted = false;
    } else if (c == '"') {
      quoted = true;
    } else if (c == '{') {
      ++depth;
    } else if (c == '}' && --depth == 0) {
      return i + 1;
    }
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
    ReadEventJson(text_.substr(offset, end - offset), number, sink_);
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

void Walker::Step() {
  const Line& line = lines_[at_];
  const absl::string_view text = absl::StripLeadingAsciiWhitespace(line.text);
  if (text.empty()) {
    ++at_;
    return;
  }
  if (IsComment(text)) return TakeComment(line);
  if ((text[0] == '{' || text[0] == '[') && TakeJson(text)) return;
  if (text.size() > 6 && text.find('<') != kNone && TakeXml(text)) return;
  size_t taken = 0;
  if (StartsOspp(text)) taken = ReadOspp(lines_, at_, sink_);
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

bool ReadHeading(absl::string_view line, Sink& sink) {
  const absl::string_view text = absl::StripAsciiWhitespace(line);
  const bool comment = IsComment(text);
  absl::string_view bare = text;
  while (!bare.empty() && absl::string_view("#=/ \t").find(bare[0]) != kNone) bare.remove_prefix(1);
  while (!bare.empty() && absl::string_view("#= \t").find(bare.back()) != kNone) {
    bare.remove_suffix(1);
  }
  if (const auto computer = NamedComputer(bare)) {
    const Role role = RoleInHeading(SplitLabel(bare)->label);
    sink.Heading(role, *computer, false);
    return true;
  }
  const bool announces = text.size() <= 80 && absl::EndsWith(text, ":");
  if (!comment && !announces) return false;
  const Role role = RoleInHeading(bare);
  if (role == Role::kUnknown) return false;
  const std::string lower = Lower(bare);
  const bool another = HasAny(lower, {"another ", "other ", "second ", "third ", "client 2",
                                      "host 2", "client 3", "host 3"});
  sink.Heading(role, "", another);
  return true;
}

bool IsBreak(absl::string_view line) {
  const absl::string_view text = absl::StripLeadingAsciiWhitespace(line);
  return !text.empty() && (IsComment(text) || IsPrompt(text) || NamedComputer(text));
}

void ReadDocument(const Document& document, Sink& sink) { Walker(document, sink).Run(); }

}  // namespace keymedic::kms::readers
