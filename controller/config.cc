// SPDX-License-Identifier: Apache-2.0
#include "controller/config.h"

#include <toml++/toml.h>

#include "absl/strings/str_cat.h"
#include "base/files.h"
#include "base/status_macros.h"

namespace keymedic::controller {
namespace {

absl::Status ReadDuration(const std::string& path, absl::string_view key, const toml::node& node,
                          absl::Duration least, absl::Duration most, absl::Duration& into) {
  const std::string text = node.value_or<std::string>("");
  if (!absl::ParseDuration(text, &into) || into < least || into > most) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": ", key, " = \"", text, "\": give a duration such as \"24h\", from ",
                     absl::FormatDuration(least), " to ", absl::FormatDuration(most)));
  }
  return absl::OkStatus();
}

absl::Status Apply(const std::string& path, const toml::table& table, ServerOptions& options) {
  for (const auto& [toml_key, node] : table) {
    const absl::string_view key(toml_key.str().data(), toml_key.str().size());
    if (key == "data_dir") {
      options.data_dir = node.value_or<std::string>("");
      if (options.data_dir.empty() || options.data_dir[0] != '/') {
        return absl::InvalidArgumentError(absl::StrCat(path, ": data_dir = \"", options.data_dir,
                                                       "\": give a path that begins with /"));
      }
    } else if (key == "listen") {
      options.listen = node.value_or<std::string>("");
      if (options.listen.find(':') == std::string::npos) {
        return absl::InvalidArgumentError(
            absl::StrCat(path, ": listen = \"", options.listen, "\": give HOST:PORT"));
      }
    } else if (key == "certificate_lifetime") {
      KM_RETURN_IF_ERROR(ReadDuration(path, key, node, absl::Minutes(1), absl::Hours(24 * 365),
                                      options.certificate_lifetime));
    } else if (key == "recovery_grace") {
      KM_RETURN_IF_ERROR(ReadDuration(path, key, node, absl::ZeroDuration(), absl::Hours(24 * 365),
                                      options.recovery_grace));
    } else if (key == "heartbeat_interval") {
      KM_RETURN_IF_ERROR(ReadDuration(path, key, node, absl::Seconds(1), absl::Hours(1),
                                      options.fleet.heartbeat_interval));
    } else if (key == "collect_interval") {
      KM_RETURN_IF_ERROR(ReadDuration(path, key, node, absl::Seconds(1), absl::Hours(24),
                                      options.fleet.collect_interval));
    } else {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ": unknown key \"", key,
                       "\"; known are data_dir, listen, certificate_lifetime, recovery_grace, "
                       "heartbeat_interval, collect_interval"));
    }
  }
  return absl::OkStatus();
}

absl::Status Parse(const std::string& path, const std::string& text, ServerOptions& options) {
  try {
    return Apply(path, toml::parse(text), options);
  } catch (const toml::parse_error& error) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ":", error.source().begin.line, ": ",
                     absl::string_view(error.description().data(), error.description().size()),
                     "; correct that line"));
  }
}

}  // namespace

std::string DefaultConfig() {
  return R"(# KeyMedic controller. What stands here after a '#' is the default.
# data_dir = "/var/lib/keymedic"   # the estate; here it counts only in /etc/keymedic. A folder elsewhere must be
#                                  # keymedic's, and its unit may write there: `systemctl edit
#                                  # keymedic-controller`, [Service], ReadWritePaths=
# listen = "0.0.0.0:7443"
# certificate_lifetime = "24h"     # of machines; renewed at two thirds of it
# recovery_grace = "720h"          # how long after its certificate ended a machine gets a new one by
#                                  # itself; "0s": a person enrols it
# heartbeat_interval = "30s"
# collect_interval = "15m"         # how often agents look at their machine
)";
}

std::string ConfigPlace::file() const {
  if (!config_file.empty()) return config_file;
  return data_dir.empty() ? kPackagedConfigFile : absl::StrCat(data_dir, "/controller.toml");
}

absl::StatusOr<ServerOptions> LoadConfig(const ConfigPlace& place) {
  ServerOptions options{.data_dir = "/var/lib/keymedic"};
  const std::string path = place.file();
  const absl::StatusOr<std::string> text = ReadFile(path, 1 << 20);
  const bool optional = place.config_file.empty() && absl::IsNotFound(text.status());
  if (!optional) {
    KM_RETURN_IF_ERROR(text.status());
    KM_RETURN_IF_ERROR(Parse(path, *text, options));
  }
  if (!place.data_dir.empty()) options.data_dir = place.data_dir;
  return options;
}

}  // namespace keymedic::controller
