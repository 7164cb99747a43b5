// SPDX-License-Identifier: Apache-2.0
#include "agent/plugin_host/plugin_handle.h"

#include <exception>
#include <new>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/frames.h"
#include "base/product_key.h"
#include "base/status_macros.h"

namespace keymedic::agent {
namespace {

constexpr size_t kMaxTextBytes = 4096;

// Length of the UTF-8 sequence at the start of `text`, 0 if it is none.
size_t Utf8Length(absl::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  const size_t length = first < 0x80                    ? 1
                        : first >= 0xC2 && first < 0xE0 ? 2
                        : first >= 0xE0 && first < 0xF0 ? 3
                        : first >= 0xF0 && first < 0xF5 ? 4
                                                        : 0;
  if (length == 0 || length > text.size()) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  if (length < 3) return length;
  const bool overlong = (first == 0xE0 && byte(1) < 0xA0) || (first == 0xF0 && byte(1) < 0x90);
  const bool surrogate = first == 0xED && byte(1) >= 0xA0;
  const bool beyond = first == 0xF4 && byte(1) >= 0x90;
  return overlong || surrogate || beyond ? 0 : length;
}

// Takes what a plugin writes. Never throws: the caller may be C.
struct Sink {
  std::string bytes;
  bool overflow = false;

  static void Write(void* sink, const uint8_t* data, size_t size) noexcept {
    auto& self = *static_cast<Sink*>(sink);
    if (self.overflow || size > kMaxFrameBytes - self.bytes.size()) {
      self.overflow = true;
      return;
    }
    try {
      self.bytes.append(reinterpret_cast<const char*>(data), size);
    } catch (const std::bad_alloc&) {
      self.overflow = true;
    }
  }
};

absl::Status PluginError(int32_t code, absl::string_view what, const Sink& sink) {
  const std::string text = PrintableText(sink.bytes);
  if (code < 0 || code > static_cast<int32_t>(absl::StatusCode::kUnauthenticated)) {
    return absl::UnknownError(
        absl::StrCat(what, " failed with ", code, ", which is no google.rpc.Code: ", text));
  }
  return absl::Status(static_cast<absl::StatusCode>(code),
                      absl::StrCat(what, " failed: ", text.empty() ? "(no message)" : text));
}

// Calls into a plugin, which may throw although it must not.
template <typename Function>
absl::Status CallOut(absl::string_view what, Sink& sink, Function&& function) {
  int32_t code = 0;
  try {
    code = function();
  } catch (const std::exception& e) {
    return absl::InternalError(absl::StrCat(
        what, " threw an exception over the plugin boundary: ", PrintableText(e.what())));
  } catch (...) {
    return absl::InternalError(
        absl::StrCat(what, " threw something that is no std::exception over the plugin boundary"));
  }
  if (code != 0) return PluginError(code, what, sink);
  if (sink.overflow) {
    return absl::ResourceExhaustedError(
        absl::StrCat(what, " answered with more than the limit of ", kMaxFrameBytes, " bytes"));
  }
  return absl::OkStatus();
}

}  // namespace

std::string PrintableText(absl::string_view text) {
  std::string result;
  for (absl::string_view rest = text.substr(0, kMaxTextBytes); !rest.empty();) {
    const size_t length = Utf8Length(rest);
    const bool control =
        length == 1 && (rest[0] < ' ' || rest[0] == 0x7F) && rest[0] != '\n' && rest[0] != '\t';
    if (length == 0 || control) {
      result += '?';
      rest.remove_prefix(1);
    } else {
      result.append(rest.data(), length);
      rest.remove_prefix(length);
    }
  }
  return RedactProductKeys(result);
}

absl::StatusOr<std::unique_ptr<PluginHandle>> PluginHandle::Create(const BuiltinPlugin& entry,
                                                                   const v1::PluginConfig& config) {
  std::unique_ptr<PluginHandle> handle(new PluginHandle(entry));
  KM_RETURN_IF_ERROR(Annotate(handle->Start(config), entry.name));
  return handle;
}

absl::Status PluginHandle::Start(const v1::PluginConfig& config) {
  const uint32_t abi = entry_.abi();
  if (abi != KEYMEDIC_PLUGIN_ABI) {
    return absl::FailedPreconditionError(
        absl::StrCat("built for plugin ABI ", abi, ", but this agent speaks ABI ",
                     KEYMEDIC_PLUGIN_ABI, "; install the plugin's build for this agent"));
  }
  const std::string config_bytes = config.SerializeAsString();
  Sink sink;
  KM_RETURN_IF_ERROR(CallOut("keymedic_plugin_create", sink, [&] {
    return entry_.create(reinterpret_cast<const uint8_t*>(config_bytes.data()), config_bytes.size(),
                         &table_, &plugin_, Sink::Write, &sink);
  }));
  created_ = true;
  if (table_ == nullptr) {
    return absl::FailedPreconditionError(
        "keymedic_plugin_create succeeded but gave no table of functions; the plugin is at fault");
  }
  if (table_->size < sizeof(keymedic_plugin_table)) {
    return absl::FailedPreconditionError(absl::StrCat("its table of functions has ", table_->size,
                                                      " bytes, not ", sizeof(keymedic_plugin_table),
                                                      "; rebuild it with this agent's plugin SDK"));
  }
  if (table_->describe == nullptr || table_->collect == nullptr || table_->act == nullptr) {
    return absl::FailedPreconditionError(
        "its table of functions lacks describe, collect or act; the plugin is at fault");
  }
  KM_RETURN_IF_ERROR(Call("Describe", table_->describe, v1::ListRequest(), description_));
  if (description_.name().empty()) {
    return absl::FailedPreconditionError("it describes itself without a name");
  }
  return absl::OkStatus();
}

PluginHandle::~PluginHandle() {
  if (!created_) return;
  Sink unused;
  // Nobody is left to hear about an error.
  CallOut("keymedic_plugin_destroy", unused, [&] {
    entry_.destroy(plugin_);
    return 0;
  }).IgnoreError();
}

absl::Status PluginHandle::Call(absl::string_view call, keymedic_call function,
                                const google::protobuf::MessageLite& request,
                                google::protobuf::MessageLite& response) {
  const std::string what = description_.name().empty()
                               ? std::string(call)
                               : absl::StrCat("plugin ", description_.name(), ": ", call);
  if (function == nullptr) {
    return absl::UnimplementedError(absl::StrCat(what, " is not offered by this plugin"));
  }
  const std::string bytes = request.SerializeAsString();
  Sink sink;
  KM_RETURN_IF_ERROR(CallOut(what, sink, [&] {
    return function(plugin_, reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size(),
                    Sink::Write, &sink);
  }));
  if (!response.ParseFromString(sink.bytes)) {
    return absl::InternalError(absl::StrCat(what, " answered ", sink.bytes.size(),
                                            " bytes that are no ", response.GetTypeName(),
                                            "; the plugin is at fault"));
  }
  return absl::OkStatus();
}

absl::StatusOr<v1::CollectResponse> PluginHandle::Collect(const v1::CollectRequest& request) {
  v1::CollectResponse response;
  KM_RETURN_IF_ERROR(Call("Collect", table_->collect, request, response));
  return response;
}

absl::StatusOr<v1::ActResponse> PluginHandle::Act(const v1::ActRequest& request) {
  v1::ActResponse response;
  KM_RETURN_IF_ERROR(Call("Act", table_->act, request, response));
  return response;
}

absl::StatusOr<v1::DiagnoseResponse> PluginHandle::Diagnose(const v1::DiagnoseRequest& request) {
  v1::DiagnoseResponse response;
  KM_RETURN_IF_ERROR(Call("Diagnose", table_->diagnose, request, response));
  return response;
}

void PluginSet::Add(const std::string& path, absl::StatusOr<std::unique_ptr<PluginHandle>> plugin) {
  v1::LoadedPlugin& listed = *list_.add_plugins();
  listed.set_path(PrintableText(path));
  if (!plugin.ok()) {
    listed.set_error(PrintableText(
        absl::string_view(plugin.status().message().data(), plugin.status().message().size())));
    return;
  }
  const v1::PluginDescription& description = (*plugin)->description();
  if (Find(description.name()).ok()) {
    listed.set_error(absl::StrCat(listed.path(), ": another plugin is already called \"",
                                  description.name(), "\"; keep only one of the two files"));
    return;
  }
  *listed.mutable_description() = description;
  plugins_.push_back(*std::move(plugin));
}

absl::StatusOr<PluginHandle*> PluginSet::Find(absl::string_view name) const {
  std::vector<std::string> names;
  for (const auto& plugin : plugins_) {
    if (plugin->description().name() == name) return plugin.get();
    names.push_back(plugin->description().name());
  }
  return absl::NotFoundError(
      absl::StrCat("no plugin \"", PrintableText(name), "\" is loaded; there ",
                   names.empty() ? "is none" : "is: ", absl::StrJoin(names, ", ")));
}

}  // namespace keymedic::agent
