// SPDX-License-Identifier: Apache-2.0
//
// For plugin authors who write C++: derive from Plugin, give the class a factory, and name it once
// with KEYMEDIC_PLUGIN. Everything that keymedic_plugin.h asks for at the boundary (bytes, tables,
// no exceptions) is done here.
//
//   class EchoPlugin final : public keymedic::Plugin {
//    public:
//     static absl::StatusOr<std::unique_ptr<keymedic::Plugin>> Create(
//         const keymedic::v1::PluginConfig& config);
//     keymedic::v1::PluginDescription Describe() override;
//     absl::StatusOr<keymedic::v1::CollectResponse> Collect(
//         const keymedic::v1::CollectRequest& request) override;
//   };
//   KEYMEDIC_PLUGIN(EchoPlugin, echo)   // outside any namespace
//
// Life cycle: Create once, then calls, then the destructor; the library is never unloaded.
// Threads: all of it on one thread, one call at a time. A thread that a plugin starts must be
// joined in its destructor. Errors: a returned Status reaches the agent with its code and message.
// What is thrown is caught and becomes kInternal; std::bad_alloc becomes kResourceExhausted, which
// counts as a broken limit.
#ifndef KEYMEDIC_PLUGINS_SDK_PLUGIN_H_
#define KEYMEDIC_PLUGINS_SDK_PLUGIN_H_

#include <cstdint>
#include <exception>
#include <limits>
#include <memory>
#include <new>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "keymedic/v1/plugin.pb.h"
#include "plugins/sdk/builtin.h"
#include "plugins/sdk/keymedic_plugin.h"

namespace keymedic {

class Plugin {
 public:
  virtual ~Plugin() = default;

  // The name must not change between calls or versions: commands are addressed to it.
  virtual v1::PluginDescription Describe() = 0;
  virtual absl::StatusOr<v1::CollectResponse> Collect(const v1::CollectRequest&) {
    return absl::UnimplementedError("this plugin collects nothing");
  }
  virtual absl::StatusOr<v1::ActResponse> Act(const v1::ActRequest&) {
    return absl::UnimplementedError("this plugin has no actions");
  }
  virtual absl::StatusOr<v1::DiagnoseResponse> Diagnose(const v1::DiagnoseRequest&) {
    return absl::UnimplementedError("this plugin diagnoses nothing");
  }
};

namespace plugin_internal {

inline int32_t WriteError(const absl::Status& status, keymedic_write write, void* sink) {
  const absl::string_view message = status.message();
  write(sink, reinterpret_cast<const uint8_t*>(message.data()), message.size());
  return static_cast<int32_t>(status.code());
}

// Runs `body`, which returns a Status, and lets nothing but a number out.
template <typename Body>
int32_t Guarded(keymedic_write write, void* sink, Body&& body) noexcept {
  try {
    absl::Status status;
    try {
      status = body();
    } catch (const std::bad_alloc&) {
      status = absl::ResourceExhaustedError("out of memory (std::bad_alloc)");
    } catch (const std::exception& e) {
      status = absl::InternalError(absl::StrCat("exception: ", e.what()));
    } catch (...) {
      status = absl::InternalError("an exception that is no std::exception");
    }
    return status.ok() ? 0 : WriteError(status, write, sink);
  } catch (...) {  // there was no memory left even for the message
    return static_cast<int32_t>(absl::StatusCode::kResourceExhausted);
  }
}

template <typename Message>
absl::Status Parse(const uint8_t* data, size_t size, Message& message) {
  if (size <= static_cast<size_t>(std::numeric_limits<int>::max()) &&
      message.ParseFromArray(data, static_cast<int>(size))) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat("these ", size, " bytes are no ", message.GetTypeName()));
}

inline absl::Status Answer(const google::protobuf::MessageLite& message, keymedic_write write,
                           void* sink) {
  std::string bytes;
  if (!message.SerializeToString(&bytes)) {
    return absl::InternalError(
        absl::StrCat(message.GetTypeName(), " is too large to be serialised (2 GiB)"));
  }
  write(sink, reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  return absl::OkStatus();
}

template <typename Request, typename Response,
          absl::StatusOr<Response> (Plugin::*method)(const Request&)>
int32_t Call(void* plugin, const uint8_t* data, size_t size, keymedic_write write, void* sink) {
  return Guarded(write, sink, [&]() -> absl::Status {
    Request request;
    if (absl::Status parsed = Parse(data, size, request); !parsed.ok()) return parsed;
    absl::StatusOr<Response> response = (static_cast<Plugin*>(plugin)->*method)(request);
    return response.ok() ? Answer(*response, write, sink) : response.status();
  });
}

inline int32_t CallDescribe(void* plugin, const uint8_t*, size_t, keymedic_write write,
                            void* sink) {
  return Guarded(write, sink,
                 [&] { return Answer(static_cast<Plugin*>(plugin)->Describe(), write, sink); });
}

inline constexpr keymedic_plugin_table kTable = {
    sizeof(keymedic_plugin_table), CallDescribe,
    Call<v1::CollectRequest, v1::CollectResponse, &Plugin::Collect>,
    Call<v1::ActRequest, v1::ActResponse, &Plugin::Act>,
    Call<v1::DiagnoseRequest, v1::DiagnoseResponse, &Plugin::Diagnose>};

template <typename PluginClass>
int32_t Create(const uint8_t* config_data, size_t config_size, const keymedic_plugin_table** table,
               void** plugin, keymedic_write write_error, void* sink) {
  return Guarded(write_error, sink, [&]() -> absl::Status {
    v1::PluginConfig config;
    if (absl::Status parsed = Parse(config_data, config_size, config); !parsed.ok()) return parsed;
    absl::StatusOr<std::unique_ptr<Plugin>> made = PluginClass::Create(config);
    if (!made.ok()) return made.status();
    *table = &kTable;
    *plugin = (*std::move(made)).release();
    return absl::OkStatus();
  });
}

inline void Destroy(void* plugin) noexcept { delete static_cast<Plugin*>(plugin); }

}  // namespace plugin_internal
}  // namespace keymedic

// PluginClass::Create is the factory: absl::StatusOr<std::unique_ptr<keymedic::Plugin>>
// Create(const keymedic::v1::PluginConfig&). `name` is the plugin's name as an identifier. Compiled
// with KEYMEDIC_PLUGIN_BUILTIN this defines keymedic::builtin_plugins::<name>() instead of the
// three exported symbols (see builtin.h).
#ifdef KEYMEDIC_PLUGIN_BUILTIN
#define KEYMEDIC_PLUGIN(PluginClass, name)                           \
  KEYMEDIC_DECLARE_BUILTIN_PLUGIN(name)                              \
  ::keymedic::BuiltinPlugin keymedic::builtin_plugins::name() {      \
    return {#name, []() -> uint32_t { return KEYMEDIC_PLUGIN_ABI; }, \
            ::keymedic::plugin_internal::Create<PluginClass>,        \
            ::keymedic::plugin_internal::Destroy};                   \
  }
#else
#define KEYMEDIC_PLUGIN(PluginClass, name)                                                      \
  extern "C" KEYMEDIC_PLUGIN_EXPORT uint32_t keymedic_plugin_abi(void) {                        \
    return KEYMEDIC_PLUGIN_ABI;                                                                 \
  }                                                                                             \
  extern "C" KEYMEDIC_PLUGIN_EXPORT int32_t keymedic_plugin_create(                             \
      const uint8_t* config, size_t config_size, const keymedic_plugin_table** table,           \
      void** plugin, keymedic_write write_error, void* sink) {                                  \
    return ::keymedic::plugin_internal::Create<PluginClass>(config, config_size, table, plugin, \
                                                            write_error, sink);                 \
  }                                                                                             \
  extern "C" KEYMEDIC_PLUGIN_EXPORT void keymedic_plugin_destroy(void* plugin) {                \
    ::keymedic::plugin_internal::Destroy(plugin);                                               \
  }
#endif

#endif  // KEYMEDIC_PLUGINS_SDK_PLUGIN_H_
