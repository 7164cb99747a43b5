// SPDX-License-Identifier: Apache-2.0
//
// Events as text. Their headers differ (Event Viewer, wevtutil, Get-WinEvent, tables, CSV) and are
// translated; provider, channel and payload never are. The payload itself is understood by
// kms/events.h, the same for a pasted event as for a live one.
#include <algorithm>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "kms/events.h"
#include "kms/readers/event_draft.h"
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
  static const auto* const kByKey = [] {
    auto* map = new absl::flat_hash_map<absl::string_view, Header>;
    for (const HeaderRow& row : kHeaders) map->emplace(row.key, row.header);
    return map;
  }();
  const auto found = kByKey->find(TableKey(label).view());
  return found == kByKey->end() ? Header::kNone : found->second;
}

size_t ProviderAt(absl::string_view text) {
  // Most lines have none of their beginnings.
  bool may = false;
  for (size_t at = 0; at + 1 < text.size() && !may; ++at) {
    may = (text[at] == 'S' && (text[at + 1] == 'e' || text[at + 1] == 'o')) ||
          (text[at] == 'W' && text[at + 1] == 'i');
  }
  if (!may) return kNone;
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
  return std::string(Excerpt(text, 128));
}

// Lists the state of every edition that this Windows could be, with the code of each that it is
// not.
constexpr uint32_t kStatusReport = 1003;

bool IsHostEvent(uint32_t id) { return id >= 12290 && id <= 12294; }

// "Event ID 12308", "Event 12288: …", "EventID=8198". Only at the start of a line.
std::optional<uint32_t> LeadingEventId(absl::string_view line) {
  line = absl::StripLeadingAsciiWhitespace(line);
  if (!absl::StartsWithIgnoreCase(line, "event")) return std::nullopt;
  const std::string lower = Lower(line.substr(0, 40));
  absl::string_view rest = lower;
  absl::ConsumePrefix(&rest, "event");
  rest = absl::StripLeadingAsciiWhitespace(rest);
  absl::ConsumePrefix(&rest, "id");
  while (!rest.empty() && absl::string_view(" :=#").find(rest[0]) != kNone) rest.remove_prefix(1);
  const auto found = FindId(rest, 0, [](uint32_t) { return true; });
  if (!found || rest.empty() || !absl::ascii_isdigit(rest[0])) return std::nullopt;
  return found->first;
}

// "Application | provider | 8196 | text", a row of a CSV export or of Get-WinEvent's table.
std::optional<Draft> OneLine(absl::string_view line) {
  const bool row = HasAny(line, {"|", ",", "\t"});
  if (line.empty() || (!row && !absl::ascii_isdigit(line[0]))) return std::nullopt;
  const size_t provider = ProviderAt(line);
  std::optional<std::pair<uint32_t, size_t>> id;
  if (provider != kNone) {
    // "Source: Microsoft-Windows-Security-SPP" is a header.
    const absl::string_view before = absl::StripTrailingAsciiWhitespace(line.substr(0, provider));
    if (!row || absl::EndsWith(before, ":") || absl::EndsWith(before, ": Microsoft-Windows-")) {
      return std::nullopt;
    }
    const auto plausible = [](uint32_t n) { return n >= 4 && n <= 20000; };
    id = FindId(line, provider, plausible);
    if (!id) id = FindId(line, 0, IsTellingId);
  } else if (absl::ascii_isdigit(line[0]) && ParseInstant(line.substr(0, 24))) {
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
  const auto label = SplitLabel(text);
  if (!draft_.in_text && (!label || HeaderOf(label->label) == Header::kNone)) {
    if (const auto id = LeadingEventId(text)) {
      if (draft_.event.event_id() != 0) return false;
      draft_.event.set_event_id(*id);
      // "Event 12288: 0x00000000, …"
      const size_t digits = text.find_first_of("0123456789");
      const size_t rest = text.find_first_not_of("0123456789:,;- ", digits);
      const size_t code = text.find("0x", digits);
      if (rest != kNone) {
        draft_.in_text = true;
        draft_.text.emplace_back(text.substr(std::min(rest, code)));
      }
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

}  // namespace

bool IsLicensingSource(absl::string_view provider) { return ProviderAt(provider) != kNone; }

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
  if (!licensing && event.event_id() != kStatusReport) {
    const auto code = FindCode(absl::StrJoin(event.data(), "\n"));
    if (code && *code >= 0x80000000) {
      sink.Unreadable(line,
                      absl::StrFormat("event %u with error 0x%08X: not one that is known here",
                                      event.event_id(), *code));
    }
  }
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
      const auto labelled = SplitLabel(text);
      const bool header = labelled && HeaderOf(labelled->label) != Header::kNone;
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

}  // namespace keymedic::kms::readers
