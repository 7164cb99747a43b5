// SPDX-License-Identifier: Apache-2.0
#include "plugins/systems/windows/services.h"

#include <windows.h>

#include <chrono>
#include <functional>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "base/windows/wide.h"

namespace keymedic::systems {
namespace {

using std::chrono::steady_clock;

constexpr auto kPatience = std::chrono::seconds(25);
constexpr auto kLook = std::chrono::milliseconds(100);

struct CloseService {
  void operator()(SC_HANDLE handle) const { CloseServiceHandle(handle); }
};
using Handle = std::unique_ptr<std::remove_pointer_t<SC_HANDLE>, CloseService>;

absl::Status Failed(absl::string_view what, absl::string_view name) {
  const DWORD error = GetLastError();
  const std::string text = absl::StrCat(what, " the service '", name, "'");
  if (error == ERROR_SERVICE_DISABLED) {
    return absl::FailedPreconditionError(absl::StrCat(text, ": it is disabled; enable it first"));
  }
  return windows::Win32Error(text, error);
}

absl::StatusOr<Handle> Open(absl::string_view name, DWORD access) {
  const Handle manager(OpenSCManagerW(nullptr, nullptr, SC_MANAGER_CONNECT));
  if (manager == nullptr) return Failed("ask the service control manager for", name);
  Handle service(OpenServiceW(manager.get(), windows::Wide(name).c_str(), access));
  if (service == nullptr) return Failed("open", name);
  return service;
}

absl::StatusOr<DWORD> StateOf(SC_HANDLE service, absl::string_view name) {
  SERVICE_STATUS_PROCESS status{};
  DWORD needed = 0;
  if (!QueryServiceStatusEx(service, SC_STATUS_PROCESS_INFO, reinterpret_cast<BYTE*>(&status),
                            sizeof(status), &needed)) {
    return Failed("ask", name);
  }
  return status.dwCurrentState;
}

absl::StatusOr<DWORD> StartTypeOf(SC_HANDLE service, absl::string_view name) {
  DWORD needed = 0;
  std::vector<uint64_t> buffer(1024);
  auto* const config = reinterpret_cast<QUERY_SERVICE_CONFIGW*>(buffer.data());
  if (!QueryServiceConfigW(service, config, static_cast<DWORD>(buffer.size() * sizeof(buffer[0])),
                           &needed)) {
    return Failed("ask", name);
  }
  return config->dwStartType;
}

// Looks until `look` says that it is done, or fails.
absl::Status Await(absl::string_view name, absl::string_view what,
                   const std::function<absl::StatusOr<bool>()>& look) {
  const auto end = steady_clock::now() + kPatience;
  while (true) {
    KM_ASSIGN_OR_RETURN(const bool done, look());
    if (done) return absl::OkStatus();
    if (steady_clock::now() > end) {
      return absl::DeadlineExceededError(absl::StrCat("the service '", name, "' did not ", what,
                                                      " within ", kPatience.count(), " s"));
    }
    std::this_thread::sleep_for(kLook);
  }
}

absl::Status Stop(SC_HANDLE service, absl::string_view name) {
  return Await(name, "stop", [&]() -> absl::StatusOr<bool> {
    KM_ASSIGN_OR_RETURN(const DWORD state, StateOf(service, name));
    SERVICE_STATUS status{};
    if (state == SERVICE_STOPPED) return true;
    // One that is about to start takes no order; it is given again.
    if (state != SERVICE_STOP_PENDING && !ControlService(service, SERVICE_CONTROL_STOP, &status) &&
        GetLastError() != ERROR_SERVICE_NOT_ACTIVE &&
        GetLastError() != ERROR_SERVICE_CANNOT_ACCEPT_CTRL) {
      return Failed("stop", name);
    }
    return false;
  });
}

absl::Status Start(SC_HANDLE service, absl::string_view name) {
  if (!StartServiceW(service, 0, nullptr) && GetLastError() != ERROR_SERVICE_ALREADY_RUNNING) {
    return Failed("start", name);
  }
  return Await(name, "start", [&]() -> absl::StatusOr<bool> {
    KM_ASSIGN_OR_RETURN(const DWORD state, StateOf(service, name));
    // It ran and is done, or gave up: nothing will change any more.
    if (state == SERVICE_STOPPED) {
      return absl::UnavailableError(absl::StrCat(
          "the service '", name, "' stopped while it started; see the event log System"));
    }
    return state == SERVICE_RUNNING;
  });
}

class WindowsServices final : public Services {
 public:
  absl::StatusOr<State> Query(absl::string_view name) override {
    KM_ASSIGN_OR_RETURN(const Handle service,
                        Open(name, SERVICE_QUERY_STATUS | SERVICE_QUERY_CONFIG));
    KM_ASSIGN_OR_RETURN(const DWORD state, StateOf(service.get(), name));
    KM_ASSIGN_OR_RETURN(const DWORD type, StartTypeOf(service.get(), name));
    return State{.running = state == SERVICE_RUNNING, .disabled = type == SERVICE_DISABLED};
  }

  // Enabled again, a service starts as sppsvc is delivered: by itself, a while after the machine.
  absl::Status SetDisabled(absl::string_view name, bool disabled) override {
    KM_ASSIGN_OR_RETURN(const Handle service,
                        Open(name, SERVICE_QUERY_CONFIG | SERVICE_CHANGE_CONFIG));
    KM_ASSIGN_OR_RETURN(const DWORD type, StartTypeOf(service.get(), name));
    if ((type == SERVICE_DISABLED) == disabled) return absl::OkStatus();
    if (!ChangeServiceConfigW(service.get(), SERVICE_NO_CHANGE,
                              disabled ? SERVICE_DISABLED : SERVICE_AUTO_START, SERVICE_NO_CHANGE,
                              nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr)) {
      return Failed(disabled ? "disable" : "enable", name);
    }
    SERVICE_DELAYED_AUTO_START_INFO delayed{.fDelayedAutostart = TRUE};
    // Without the delay it starts sooner, which is no harm.
    if (!disabled) {
      ChangeServiceConfig2W(service.get(), SERVICE_CONFIG_DELAYED_AUTO_START_INFO, &delayed);
    }
    return absl::OkStatus();
  }

  absl::Status Restart(absl::string_view name) override {
    KM_ASSIGN_OR_RETURN(
        const Handle service,
        Open(name, SERVICE_QUERY_STATUS | SERVICE_QUERY_CONFIG | SERVICE_START | SERVICE_STOP));
    KM_ASSIGN_OR_RETURN(const DWORD type, StartTypeOf(service.get(), name));
    if (type == SERVICE_DISABLED) {
      SetLastError(ERROR_SERVICE_DISABLED);
      return Failed("restart", name);
    }
    KM_RETURN_IF_ERROR(Stop(service.get(), name));
    return Start(service.get(), name);
  }
};

}  // namespace

std::unique_ptr<Services> MakeWindowsServices() { return std::make_unique<WindowsServices>(); }

absl::Status StartWindowsService(absl::string_view name) {
  KM_ASSIGN_OR_RETURN(const Handle service, Open(name, SERVICE_QUERY_STATUS | SERVICE_START));
  return Start(service.get(), name);
}

}  // namespace keymedic::systems
