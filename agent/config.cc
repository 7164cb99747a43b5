// SPDX-License-Identifier: Apache-2.0
#include "agent/config.h"

#include <toml++/toml.h>

#include <functional>
#include <optional>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status_macros.h"

namespace keymedic::agent {
namespace {

// Takes a node; false: it is of the wrong type or out of range.
using Setter = std::function<bool(const toml::node&)>;
using Setters = std::map<std::string, Setter, std::less<>>;

Setter Text(std::string& target) {
  return [&target](const toml::node& node) {
    const auto value = node.value_exact<std::string>();
    if (value) target = *value;
    return value.has_value();
  };
}

Setter Texts(std::map<std::string, std::string>& target) {
  return [&target](const toml::node& node) {
    if (!node.is_table()) return false;
    for (const auto& [key, value] : *node.as_table()) {
      if (!value.is_string()) return false;
      target[std::string(key.str())] = **value.as_string();
    }
    return true;
  };
}

Setter Number(const std::function<void(int64_t)>& set, int64_t minimum) {
  return [set, minimum](const toml::node& node) {
    const auto value = node.value_exact<int64_t>();
    if (!value || *value < minimum) return false;
    set(*value);
    return true;
  };
}

absl::Status Apply(const std::string& file, const std::string& prefix, const toml::table& table,
                   const Setters& setters) {
  for (const auto& [key, node] : table) {
    const std::string name = absl::StrCat(prefix, std::string(key.str()));
    const auto line = node.source().begin.line;
    const auto setter = setters.find(key.str());
    if (setter == setters.end()) {
      return absl::InvalidArgumentError(absl::StrCat(file, ":", line, ": unknown key ", name));
    }
    if (!setter->second(node)) {
      return absl::InvalidArgumentError(
          absl::StrCat(file, ":", line, ": ", name, " has a value of the wrong kind or too small"));
    }
  }
  return absl::OkStatus();
}

// What is wrong with it; without repeating anything where that could be the token.
std::string Described(const toml::parse_error& error, const std::string& text) {
  const std::vector<absl::string_view> lines = absl::StrSplit(text, '\n');
  const size_t line = error.source().begin.line;
  return line <= lines.size() && absl::StrContains(lines[line - 1], "token")
             ? "this is no TOML; write the token in quotes"
             : std::string(error.description());
}

}  // namespace

absl::Status ParseConfig(const std::string& file, const std::string& text, Config& config) {
  toml::table root;
  try {
    root = toml::parse(text, file);
  } catch (const toml::parse_error& error) {
    return absl::InvalidArgumentError(
        absl::StrCat(file, ":", error.source().begin.line, ": ", Described(error, text)));
  }
  absl::Status nested;  // of a table inside
  const Setters plugins = {
      {"dir", Text(config.plugin_dir)},
      {"host", Text(config.plugin_host)},
      {"allow_file", Text(config.plugin_allow_file)},
      {"system", Text(config.system)},
      {"settings", Texts(config.plugin_settings)},
      {"timeout_seconds", Number([&](int64_t n) { config.plugin_timeout = absl::Seconds(n); }, 1)},
      {"memory_limit_mb",
       Number([&](int64_t n) { config.memory_limit_mb = static_cast<uint64_t>(n); }, 0)},
      {"cpu_limit_seconds",
       Number([&](int64_t n) { config.cpu_limit_seconds = static_cast<uint64_t>(n); }, 0)},
  };
  const Setters top = {
      {"state_dir", Text(config.state_dir)},
      {"name", Text(config.name)},
      {"controller", Text(config.controller)},
      {"token", Text(config.token)},
      {"collect_interval_seconds",
       Number([&](int64_t n) { config.collect_interval = absl::Seconds(n); }, 1)},
      {"reconnect_seconds", Number([&](int64_t n) { config.reconnect = absl::Seconds(n); }, 1)},
      {"labels", Texts(config.labels)},
      {"plugins",
       [&](const toml::node& node) {
         if (!node.is_table()) return false;
         nested = Apply(file, "plugins.", *node.as_table(), plugins);
         return true;
       }},
  };
  KM_RETURN_IF_ERROR(Apply(file, "", root, top));
  return nested;
}

}  // namespace keymedic::agent
