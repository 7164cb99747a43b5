// SPDX-License-Identifier: Apache-2.0
//
// Events as JSON: Get-WinEvent | ConvertTo-Json, and what collectors (Wazuh, Winlogbeat, NXLog,
// evtx_dump) make of them. They agree on little but the names of a few leaves.
#include <map>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "kms/readers/readers.h"
#include "kms/readers/shapes.h"
#include "nlohmann/json.hpp"

namespace keymedic::kms::readers {
namespace {

using Json = nlohmann::json;

constexpr int kMaxDepth = 32;
constexpr size_t kMaxData = 64;

int DepthOf(absl::string_view text) {
  int depth = 0;
  int deepest = 0;
  for (size_t at = NextBracket(text, 0); at != absl::string_view::npos;
       at = NextBracket(text, at + 1)) {
    const bool opens = text[at] == '{' || text[at] == '[';
    depth += opens ? 1 : -1;
    deepest = std::max(deepest, depth);
  }
  return deepest;
}

bool IsIdKey(const std::string& raw) {
  const std::string key = LabelKey(raw);
  return key == "eventid" || key == "eventcode" || (raw == "Id" && key == "id");
}

int CountEvents(const Json& json) {
  int count = 0;
  if (json.is_object()) {
    bool here = false;
    for (const auto& [key, value] : json.items()) {
      here = here || IsIdKey(key);
      if (!IsIdKey(key)) count += CountEvents(value);
    }
    count += here;
  } else if (json.is_array()) {
    for (const Json& element : json) count += CountEvents(element);
  }
  return count;
}

std::string Text(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number_integer()) return absl::StrCat(value.get<int64_t>());
  if (value.is_object()) {  // {"#text": 8198}, {"value": …}
    for (const char* key : {"#text", "value", "Value", "DateTime"}) {
      if (value.contains(key)) return Text(value.at(key));
    }
  }
  return "";
}

class EventLeaves {
 public:
  void Take(const Json& json, const std::string& parent) {
    if (json.is_array()) {
      for (const Json& element : json) Take(element, parent);
    } else if (json.is_object()) {
      for (const auto& [key, value] : json.items()) TakeMember(LabelKey(key), key, value, parent);
    } else if (parent == "data" || parent == "properties") {
      AddData(Text(json));
    }
  }
  bool Emit(uint32_t line, Sink& sink);

 private:
  void AddData(std::string text) {
    if (!text.empty() && event_.data_size() < static_cast<int>(kMaxData)) {
      event_.add_data(std::move(text));
    }
  }
  void TakeMember(const std::string& key, const std::string& raw, const Json& value,
                  const std::string& parent);

  v1::EventRecord event_;
  std::string message_;
};

void EventLeaves::TakeMember(const std::string& key, const std::string& raw, const Json& value,
                             const std::string& parent) {
  const std::string text = Text(value);
  uint32_t number = 0;
  if (IsIdKey(raw) && absl::SimpleAtoi(text, &number)) {
    event_.set_event_id(number);
  } else if ((key == "providername" || key == "sourcename" || key == "source" ||
              (key == "name" && parent != "data") || key == "provider") &&
             !text.empty()) {
    if (event_.provider().empty()) event_.set_provider(text);
  } else if (key == "channel" || key == "logname") {
    event_.set_channel(text);
  } else if (key == "computer" || key == "machinename" || key == "computername" ||
             (key == "hostname" && event_.computer().empty())) {
    event_.set_computer(Lower(text));
  } else if (key == "systemtime" || key == "timecreated" || key == "eventtime") {
    absl::string_view when = text;
    int64_t millis = 0;
    if (absl::ConsumePrefix(&when, "/Date(") && absl::SimpleAtoi(when.substr(0, 13), &millis)) {
      event_.mutable_time()->set_seconds(millis / 1000);
    } else if (const auto at = ParseInstant(text)) {
      event_.mutable_time()->set_seconds(absl::ToUnixSeconds(*at));
    } else if (value.is_structured()) {
      Take(value, key);
    }
  } else if (key == "message" && value.is_string()) {
    message_ = text;
  } else if (key == "data" || key == "properties" || key == "eventdata") {
    if (value.is_string())
      AddData(text);
    else
      Take(value, value.is_object() && key == "eventdata" ? "eventdata" : "data");
  } else if (parent == "eventdata" || (parent == "data" && (raw == "Value" || raw == "#text"))) {
    if (value.is_array())
      Take(value, "data");
    else
      AddData(text);
  } else if (value.is_structured()) {
    Take(value, key);
  }
}

bool EventLeaves::Emit(uint32_t line, Sink& sink) {
  if (event_.event_id() == 0) return false;
  if (event_.data().empty()) AddData(message_);
  AddEvent(std::move(event_), line, sink);
  return true;
}

bool Walk(const Json& json, uint32_t line, Sink& sink) {
  const int events = CountEvents(json);
  if (events == 0) return false;
  if (events == 1 || (json.is_object() && json.contains("winlog"))) {
    EventLeaves leaves;
    leaves.Take(json, "");
    return leaves.Emit(line, sink);
  }
  bool any = false;
  for (const Json& child : json) any = Walk(child, line, sink) || any;
  return any;
}

}  // namespace

bool ReadEventJson(absl::string_view text, uint32_t line, Sink& sink) {
  if (DepthOf(text) > kMaxDepth) {
    sink.Unreadable(line, "JSON that is nested too deeply to be an event");
    return false;
  }
  const Json json = Json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) {
    sink.Unreadable(line, "JSON that does not parse");
    return false;
  }
  return Walk(json, line, sink);
}

}  // namespace keymedic::kms::readers
