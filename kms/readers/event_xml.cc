// SPDX-License-Identifier: Apache-2.0
//
// <Event> elements as Windows writes them. They arrive as fragments, with the viewer's "- " marks
// and without a root, so they are picked apart by element, not parsed as a document.
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "kms/readers/readers.h"
#include "kms/readers/shapes.h"

namespace keymedic::kms::readers {
namespace {

constexpr size_t kNone = absl::string_view::npos;
constexpr size_t kMaxData = 64;

std::string Unescape(absl::string_view text) {
  return absl::StrReplaceAll(absl::StripAsciiWhitespace(text), {{"&lt;", "<"},
                                                                {"&gt;", ">"},
                                                                {"&quot;", "\""},
                                                                {"&apos;", "'"},
                                                                {"&#13;", "\r"},
                                                                {"&#10;", "\n"},
                                                                {"&#xD;", "\r"},
                                                                {"&#xA;", "\n"},
                                                                {"&amp;", "&"}});
}

struct Element {
  absl::string_view attributes, content;
  size_t end = kNone;  // behind it
};

// The first <name …>…</name> or <name …/> at or after `from`.
std::optional<Element> FindElement(absl::string_view xml, absl::string_view name, size_t from) {
  const std::string open = absl::StrCat("<", name);
  for (size_t at = xml.find(open, from); at != kNone; at = xml.find(open, at + 1)) {
    const size_t after = at + open.size();
    if (after >= xml.size() || absl::string_view(" />\t\r\n").find(xml[after]) == kNone) continue;
    const size_t close = xml.find('>', after);
    if (close == kNone) return std::nullopt;
    Element element;
    if (xml[close - 1] == '/') {
      element.attributes = xml.substr(after, close - 1 - after);
      element.end = close + 1;
      return element;
    }
    const std::string end = absl::StrCat("</", name, ">");
    const size_t last = xml.find(end, close);
    if (last == kNone) return std::nullopt;
    element.attributes = xml.substr(after, close - after);
    element.content = xml.substr(close + 1, last - close - 1);
    element.end = last + end.size();
    return element;
  }
  return std::nullopt;
}

std::string Attribute(absl::string_view attributes, absl::string_view name) {
  size_t at = attributes.find(absl::StrCat(name, "="));
  if (at == kNone || at + name.size() + 1 >= attributes.size()) return "";
  at += name.size() + 1;
  const char quote = attributes[at];
  const size_t end = attributes.find(quote, at + 1);
  if ((quote != '"' && quote != '\'') || end == kNone) return "";
  return Unescape(attributes.substr(at + 1, end - at - 1));
}

}  // namespace

bool ReadEventXml(absl::string_view text, uint32_t line, Sink& sink) {
  v1::EventRecord event;
  const auto id = FindElement(text, "EventID", 0);
  uint32_t number = 0;
  if (!id || !absl::SimpleAtoi(id->content, &number)) {
    sink.Unreadable(line, "an <Event> without a readable <EventID>");
    return false;
  }
  event.set_event_id(number);
  if (const auto provider = FindElement(text, "Provider", 0)) {
    event.set_provider(Attribute(provider->attributes, "Name"));
  }
  if (const auto channel = FindElement(text, "Channel", 0)) {
    event.set_channel(Unescape(channel->content));
  }
  if (const auto computer = FindElement(text, "Computer", 0)) {
    event.set_computer(Lower(Unescape(computer->content)));
  }
  if (const auto created = FindElement(text, "TimeCreated", 0)) {
    if (const auto at = ParseInstant(Attribute(created->attributes, "SystemTime"))) {
      event.mutable_time()->set_seconds(absl::ToUnixSeconds(*at));
    }
  }
  uint64_t record = 0;
  const auto record_id = FindElement(text, "EventRecordID", 0);
  if (record_id && absl::SimpleAtoi(record_id->content, &record)) event.set_record_id(record);
  size_t at = 0;
  while (event.data_size() < static_cast<int>(kMaxData)) {
    const auto data = FindElement(text, "Data", at);
    if (!data) break;
    at = data->end;
    event.add_data(Unescape(data->content));
  }
  if (event.data().empty()) {
    if (const auto message = FindElement(text, "Message", 0)) {
      event.add_data(Unescape(message->content));
    }
  }
  AddEvent(std::move(event), line, sink);
  return true;
}

}  // namespace keymedic::kms::readers
