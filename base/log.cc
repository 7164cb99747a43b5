// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <atomic>
#include <memory>

#include "absl/strings/str_cat.h"
#include "base/product_key.h"

namespace keymedic::log {
namespace {

struct State {
  std::atomic<Level> minimum{Level::kWarning};
  std::atomic<bool> json{false};
  std::string component;
  std::shared_ptr<spdlog::logger> logger;
};

State& TheState() {
  static State* state = [] {
    auto* s = new State;
    s->logger = spdlog::stderr_color_mt("keymedic");
    s->logger->set_pattern("%^%l%$ %v");
    s->logger->set_level(spdlog::level::debug);
    return s;
  }();
  return *state;
}

constexpr spdlog::level::level_enum kLevels[] = {spdlog::level::debug, spdlog::level::info,
                                                 spdlog::level::warn, spdlog::level::err};
constexpr absl::string_view kNames[] = {"debug", "info", "warning", "error"};

std::string JsonEscape(absl::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      absl::StrAppend(&out, "\\u", absl::Hex(static_cast<unsigned char>(c), absl::kZeroPad4));
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace

void Start(absl::string_view component, Level minimum) {
  State& state = TheState();
  state.component = std::string(component);
  state.minimum = minimum;
  state.json = isatty(STDERR_FILENO) == 0;
  if (state.json) {
    state.logger->set_pattern(absl::StrCat("{\"ts\":\"%Y-%m-%dT%H:%M:%S.%e%z\",\"component\":\"",
                                           JsonEscape(component), "\",%v}"));
  }
}

bool Enabled(Level level) { return level >= TheState().minimum.load(std::memory_order_relaxed); }

void Write(Level level, absl::string_view id, const std::string& message) {
  if (!Enabled(level)) return;
  State& state = TheState();
  const std::string clean = RedactProductKeys(message);
  const auto index = static_cast<size_t>(level);
  if (state.json) {
    state.logger->log(kLevels[index], "\"level\":\"{}\",\"msg_id\":\"{}\",\"msg\":\"{}\"",
                      kNames[index], id, JsonEscape(clean));
  } else {
    state.logger->log(kLevels[index], "{}: {}", id, clean);
  }
}

}  // namespace keymedic::log
