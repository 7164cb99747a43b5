// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"

#include <spdlog/sinks/rotating_file_sink.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/files.h"
#include "base/product_key.h"

namespace keymedic::log {
namespace {

struct State {
  std::atomic<Level> minimum{Level::kWarning};
  std::atomic<bool> json{false};
  std::string component;
  std::shared_ptr<spdlog::logger> logger;
  std::shared_ptr<spdlog::logger> file;
  std::vector<Sink> sinks;
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

std::string JsonPattern(absl::string_view component) {
  return absl::StrCat("{\"ts\":\"%Y-%m-%dT%H:%M:%S.%e%z\",\"component\":\"", JsonEscape(component),
                      "\",%v}");
}

void WriteJson(spdlog::logger& logger, size_t level, absl::string_view id,
               const std::string& message) {
  logger.log(kLevels[level], "\"level\":\"{}\",\"msg_id\":\"{}\",\"msg\":\"{}\"", kNames[level], id,
             JsonEscape(message));
}

}  // namespace

void Start(absl::string_view component, Level minimum) {
  State& state = TheState();
  state.component = std::string(component);
  state.minimum = minimum;
  state.json = isatty(STDERR_FILENO) == 0;
  if (state.json) state.logger->set_pattern(JsonPattern(component));
  if (state.file != nullptr) state.file->set_pattern(JsonPattern(component));
}

void AddSink(Sink sink) { TheState().sinks.push_back(std::move(sink)); }

absl::Status AddFile(const std::string& path, size_t max_bytes, size_t files) {
  State& state = TheState();
  try {
    state.file = spdlog::rotating_logger_mt("keymedic-file", NativePath(path).native(), max_bytes,
                                            files - 1);
  } catch (const spdlog::spdlog_ex& error) {
    return absl::UnavailableError(
        absl::StrCat("cannot log to ", path, ": ", error.what(), "; check who may write there"));
  }
  state.file->set_pattern(JsonPattern(state.component));
  state.file->set_level(spdlog::level::debug);
  state.file->flush_on(spdlog::level::debug);
  return absl::OkStatus();
}

bool Enabled(Level level) { return level >= TheState().minimum.load(std::memory_order_relaxed); }

void Write(Level level, absl::string_view id, const std::string& message) {
  if (!Enabled(level)) return;
  State& state = TheState();
  const std::string clean = RedactProductKeys(message);
  const auto index = static_cast<size_t>(level);
  if (state.json) {
    WriteJson(*state.logger, index, id, clean);
  } else {
    state.logger->log(kLevels[index], "{}: {}", id, clean);
  }
  if (state.file != nullptr) WriteJson(*state.file, index, id, clean);
  for (const Sink& sink : state.sinks) sink(level, id, clean);
}

}  // namespace keymedic::log
