// SPDX-License-Identifier: Apache-2.0
//
// Events and errors that people write down in a line of their own, and the parts of an event's text
// that are the same in every shape.
#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "kms/readers/event_draft.h"
#include "kms/readers/readers.h"
#include "kms/readers/shapes.h"
#include "kms/tables.h"

namespace keymedic::kms::readers {
namespace {

constexpr size_t kNone = absl::string_view::npos;

}  // namespace

bool IsTellingId(uint32_t id) {
  return (id >= 12288 && id <= 12321) || id == 8196 || id == 8198 || id == 8200 || id == 8208 ||
         id == 8209;
}

std::optional<std::pair<uint32_t, size_t>> FindId(absl::string_view text, size_t from,
                                                  absl::FunctionRef<bool(uint32_t)> wanted) {
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
                                         Excerpt(payload, 80), "\""));
    }
    event.add_data(payload);
    return;
  }
  for (std::string& part : draft.text) {
    if (!part.empty()) event.add_data(std::move(part));
  }
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

// "If you see error 0x…": a guide speaks of what may happen, not of what did.
bool IsHypothetical(absl::string_view lower) {
  return absl::StartsWith(lower, "if ") ||
         HasAny(lower, {" if it ", " if you ", " if the ", "if you see", "for example", "e.g.",
                        "such as", " means ", " indicates ", "you may ", "you might ", "can occur",
                        "may occur", "might occur"});
}

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
  const size_t hex = std::min(text.find("0x"), text.find("0X"));
  if (hex == kNone) {
    if (absl::StrContains(text, "Product activated successfully")) {
      AddAttempt(0, lines, at, sink);
      return 1;
    }
    return 0;
  }
  const std::string lower = Lower(text);
  if (!comment && IsHypothetical(lower.substr(0, hex))) return 0;
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
  // Any program prints errors: those of licensing are in the table.
  const bool command =
      HasAny(lower, {"/ato", "-ato", "slui.exe", "slmgr"}) ||
      (!ErrorMeaning(*code).empty() && HasAny(lower, {"activat", "error", "hr=", "fehler", "erreur",
                                                      "错误", "エラー", "ошибка", "오류"}));
  const auto labelled = SplitLabel(text);
  const bool printed = labelled && absl::StartsWith(Lower(labelled->value), "0x");
  const bool bare = hex == 0 && payload.size() <= 11;
  if (comment ? !command : !(command || printed || bare)) return 0;
  AddAttempt(*code, lines, at, sink);
  return 1;
}

}  // namespace keymedic::kms::readers
