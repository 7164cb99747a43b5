// SPDX-License-Identifier: Apache-2.0
#include <windows.h>

#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "agent/event_ids.h"
#include "agent/places.h"
#include "agent/service_log.h"
#include "agent/service_name.h"
#include "base/files.h"
#include "base/log.h"
#include "base/rights.h"
#include "base/status_macros.h"
#include "base/windows/wide.h"

namespace keymedic::agent {
namespace {

constexpr size_t kMaxText = 30000;  // Windows takes 31839 characters
constexpr size_t kMaxFileBytes = 1 << 20;
constexpr size_t kFiles = 3;

WORD EventType(log::Level level) {
  switch (level) {
    case log::Level::kError:
      return EVENTLOG_ERROR_TYPE;
    case log::Level::kWarning:
      return EVENTLOG_WARNING_TYPE;
    default:
      return EVENTLOG_INFORMATION_TYPE;
  }
}

void Report(HANDLE source, log::Level level, absl::string_view id, const std::string& message) {
  const EventKind kind = EventKindOf(id);
  if (level < log::Level::kWarning && !(level == log::Level::kInfo && kind.information)) return;
  const std::wstring text = windows::Wide(absl::StrCat(id, ": ", message)).substr(0, kMaxText);
  const wchar_t* texts[] = {text.c_str()};
  ReportEventW(source, EventType(level), /*wCategory=*/0, kind.number, nullptr, 1, 0, texts,
               nullptr);
}

absl::Status OpenFile() {
  const std::string folder = NativePath(DefaultConfigFile()).parent_path().string();
  KM_RETURN_IF_ERROR(ProtectDirectory(folder));
  return log::AddFile((NativePath(folder) / "agent.log").string(), kMaxFileBytes, kFiles);
}

}  // namespace

void LogAsService() {
  if (const HANDLE source = RegisterEventSourceW(nullptr, kEventSource); source != nullptr) {
    log::AddSink([source](log::Level level, absl::string_view id, const std::string& message) {
      Report(source, level, id, message);
    });
  }
  if (const absl::Status status = OpenFile(); !status.ok()) {
    log::Warning("AGENT_LOG_FILE_UNUSABLE", "{}", status.ToString());
  }
}

}  // namespace keymedic::agent
