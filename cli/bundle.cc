// SPDX-License-Identifier: Apache-2.0
#include "cli/bundle.h"

#include <memory>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/product_key.h"
#include "base/status_macros.h"
#include "base/times.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"
#include "google/protobuf/util/json_util.h"
#include "nlohmann/json.hpp"

namespace keymedic::cli {
namespace {

using Json = nlohmann::ordered_json;
using google::protobuf::Message;

constexpr absl::string_view kFormat = "keymedic-bundle";
constexpr int kVersion = 1;
constexpr absl::string_view kSections = "sections/";

std::string Pretty(const Json& json) {
  return absl::StrCat(json.dump(2, ' ', false, Json::error_handler_t::replace), "\n");
}

Json ToJson(const Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  std::string text;
  if (!google::protobuf::util::MessageToJsonString(message, &text, options).ok()) return nullptr;
  return Json::parse(text, nullptr, /*allow_exceptions=*/false);
}

// An empty message of this type; null if there is none.
std::unique_ptr<Message> NewMessage(const std::string& type) {
  const auto* descriptor =
      google::protobuf::DescriptorPool::generated_pool()->FindMessageTypeByName(type);
  if (descriptor == nullptr) return nullptr;
  return std::unique_ptr<Message>(
      google::protobuf::MessageFactory::generated_factory()->GetPrototype(descriptor)->New());
}

absl::StatusOr<Json> SectionJson(const v1::Section& section) {
  const std::unique_ptr<Message> payload = NewMessage(section.type());
  if (payload == nullptr || !payload->ParseFromString(section.payload())) {
    return absl::InvalidArgumentError(
        absl::StrCat("section '", section.name(), "' of type ", section.type(),
                     " is not known here: agent and keymedic are of different versions"));
  }
  return Json{{"name", section.name()}, {"type", section.type()}, {"payload", ToJson(*payload)}};
}

template <typename Messages>
std::string List(const Messages& messages) {
  Json list = Json::array();
  for (const auto& message : messages) list.push_back(ToJson(message));
  return Pretty(list);
}

Json PluginsJson(const v1::SupportBundle& bundle) {
  Json plugins = Json::array();
  for (const v1::LoadedPlugin& plugin : bundle.plugins()) {
    if (plugin.has_description()) {
      plugins.push_back(
          {{"name", plugin.description().name()}, {"version", plugin.description().version()}});
    } else {
      plugins.push_back({{"path", plugin.path()}, {"error", plugin.error()}});
    }
  }
  return plugins;
}

std::string TimeText(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", time, absl::UTCTimeZone());
}

}  // namespace

absl::StatusOr<std::vector<ArchiveEntry>> PackBundle(const v1::SupportBundle& bundle,
                                                     absl::string_view agent_log, absl::Time now) {
  std::vector<ArchiveEntry> files(1);  // the manifest stands first and is written last
  for (const v1::Section& section : bundle.sections()) {
    KM_ASSIGN_OR_RETURN(const Json json, SectionJson(section));
    files.push_back({absl::StrCat(kSections, section.name(), ".json"), Pretty(json)});
  }
  files.push_back({"findings.json", List(bundle.findings())});
  files.push_back({"events.json", List(bundle.events())});
  if (!agent_log.empty()) files.push_back({"agent.log", std::string(agent_log)});

  Json contents = Json::array();
  for (size_t i = 1; i < files.size(); ++i) contents.push_back(files[i].name);
  Json notes = Json::array();
  for (const std::string& note : bundle.notes()) notes.push_back(note);
  files[0].name = std::string(kManifestName);
  files[0].content = Pretty(Json{{"format", kFormat},
                                 {"version", kVersion},
                                 {"machine", bundle.machine()},
                                 {"collected_at", TimeText(FromTimestamp(bundle.collected_at()))},
                                 {"created_at", TimeText(now)},
                                 {"keymedic_version", KEYMEDIC_VERSION},
                                 {"agent_version", bundle.agent_version()},
                                 {"plugins", PluginsJson(bundle)},
                                 {"notes", std::move(notes)},
                                 {"contents", std::move(contents)}});
  for (ArchiveEntry& file : files) file.content = RedactProductKeys(file.content);
  return files;
}

std::optional<absl::StatusOr<Manifest>> ReadManifest(absl::string_view content) {
  if (!absl::StrContains(content.substr(0, 256), kFormat)) return std::nullopt;
  const Json json = Json::parse(content.begin(), content.end(), nullptr, false);
  if (!json.is_object() || json.value("format", Json()) != std::string(kFormat)) {
    return std::nullopt;
  }
  const Json version = json.value("version", Json());
  if (!version.is_number_integer() || version.get<int64_t>() > kVersion) {
    return absl::FailedPreconditionError(
        "a bundle of a newer KeyMedic: diagnose it with that version");
  }
  const Json machine = json.value("machine", Json());
  const Json collected_at = json.value("collected_at", Json());
  Manifest manifest;
  std::string why;
  if (!machine.is_string() || machine.get<std::string>().empty()) {
    return absl::InvalidArgumentError("the bundle's manifest names no machine");
  }
  manifest.machine = RedactProductKeys(machine.get<std::string>());
  if (!collected_at.is_string() ||
      !absl::ParseTime(absl::RFC3339_full, collected_at.get<std::string>(), &manifest.collected_at,
                       &why)) {
    return absl::InvalidArgumentError("the bundle's manifest does not say when it was collected");
  }
  return manifest;
}

bool IsSectionName(absl::string_view name) {
  return absl::StartsWith(name, kSections) && absl::EndsWith(name, ".json");
}

absl::Status ReadSection(absl::string_view content, kms::MachineState& state) {
  const Json json = Json::parse(content.begin(), content.end(), nullptr, false);
  const auto text = [&](const char* key) {
    const Json value = json.is_object() ? json.value(key, Json()) : Json();
    return value.is_string() ? value.get<std::string>() : std::string();
  };
  v1::Section section;
  section.set_name(text("name"));
  section.set_type(text("type"));
  const std::unique_ptr<Message> payload = NewMessage(section.type());
  if (payload == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("no section of a machine's state that is known here: type '",
                     RedactProductKeys(section.type()), "'"));
  }
  google::protobuf::util::JsonParseOptions options;
  options.ignore_unknown_fields = true;  // of a newer version
  const auto parsed = google::protobuf::util::JsonStringToMessage(
      RedactProductKeys(
          json.value("payload", Json()).dump(-1, ' ', false, Json::error_handler_t::replace)),
      payload.get(), options);
  if (!parsed.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("section '", section.name(), "' does not parse as ", section.type()));
  }
  section.set_payload(payload->SerializeAsString());
  return kms::ApplySection(section, state);
}

}  // namespace keymedic::cli
