// SPDX-License-Identifier: Apache-2.0
//
// One line for each thing an operator should know, each with an id that stands in docs/messages.md.
//   log::Info("AGENT_CONNECTED", "connected to {} as {}", controller, machine_id);
// Arguments are formatted with fmt and pass RedactProductKeys. May be called from any thread.
#ifndef KEYMEDIC_BASE_LOG_H_
#define KEYMEDIC_BASE_LOG_H_

#include <fmt/format.h>

#include <cstddef>
#include <functional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

#ifndef ABSL_USES_STD_STRING_VIEW
// Debian's Abseil has a string_view of its own, which fmt does not know.
template <>
struct fmt::formatter<absl::string_view> : fmt::formatter<fmt::string_view> {
  template <typename Context>
  auto format(absl::string_view text, Context& context) const {
    return fmt::formatter<fmt::string_view>::format({text.data(), text.size()}, context);
  }
};
#endif

namespace keymedic::log {

// kNothing is for a minimum.
enum class Level { kDebug, kInfo, kWarning, kError, kNothing };

// To standard error: plain text on a terminal, one JSON object a line otherwise (keys ts, level,
// msg_id, msg, component). Once, at the start of main; without it only warnings and errors appear.
void Start(absl::string_view component, Level minimum = Level::kInfo);
bool Enabled(Level level);
void Write(Level level, absl::string_view id, const std::string& message);

// What is written goes to these, too, without product keys. Before the program has a second thread.
using Sink = std::function<void(Level level, absl::string_view id, const std::string& message)>;
void AddSink(Sink sink);
// JSON, to a file that is moved aside (agent.1.log, agent.2.log) when it would pass `max_bytes`;
// `files` in all are kept. kUnavailable names the file and why it cannot be written.
absl::Status AddFile(const std::string& path, size_t max_bytes, size_t files);

template <typename... Args>
void Debug(absl::string_view id, fmt::format_string<Args...> format, Args&&... args) {
  if (Enabled(Level::kDebug))
    Write(Level::kDebug, id, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void Info(absl::string_view id, fmt::format_string<Args...> format, Args&&... args) {
  if (Enabled(Level::kInfo))
    Write(Level::kInfo, id, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void Warning(absl::string_view id, fmt::format_string<Args...> format, Args&&... args) {
  Write(Level::kWarning, id, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void Error(absl::string_view id, fmt::format_string<Args...> format, Args&&... args) {
  Write(Level::kError, id, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace keymedic::log

#endif  // KEYMEDIC_BASE_LOG_H_
