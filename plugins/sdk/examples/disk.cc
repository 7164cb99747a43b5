// SPDX-License-Identifier: Apache-2.0
//
// An example for plugin authors: is there room on the disk? It collects one section, and says what
// is wrong with it. docs/plugin-guide.md goes through it from top to bottom.
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/struct.pb.h>

#include <filesystem>
#include <system_error>

#include "absl/strings/numbers.h"
#include "plugins/sdk/plugin.h"

namespace {

using namespace keymedic;
using google::protobuf::Struct;

// The same content gives the same bytes: the agent sends a section only when its bytes change, and
// the order in which a map is written is otherwise a matter of chance.
std::string SameBytes(const google::protobuf::Message& message) {
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream out(&stream);
    out.SetSerializationDeterministic(true);
    message.SerializeToCodedStream(&out);
  }
  return bytes;
}

class DiskPlugin final : public Plugin {
 public:
  // Settings are those of [plugins.settings] in agent.toml. An error here refuses the plugin.
  static absl::StatusOr<std::unique_ptr<Plugin>> Create(const v1::PluginConfig& config) {
    std::string path = "/";
    int least = 10;
    if (auto it = config.settings().find("disk_path"); it != config.settings().end()) {
      path = it->second;
    }
    if (auto it = config.settings().find("disk_least_percent"); it != config.settings().end()) {
      if (!absl::SimpleAtoi(it->second, &least) || least < 0 || least > 100) {
        return absl::InvalidArgumentError(
            absl::StrCat("disk_least_percent = \"", it->second, "\": give a number from 0 to 100"));
      }
    }
    return std::make_unique<DiskPlugin>(path, least);
  }
  DiskPlugin(std::string path, int least) : path_(std::move(path)), least_(least) {}

  v1::PluginDescription Describe() override {
    v1::PluginDescription description;
    description.set_name("disk");
    description.set_version("1.0");
    description.add_sections("disk");
    return description;
  }

  absl::StatusOr<v1::CollectResponse> Collect(const v1::CollectRequest&) override {
    std::error_code error;
    const std::filesystem::space_info space = std::filesystem::space(path_, error);
    if (error || space.capacity == 0) {
      return absl::UnavailableError(
          absl::StrCat(path_, ": ", error ? error.message() : "no disk", "; see disk_path"));
    }
    // In steps of five: free bytes change all the time, and each change would travel.
    const double free =
        100.0 * static_cast<double>(space.available) / static_cast<double>(space.capacity);
    Struct state;
    (*state.mutable_fields())["path"].set_string_value(path_);
    (*state.mutable_fields())["free_percent"].set_number_value(static_cast<int>(free) / 5 * 5);
    v1::CollectResponse response;
    v1::Section& section = *response.add_sections();
    section.set_name("disk");
    section.set_type(state.GetTypeName());
    section.set_payload(SameBytes(state));
    return response;
  }

  // Gets the sections of all plugins; what is not there is not known, and not a fault.
  absl::StatusOr<v1::DiagnoseResponse> Diagnose(const v1::DiagnoseRequest& request) override {
    v1::DiagnoseResponse response;
    for (const v1::Section& section : request.sections()) {
      Struct state;
      if (section.name() != "disk" || !state.ParseFromString(section.payload())) continue;
      const double free = state.fields().at("free_percent").number_value();
      if (free >= least_) continue;
      v1::Finding& finding = *response.add_findings();
      finding.set_code("DISK_SPACE_LOW");
      finding.set_severity(v1::SEVERITY_WARNING);
      finding.set_title("The disk is nearly full");
      finding.set_explanation(absl::StrCat("Less than ", least_, " % of ", path_, " are free."));
      finding.set_why_untreatable("What may be deleted is for a person to say");
      v1::Evidence& evidence = *finding.add_evidence();
      evidence.set_source("disk");
      evidence.set_field("free_percent");
      evidence.set_value(absl::StrCat(free));
    }
    return response;
  }

 private:
  const std::string path_;
  const int least_;
};

}  // namespace

KEYMEDIC_PLUGIN(DiskPlugin, disk)
