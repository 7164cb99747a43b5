// SPDX-License-Identifier: Apache-2.0
//
// Events as text. Their headers differ (Event Viewer, wevtutil, Get-WinEvent, tables, CSV) and are
// translated; provider, channel and payload never are. The payload itself is understood by
// kms/events.h, the same for a pasted event as for a live one.
#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "kms/events.h"
#include "kms/readers/readers.h"
#include "kms/readers/shapes.h"

namespace keymedic::kms::readers {
namespace {

constexpr size_t kNone = absl::string_view::npos;
constexpr size_t kMaxTextLines = 64;  // of one event

enum class Header { kNone, kChannel, kProvider, kId, kTime, kComputer, kOther, kText };

struct HeaderRow {
  absl::string_view key;
  Header header;
};

constexpr HeaderRow kHeaders[] = {
    {"logname", Header::kChannel},
    {"channel", Header::kChannel},
    {"protokollname", Header::kChannel},
    {"nomdujournal", Header::kChannel},
    {"nombrederegistro", Header::kChannel},
    {"日志名称", Header::kChannel},
    {"source", Header::kProvider},
    {"providername", Header::kProvider},
    {"provider", Header::kProvider},
    {"sourcename", Header::kProvider},
    {"eventsource", Header::kProvider},
    {"quelle", Header::kProvider},
    {"origen", Header::kProvider},
    {"来源", Header::kProvider},
    {"eventid", Header::kId},
    {"id", Header::kId},
    {"eventcode", Header::kId},
    {"ereignisid", Header::kId},
    {"iddelevento", Header::kId},
    {"iddelévénement", Header::kId},
    {"事件id", Header::kId},
    {"date", Header::kTime},
    {"timecreated", Header::kTime},
    {"timegenerated", Header::kTime},
    {"logged", Header::kTime},
    {"datum", Header::kTime},
    {"fecha", Header::kTime},
    {"日期", Header::kTime},
    {"computer", Header::kComputer},
    {"machinename", Header::kComputer},
    {"ordinateur", Header::kComputer},
    {"equipo", Header::kComputer},
    {"计算机", Header::kComputer},
    {"level", Header::kOther},
    {"leveldisplayname", Header::kOther},
    {"taskcategory", Header::kOther},
    {"task", Header::kOther},
    {"keywords", Header::kOther},
    {"user", Header::kOther},
    {"username", Header::kOther},
    {"opcode", Header::kOther},
    {"entrytype", Header::kOther},
    {"recordid", Header::kOther},
    {"index", Header::kOther},
    {"instanceid", Header::kOther},
    {"category", Header::kOther},
    {"ebene", Header::kOther},
    {"aufgabenkategorie", Header::kOther},
    {"benutzer", Header::kOther},
    {"niveau", Header::kOther},
    {"utilisateur", Header::kOther},
    {"description", Header::kText},
    {"message", Header::kText},
    {"beschreibung", Header::kText},
    {"descripción", Header::kText},
    {"描述", Header::kText},
    {"说明", Header::kText},
};

Header HeaderOf(absl::string_view label) {
  const std::string key = LabelKey(label);
  for (const HeaderRow& row : kHeaders) {
    if (row.key == key) return row.header;
  }
  return Header::kNone;
}

size_t ProviderAt(absl::string_view text) {
  for (absl::string_view name :
       {"Security-SPP", "Security-Licensing-SLC", "Software Protection Platform",
        "Windows Activation Technologies", "Software Licensing Service"}) {
    const size_t at = text.find(name);
    if (at != kNone) return at;
  }
  return kNone;
}

std::string FullProvider(absl::string_view text) {
  if (absl::StrContains(text, "Windows Activation Technologies")) {
    return "Windows Activation Technologies";
  }
  if (absl::StrContains(text, "Security-Licensing-SLC")) {
    return "Microsoft-Windows-Security-Licensing-SLC";
  }
  if (ProviderAt(text) != kNone) return "Microsoft-Windows-Security-SPP";
  return std::string(text.substr(0, 128));
}

bool IsHostEvent(uint32_t id) { return id >= 12290 && id <= 12294; }

// Ids that mean licensing without their provider beside them.
bool IsTellingId(uint32_t id) {
  return (id >= 12288 && id <= 12321) || id == 8196 || id == 8198 || id == 8200 || id == 8208 ||
         id == 8209;
}

// The first run of digits at or after `from` that stands alone and that `wanted` likes.
template <typename Wanted>
std::optional<std::pair<uint32_t, size_t>> FindId(absl::string_view text, size_t from,
                                                  Wanted wanted) {
  for (size_t at = from; at < text.size(); ++at) {
    if (!absl::ascii_isdigit(text[at])) continue;
    size_t end = at;
    while (end < text.size() && absl::ascii_isalnum(text[end])) ++end;
    uint32_t id = 0;
    const bool alone = at == 0 || absl::string_view(" \t|,;\":=[(").find(text[at - 1]) != kNone;
    const bool ends =
        end == text.size() || absl::string_view(" \t|,;\":.)]").find(text[end]) != kNone;
    if (alone && ends && absl::SimpleAtoi(text.substr(at, end - at), &id) && wanted(id)) {
      return std::pair(id, end);
    }
    at = end;
  }
  return std::nullopt;
}

struct Draft {
  v1::EventRecord event;
  std::vector<std::string> text;
  bool in_text = false;
};

// "Event ID 12308", "Event 12288: …", "EventID=8198". Only at the start of a line.
std::optional<uint32_t> LeadingEventId(absl::string_view line) {
  const std::string lower = Lower(absl::StripLeadingAsciiWhitespace(line).substr(0, 40));
  absl::string_view rest = lower;
  if (!absl::ConsumePrefix(&rest, "event")) return std::nullopt;
  rest = absl::StripLeadingAsciiWhitespace(rest);
  absl::ConsumePrefix(&rest, "id");
  while (!rest.empty() && absl::string_view(" :=#").find(rest[0]) != kNone) rest.remove_prefix(1);
  const auto found = FindId(rest, 0, [](uint32_t) { return true; });
  if (!found || rest.empty() || !absl::ascii_isdigit(rest[0])) return std::nullopt;
  return found->first;
}

// "Application | provider | 8196 | text", a row of a CSV export or of Get-WinEvent's table.
std::optional<Draft> OneLine(absl::string_view line) {
  const size_t provider = ProviderAt(line);
  std::optional<std::pair<uint32_t, size_t>> id;
  if (provider != kNone) {
    const bool row = HasAny(line, {"|", ",", "\t"});
    // "Source: Microsoft-Windows-Security-SPP" is a header.
    const absl::string_view before = absl::StripTrailingAsciiWhitespace(line.substr(0, provider));
    if (!row || absl::EndsWith(before, ":") || absl::EndsWith(before, ": Microsoft-Windows-")) {
      return std::nullopt;
    }
    const auto plausible = [](uint32_t n) { return n >= 4 && n <= 20000; };
    id = FindId(line, provider, plausible);
    if (!id) id = FindId(line, 0, IsTellingId);
  } else if (!line.empty() && absl::ascii_isdigit(line[0]) && ParseInstant(line.substr(0, 24))) {
    id = FindId(line, 0, IsTellingId);
  }
  if (!id) return std::nullopt;
  Draft draft;
  draft.in_text = true;
  draft.event.set_event_id(id->first);
  if (provider != kNone) draft.event.set_provider(FullProvider(line.substr(provider)));
  absl::string_view rest = line.substr(id->second);
  while (!rest.empty() && absl::string_view(" |,;\t\"").find(rest[0]) != kNone)
    rest.remove_prefix(1);
  draft.text.emplace_back(rest);
  return draft;
}

std::vector<absl::string_view> SplitColumns(absl::string_view line) {
  // "EventId: 8198  Channel: Application  Level: Error"
  std::vector<absl::string_view> columns;
  for (absl::string_view column : absl::StrSplit(line, "  ", absl::SkipWhitespace())) {
    columns.push_back(absl::StripAsciiWhitespace(column));
  }
  for (absl::string_view column : columns) {
    const auto labelled = SplitLabel(column);
    if (!labelled || HeaderOf(labelled->label) == Header::kNone) return {line};
  }
  return columns;
}

// True if this line says so much about an event that one may begin here.
bool IsOpeningHeader(const Labelled& labelled) {
  switch (HeaderOf(labelled.label)) {
    case Header::kChannel:
      return labelled.value == "Application" || labelled.value == "Key Management Service" ||
             labelled.value == "System" || absl::StrContains(labelled.value, "Microsoft-Windows");
    case Header::kProvider:
      return true;
    case Header::kId:
      return IsNumber(labelled.value) ||
             (FindNumber(labelled.value) && absl::StrContains(labelled.value, "  "));
    case Header::kTime:
      return ParseInstant(labelled.value).has_value();
    default:
      return ProviderAt(labelled.value) == 0 ||
             absl::StartsWith(labelled.value, "Microsoft-Windows-Security-");
  }
}

class EventReader {
 public:
  // False: this line belongs to what follows.
  bool Take(absl::string_view line);
  Draft& draft() { return draft_; }

 private:
  bool TakeHeader(const Labelled& labelled);

  Draft draft_;
  bool first_ = true;
  bool has_time_ = false;
};

bool EventReader::Take(absl::string_view line) {
  const bool first = std::exchange(first_, false);
  if (first) {
    if (auto row = OneLine(line)) {
      draft_ = std::move(*row);
      return true;
    }
  } else if (draft_.in_text && StartsEvent(line)) {
    return false;
  }
  const absl::string_view text = absl::StripAsciiWhitespace(line);
  if (text.empty()) return true;
  if (absl::StartsWith(text, "Event[")) return first;
  if (!draft_.in_text && !SplitLabel(text)) {
    if (const auto id = LeadingEventId(text)) {
      if (draft_.event.event_id() != 0) return false;
      draft_.event.set_event_id(*id);
      return true;
    }
  }
  if (!draft_.in_text) {
    bool all_headers = true;
    for (absl::string_view column : SplitColumns(text)) {
      const auto labelled = SplitLabel(column);
      if (!labelled) {
        all_headers = false;
      } else if (!TakeHeader(*labelled)) {
        if (StartsEvent(line)) return false;
        all_headers = false;
      }
    }
    if (all_headers || draft_.in_text) return true;
  } else if (const auto labelled = SplitLabel(text)) {
    const Header header = HeaderOf(labelled->label);
    if (header == Header::kComputer && draft_.event.computer().empty()) TakeHeader(*labelled);
    if (header == Header::kText) {
      draft_.text.emplace_back(labelled->value);
      return true;
    }
  }
  draft_.in_text = true;
  if (draft_.text.size() < kMaxTextLines) draft_.text.emplace_back(text);
  return true;
}

// False: it is none of the headers, or this event has it already.
bool EventReader::TakeHeader(const Labelled& labelled) {
  v1::EventRecord& event = draft_.event;
  const absl::string_view value = labelled.value;
  switch (HeaderOf(labelled.label)) {
    case Header::kChannel:
      if (!event.channel().empty()) return false;
      event.set_channel(std::string(value));
      return true;
    case Header::kProvider:
      if (!event.provider().empty()) return false;
      event.set_provider(FullProvider(value));
      return true;
    case Header::kId:
      if (event.event_id() != 0) return false;
      event.set_event_id(FindNumber(value).value_or(0));
      return true;
    case Header::kTime:
      if (has_time_) return false;
      has_time_ = true;
      if (const auto at = ParseInstant(value)) {
        event.mutable_time()->set_seconds(absl::ToUnixSeconds(*at));
      }
      return true;
    case Header::kComputer: {
      const auto host = ParseHostPort(value);
      if (host && !host->port) event.set_computer(host->host);
      return true;
    }
    case Header::kOther:
      return true;
    case Header::kText:
      draft_.in_text = true;
      if (!value.empty()) draft_.text.emplace_back(value);
      return true;
    case Header::kNone:
      break;
  }
  // A header in another language: the provider's name and the id's number are not translated.
  if (ProviderAt(value) != kNone && event.provider().empty()) {
    event.set_provider(FullProvider(value));
    return true;
  }
  if (IsNumber(value) && event.event_id() == 0 && ProviderAt(event.provider()) != kNone) {
    event.set_event_id(FindNumber(value).value_or(0));
    return true;
  }
  return event.event_id() == 0 && !event.provider().empty();
}

// The text of `draft` as the strings that the log itself holds.
void FillData(Draft& draft, uint32_t line, Sink& sink) {
  v1::EventRecord& event = draft.event;
  const uint32_t id = event.event_id();
  if (id >= 12288 && id <= 12290) {
    std::string payload;
    for (const std::string& part : draft.text) {
      const size_t at = Lower(part).find("0x");
      if (payload.empty()) {
        if (at != kNone) payload = part.substr(at);
      } else if (absl::EndsWith(payload, ",")) {
        absl::StrAppend(&payload, " ", part);
      }
    }
    if (payload.empty()) {
      sink.Unreadable(line, absl::StrCat("event ", id, " without its fields (\"0x…, …\")"));
      return;
    }
    if (!FindCode(payload.substr(0, payload.find(',')))) {
      sink.Unreadable(line, absl::StrCat("event ", id, ": its first field is not an error code: \"",
                                         payload.substr(0, 80), "\""));
    }
    event.add_data(payload);
    return;
  }
  for (std::string& part : draft.text) {
    if (!part.empty()) event.add_data(std::move(part));
  }
}

}  // namespace

void AddEvent(v1::EventRecord event, uint32_t line, Sink& sink) {
  if (event.provider().empty() && IsTellingId(event.event_id())) {
    event.set_provider("Microsoft-Windows-Security-SPP");
  }
  event.set_provider(FullProvider(event.provider()));
  if (event.channel().empty()) {
    event.set_channel(IsHostEvent(event.event_id()) ? "Key Management Service" : "Application");
  }
  if (IsUnknown(event.computer())) event.clear_computer();
  const bool licensing = IsLicensingEvent(event);
  if (!licensing && ProviderAt(event.provider()) == kNone) return;
  const Role role = IsHostEvent(event.event_id()) ? Role::kHost : Role::kClient;
  const std::string computer = event.computer();
  std::optional<v1::EventRecord> kept;
  if (licensing) kept = std::move(event);
  sink.AddEvent(role, computer, std::move(kept), line);
}

bool StartsEvent(absl::string_view line) {
  const absl::string_view text = absl::StripLeadingAsciiWhitespace(line);
  if (text.empty() || text[0] == '#') return false;
  if (absl::StartsWith(text, "Event[")) return true;
  if (LeadingEventId(text)) return true;
  if (const auto labelled = SplitLabel(text)) {
    if (IsOpeningHeader(*labelled)) return true;
  }
  return OneLine(text).has_value();
}

size_t ReadEvents(const Lines& lines, size_t at, Sink& sink) {
  EventReader reader;
  size_t i = at;
  const bool row = OneLine(lines[at].text).has_value();
  for (; i < lines.size(); ++i) {
    const absl::string_view text = lines[i].text;
    if (i > at) {
      const bool header = SplitLabel(text) && HeaderOf(SplitLabel(text)->label) != Header::kNone;
      if ((!header && IsBreak(text)) || StartsOspp(text) || StartsNames(text)) break;
      if (row && text.empty()) break;
      if (lines[i - 1].text.empty() && !header && reader.draft().in_text && StartsSlmgr(text))
        break;
    }
    if (!reader.Take(text)) break;
  }
  Draft& draft = reader.draft();
  if (draft.event.event_id() != 0) {
    FillData(draft, lines[at].number, sink);
    AddEvent(std::move(draft.event), lines[at].number, sink);
  } else if (ProviderAt(draft.event.provider()) != kNone &&
             FindCode(absl::StrJoin(draft.text, "\n"))) {
    sink.Unreadable(lines[at].number, "an event without its event id");
  }
  return std::max<size_t>(i - at, 1);
}

uint32_t MentionedEvent(absl::string_view line) {
  const std::string lower = Lower(line);
  for (size_t at = lower.find("event"); at != kNone; at = lower.find("event", at + 1)) {
    const auto id = FindId(absl::string_view(lower).substr(0, at + 16), at + 5, IsTellingId);
    if (id) return id->first;
  }
  return 0;
}

namespace {

bool IsFailure(uint32_t code) { return code >= 0x80000000; }

// The last failure code of a line: "slui.exe 0x2a 0xC004F074".
std::optional<uint32_t> FindFailure(absl::string_view text) {
  std::optional<uint32_t> found;
  while (const auto code = FindCode(text)) {
    if (IsFailure(*code)) found = code;
    const std::string lower = Lower(text);
    text = text.substr(lower.find("0x") + 2);
  }
  return found;
}

// 12288, 12289 or 12290 by the number and the shape of the fields; 0: none of them.
uint32_t EventOfFields(absl::string_view payload) {
  const std::vector<absl::string_view> fields = absl::StrSplit(payload, ',');
  const auto field = [&](size_t i) { return absl::StripAsciiWhitespace(fields[i]); };
  if (fields.size() >= 9 && FindGuid(field(3))) return IsNumber(field(1)) ? 12290 : 12288;
  if (fields.size() == 8 && IsNumber(field(2)) && IsNumber(field(4))) return 12289;
  return 0;
}

void AddAttempt(uint32_t error, const Lines& lines, size_t at, Sink& sink) {
  std::string activation_id;
  for (size_t i = at - std::min<size_t>(at, 3); i < at; ++i) {
    // "Activating Windows(R), Enterprise edition (73111121-…) ..."
    if (absl::StrContains(lines[i].text, "...")) {
      if (auto guid = FindGuid(lines[i].text)) activation_id = *guid;
    }
  }
  Piece& piece = sink.Add(Role::kClient, lines[at].number);
  v1::ActivationAttempt* attempt = piece.state.client.emplace().add_attempts();
  attempt->set_error(error);
  if (!activation_id.empty()) attempt->set_activation_id(activation_id);
}

}  // namespace

size_t ReadMention(const Lines& lines, size_t at, uint32_t heading_event, Sink& sink) {
  const absl::string_view raw = lines[at].text;
  absl::string_view text = absl::StripAsciiWhitespace(raw);
  const bool comment = absl::StartsWith(text, "#");
  const std::string lower = Lower(text);
  const size_t hex = lower.find("0x");
  if (hex == kNone) {
    if (absl::StrContains(text, "Product activated successfully")) {
      AddAttempt(0, lines, at, sink);
      return 1;
    }
    return 0;
  }
  const absl::string_view payload = text.substr(hex);
  uint32_t id = MentionedEvent(text);
  if (id == 0 && hex == 0) id = heading_event != 0 ? heading_event : EventOfFields(payload);
  if (id != 0) {
    Draft draft;
    draft.event.set_event_id(id);
    draft.text.emplace_back(id == 12288 || id == 12289 || id == 12290 ? payload : text);
    FillData(draft, lines[at].number, sink);
    AddEvent(std::move(draft.event), lines[at].number, sink);
    return 1;
  }
  const auto code = FindFailure(text);
  if (!code) return 0;
  const bool command =
      HasAny(lower, {"/ato", "-ato", "slui.exe", "slmgr", "activat", "error", "hr=", "fehler",
                     "erreur", "错误", "エラー", "ошибка", "오류"});
  const auto labelled = SplitLabel(text);
  const bool printed = labelled && absl::StartsWith(Lower(labelled->value), "0x");
  const bool bare = hex == 0 && payload.size() <= 11;
  if (comment ? !command : !(command || printed || bare)) return 0;
  AddAttempt(*code, lines, at, sink);
  return 1;
}

}  // namespace keymedic::kms::readers
