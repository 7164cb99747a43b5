// SPDX-License-Identifier: Apache-2.0
//
// Objects of the licensing classes as JSON: ConvertTo-Json, and what automation wraps around a
// command's output ("stdout").
#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "kms/readers/readers.h"
#include "kms/readers/record.h"
#include "kms/readers/shapes.h"
#include "nlohmann/json.hpp"

namespace keymedic::kms::readers {
namespace {

using Json = nlohmann::json;

constexpr int kMaxDepth = 32;

std::string Scalar(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_boolean()) return value.get<bool>() ? "true" : "false";
  if (value.is_number_unsigned()) return absl::StrCat(value.get<uint64_t>());
  if (value.is_number_integer()) return absl::StrCat(static_cast<uint32_t>(value.get<int64_t>()));
  if (value.is_object() && value.contains("DateTime")) return Scalar(value.at("DateTime"));
  return "";
}

std::string Lines(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  std::string lines;
  for (const Json& line : value) {
    if (line.is_string()) absl::StrAppend(&lines, line.get<std::string>(), "\n");
  }
  return lines;
}

class JsonRecords {
 public:
  JsonRecords(uint32_t line, Sink& sink) : line_(line), sink_(sink) {}
  bool Walk(const Json& json);

 private:
  // What a command printed: "stdout", "stdout_lines", "out.stdout".
  bool TakeOutput(const Json& object);

  uint32_t line_;
  Sink& sink_;
};

bool JsonRecords::TakeOutput(const Json& object) {
  for (const auto& [key, value] : object.items()) {
    const bool whole = absl::EndsWith(key, "stdout") && value.is_string();
    const bool lines = absl::EndsWith(key, "stdout_lines") && value.is_array();
    if (!whole && !lines) continue;
    const std::string text = Lines(value);
    if (text.empty()) continue;
    Document document;
    Decode(text, document);
    TidyLayout(document);
    for (Line& line : document.lines) line.number = line_;
    const size_t before = sink_.pieces().size();
    ReadDocument(document, sink_);
    if (sink_.pieces().size() > before) return true;  // the other form says the same
  }
  return false;
}

bool JsonRecords::Walk(const Json& json) {
  bool any = false;
  if (json.is_object()) {
    Record record;
    record.line = line_;
    for (const auto& [key, value] : json.items()) {
      if (!value.is_structured() || value.is_object()) {
        record.properties.push_back({LabelKey(key), Scalar(value)});
      }
    }
    if (KindOfRecord(record) != RecordKind::kNone) return ReadRecord(record, sink_);
    if (TakeOutput(json)) return true;
  }
  if (json.is_structured()) {
    for (const Json& child : json) any = Walk(child) || any;
  }
  return any;
}

}  // namespace

bool MayBeRecordJson(absl::string_view text) {
  return HasAny(text, {"PartialProductKey", "LicenseStatus", "ManagementService", "ClientMachineID",
                       "NameTarget", "stdout", "ErrorCode"});
}

bool ReadRecordJson(absl::string_view text, uint32_t line, Sink& sink) {
  int depth = 0;
  for (size_t at = NextBracket(text, 0); at != absl::string_view::npos;
       at = NextBracket(text, at + 1)) {
    depth += text[at] == '{' || text[at] == '[' ? 1 : -1;
    if (depth > kMaxDepth) return false;
  }
  const Json json = Json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) return false;
  return JsonRecords(line, sink).Walk(json);
}

}  // namespace keymedic::kms::readers
