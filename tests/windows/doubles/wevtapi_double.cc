// SPDX-License-Identifier: Apache-2.0
//
// wevtapi.dll of the tests: the functions of the real one that an agent uses, over the channels of
// a lab machine.
//
// Threads: a handle is used by one at a time. Errors: as the real one, by GetLastError.
#include <windows.h>
#include <winevt.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "base/windows/wide.h"
#include "tests/windows/doubles/channel.h"
#include "tests/windows/doubles/rendering.h"

namespace keymedic::doubles {
namespace {

// What a handle points to.
struct Thing {
  virtual ~Thing() = default;
};
struct OpenLog : Thing {
  std::string channel;
};
struct Results : Thing {
  std::string channel;
  uint64_t after = 0;
  bool newest_first = false;
};
struct Bookmark : Thing {
  uint64_t record_id = 0;
};
struct Event : Thing {
  v1::EventRecord record;
};
struct RenderContext : Thing {
  bool user = false;
};
struct Config : Thing {
  std::string channel;
  ChannelInfo info;
};

BOOL Fail(DWORD error) {
  SetLastError(error);
  return FALSE;
}
EVT_HANDLE NoHandle(DWORD error) {
  SetLastError(error);
  return nullptr;
}

template <typename T>
T* As(EVT_HANDLE handle) {
  return dynamic_cast<T*>(static_cast<Thing*>(handle));
}
EVT_HANDLE Give(std::unique_ptr<Thing> thing) { return thing.release(); }

// Into a caller's buffer, or how large it has to be.
BOOL GiveValue(const EVT_VARIANT& value, DWORD size, EVT_VARIANT* buffer, DWORD* used) {
  if (used != nullptr) *used = sizeof(EVT_VARIANT);
  if (buffer == nullptr || size < sizeof(EVT_VARIANT)) return Fail(ERROR_INSUFFICIENT_BUFFER);
  *buffer = value;
  return TRUE;
}
EVT_VARIANT Number(uint64_t number) {
  EVT_VARIANT value{};
  value.Type = EvtVarTypeUInt64;
  value.UInt64Val = number;
  return value;
}
EVT_VARIANT Flag(bool flag) {
  EVT_VARIANT value{};
  value.Type = EvtVarTypeBoolean;
  value.BooleanVal = flag ? TRUE : FALSE;
  return value;
}

// The attribute of <Bookmark Channel='Application' RecordId='17' IsCurrent='true'/>.
uint64_t RecordIdOf(const std::string& xml) {
  constexpr absl::string_view kName = "RecordId='";
  const size_t at = xml.find(std::string(kName));
  if (at == std::string::npos) return 0;
  const size_t begin = at + kName.size();
  uint64_t id = 0;
  return absl::SimpleAtoi(xml.substr(begin, xml.find('\'', begin) - begin), &id) ? id : 0;
}

}  // namespace
}  // namespace keymedic::doubles

using namespace keymedic::doubles;
using keymedic::windows::Narrow;

extern "C" {

BOOL WINAPI EvtClose(EVT_HANDLE handle) {
  if (handle == nullptr) return Fail(ERROR_INVALID_HANDLE);
  delete static_cast<Thing*>(handle);
  return TRUE;
}

EVT_HANDLE WINAPI EvtOpenLog(EVT_HANDLE, LPCWSTR path, DWORD flags) {
  if (path == nullptr || flags != EvtOpenChannelPath) return NoHandle(ERROR_INVALID_PARAMETER);
  auto log = std::make_unique<OpenLog>();
  log->channel = Narrow(path);
  ChannelInfo info;
  const DWORD error = ReadChannelInfo(log->channel, info);
  return error == ERROR_SUCCESS ? Give(std::move(log)) : NoHandle(error);
}

BOOL WINAPI EvtGetLogInfo(EVT_HANDLE handle, EVT_LOG_PROPERTY_ID property, DWORD size,
                          PEVT_VARIANT buffer, PDWORD used) {
  const auto* log = As<OpenLog>(handle);
  if (log == nullptr) return Fail(ERROR_INVALID_HANDLE);
  ChannelInfo info;
  const DWORD error = ReadChannelInfo(log->channel, info);
  if (error != ERROR_SUCCESS) return Fail(error);
  switch (property) {
    case EvtLogFull:
      return GiveValue(Flag(info.full), size, buffer, used);
    default:
      return Fail(ERROR_NOT_SUPPORTED);
  }
}

EVT_HANDLE WINAPI EvtQuery(EVT_HANDLE, LPCWSTR path, LPCWSTR query, DWORD flags) {
  if (path == nullptr || (flags & EvtQueryChannelPath) == 0)
    return NoHandle(ERROR_INVALID_PARAMETER);
  if (query != nullptr && std::wstring_view(query) != L"*")
    return NoHandle(ERROR_EVT_INVALID_QUERY);
  auto results = std::make_unique<Results>();
  results->channel = Narrow(path);
  results->newest_first = (flags & EvtQueryReverseDirection) != 0;
  std::vector<keymedic::v1::EventRecord> first;
  const DWORD error = ReadChannel(results->channel, 0, 1, first);
  return error == ERROR_SUCCESS ? Give(std::move(results)) : NoHandle(error);
}

EVT_HANDLE WINAPI EvtCreateBookmark(LPCWSTR xml) {
  auto bookmark = std::make_unique<Bookmark>();
  if (xml != nullptr) {
    bookmark->record_id = RecordIdOf(Narrow(xml));
    if (bookmark->record_id == 0) return NoHandle(ERROR_INVALID_PARAMETER);
  }
  return Give(std::move(bookmark));
}

BOOL WINAPI EvtSeek(EVT_HANDLE handle, LONGLONG position, EVT_HANDLE mark, DWORD, DWORD flags) {
  auto* results = As<Results>(handle);
  const auto* bookmark = As<Bookmark>(mark);
  if (results == nullptr || bookmark == nullptr) return Fail(ERROR_INVALID_HANDLE);
  if (flags != (EvtSeekRelativeToBookmark | EvtSeekStrict) || position < 0 || position > 1 ||
      results->newest_first) {
    return Fail(ERROR_NOT_SUPPORTED);
  }
  std::vector<keymedic::v1::EventRecord> marked;
  const DWORD error = ReadChannel(results->channel, bookmark->record_id - 1, 1, marked);
  if (error != ERROR_SUCCESS) return Fail(error);
  if (marked.empty() || marked[0].record_id() != bookmark->record_id) return Fail(ERROR_NOT_FOUND);
  results->after = bookmark->record_id - (position == 0 ? 1 : 0);
  return TRUE;
}

BOOL WINAPI EvtNext(EVT_HANDLE handle, DWORD size, EVT_HANDLE* events, DWORD, DWORD,
                    PDWORD returned) {
  auto* results = As<Results>(handle);
  if (results == nullptr) return Fail(ERROR_INVALID_HANDLE);
  *returned = 0;
  if (results->newest_first) {
    // Who asks for the newest asks for one.
    if (size != 1 || results->after != 0) return Fail(ERROR_NOT_SUPPORTED);
    ChannelInfo info;
    const DWORD error = ReadChannelInfo(results->channel, info);
    if (error != ERROR_SUCCESS) return Fail(error);
    if (info.newest == 0) return Fail(ERROR_NO_MORE_ITEMS);
    results->after = info.newest - 1;
  }
  std::vector<keymedic::v1::EventRecord> read;
  const DWORD error = ReadChannel(results->channel, results->after, size, read);
  if (error != ERROR_SUCCESS) return Fail(error);
  if (read.empty()) return Fail(ERROR_NO_MORE_ITEMS);
  for (keymedic::v1::EventRecord& record : read) {
    results->after = record.record_id();
    auto event = std::make_unique<Event>();
    event->record = std::move(record);
    events[(*returned)++] = Give(std::move(event));
  }
  return TRUE;
}

EVT_HANDLE WINAPI EvtCreateRenderContext(DWORD paths, LPCWSTR*, DWORD flags) {
  if (paths != 0) return NoHandle(ERROR_NOT_SUPPORTED);
  auto context = std::make_unique<RenderContext>();
  context->user = flags == EvtRenderContextUser;
  return Give(std::move(context));
}

BOOL WINAPI EvtRender(EVT_HANDLE context_handle, EVT_HANDLE handle, DWORD flags, DWORD size,
                      PVOID buffer, PDWORD used, PDWORD count) {
  const auto* context = As<RenderContext>(context_handle);
  const auto* event = As<Event>(handle);
  if (context == nullptr || event == nullptr) return Fail(ERROR_INVALID_HANDLE);
  if (flags != EvtRenderEventValues) return Fail(ERROR_NOT_SUPPORTED);
  const Rendering rendering =
      context->user ? Rendering::User(event->record) : Rendering::System(event->record);
  *used = rendering.bytes();
  if (count != nullptr) *count = rendering.count();
  if (size < rendering.bytes()) return Fail(ERROR_INSUFFICIENT_BUFFER);
  rendering.CopyTo(buffer);
  return TRUE;
}

EVT_HANDLE WINAPI EvtOpenChannelConfig(EVT_HANDLE, LPCWSTR path, DWORD) {
  if (path == nullptr) return NoHandle(ERROR_INVALID_PARAMETER);
  auto config = std::make_unique<Config>();
  config->channel = Narrow(path);
  const DWORD error = ReadChannelInfo(config->channel, config->info);
  return error == ERROR_SUCCESS ? Give(std::move(config)) : NoHandle(error);
}

BOOL WINAPI EvtGetChannelConfigProperty(EVT_HANDLE handle, EVT_CHANNEL_CONFIG_PROPERTY_ID property,
                                        DWORD, DWORD size, PEVT_VARIANT buffer, PDWORD used) {
  const auto* config = As<Config>(handle);
  if (config == nullptr) return Fail(ERROR_INVALID_HANDLE);
  switch (property) {
    case EvtChannelConfigEnabled:
      return GiveValue(Flag(true), size, buffer, used);
    case EvtChannelLoggingConfigMaxSize:
      return GiveValue(Number(config->info.max_bytes), size, buffer, used);
    case EvtChannelLoggingConfigRetention:
      return GiveValue(Flag(config->info.full), size, buffer, used);
    case EvtChannelLoggingConfigAutoBackup:
      return GiveValue(Flag(false), size, buffer, used);
    default:
      return Fail(ERROR_NOT_SUPPORTED);
  }
}

BOOL WINAPI EvtSetChannelConfigProperty(EVT_HANDLE handle, EVT_CHANNEL_CONFIG_PROPERTY_ID property,
                                        DWORD, PEVT_VARIANT value) {
  auto* config = As<Config>(handle);
  if (config == nullptr || value == nullptr) return Fail(ERROR_INVALID_HANDLE);
  if (property == EvtChannelLoggingConfigMaxSize && value->Type == EvtVarTypeUInt64) {
    config->info.max_bytes = value->UInt64Val;
    return TRUE;
  }
  if (property == EvtChannelLoggingConfigRetention && value->Type == EvtVarTypeBoolean) {
    config->info.full = value->BooleanVal != FALSE;
    return TRUE;
  }
  return Fail(ERROR_NOT_SUPPORTED);
}

// A lab lets a log that was made larger overwrite again, whatever its retention says.
BOOL WINAPI EvtSaveChannelConfig(EVT_HANDLE handle, DWORD) {
  const auto* config = As<Config>(handle);
  if (config == nullptr) return Fail(ERROR_INVALID_HANDLE);
  const DWORD error = SetChannelBytes(config->channel, config->info.max_bytes);
  return error == ERROR_SUCCESS ? TRUE : Fail(error);
}

}  // extern "C"
