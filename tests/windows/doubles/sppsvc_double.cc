// SPDX-License-Identifier: Apache-2.0
#include "tests/windows/doubles/sppsvc_double.h"

#include "tests/windows/doubles/lab_machine.h"
// Before windows.h, which would bring the older sockets.
#include <windows.h>

#include <memory>
#include <string_view>

#include "base/windows/wide.h"

namespace keymedic::doubles {
namespace {

constexpr wchar_t kName[] = L"sppsvc";
constexpr wchar_t kQuietly[] = L"quietly";

struct CloseService {
  using pointer = SC_HANDLE;
  void operator()(SC_HANDLE handle) const { CloseServiceHandle(handle); }
};
using Handle = std::unique_ptr<SC_HANDLE, CloseService>;

absl::Status Failed(const char* what) { return windows::Win32Error(what, GetLastError()); }

SERVICE_STATUS_HANDLE status_handle = nullptr;
HANDLE stop_event = nullptr;

void Report(DWORD state) {
  SERVICE_STATUS status{};
  status.dwServiceType = SERVICE_WIN32_OWN_PROCESS;
  status.dwCurrentState = state;
  status.dwControlsAccepted = state == SERVICE_RUNNING ? SERVICE_ACCEPT_STOP : 0;
  SetServiceStatus(status_handle, &status);
}

DWORD WINAPI OnControl(DWORD control, DWORD, void*, void*) {
  if (control == SERVICE_CONTROL_INTERROGATE) return NO_ERROR;
  if (control != SERVICE_CONTROL_STOP) return ERROR_CALL_NOT_IMPLEMENTED;
  Report(SERVICE_STOP_PENDING);
  SetEvent(stop_event);
  return NO_ERROR;
}

void WINAPI ServiceMain(DWORD argc, LPWSTR* argv) {
  status_handle = RegisterServiceCtrlHandlerExW(kName, OnControl, nullptr);
  if (status_handle == nullptr) return;
  if (argc < 2 || std::wstring_view(argv[1]) != kQuietly) {
    // A lab whose service is disabled there says no, which is right: this start does not count.
    WithLabMachine([](systems::Systems& machine) {
      return machine.services->Restart("sppsvc");
    }).IgnoreError();
  }
  Report(SERVICE_RUNNING);
  WaitForSingleObject(stop_event, INFINITE);
  Report(SERVICE_STOPPED);
}

absl::Status Configure(SC_HANDLE manager, const std::wstring& command, DWORD start, Handle& out) {
  out.reset(CreateServiceW(manager, kName, L"Software Protection", SERVICE_ALL_ACCESS,
                           SERVICE_WIN32_OWN_PROCESS, start, SERVICE_ERROR_IGNORE, command.c_str(),
                           nullptr, nullptr, nullptr, nullptr, nullptr));
  if (out != nullptr) return absl::OkStatus();
  if (GetLastError() != ERROR_SERVICE_EXISTS) return Failed("create the service sppsvc");
  out.reset(OpenServiceW(manager, kName, SERVICE_ALL_ACCESS));
  if (out == nullptr) return Failed("open the service sppsvc");
  if (ChangeServiceConfigW(out.get(), SERVICE_WIN32_OWN_PROCESS, start, SERVICE_NO_CHANGE,
                           command.c_str(), nullptr, nullptr, nullptr, nullptr, nullptr,
                           nullptr) == 0) {
    return Failed("change the service sppsvc");
  }
  return absl::OkStatus();
}

absl::Status WaitFor(SC_HANDLE service, DWORD state) {
  SERVICE_STATUS status{};
  for (int i = 0; i < 300; ++i) {
    if (QueryServiceStatus(service, &status) == 0) return Failed("query the service sppsvc");
    if (status.dwCurrentState == state) return absl::OkStatus();
    Sleep(100);
  }
  return absl::DeadlineExceededError("the service sppsvc did not change its state within 30 s");
}

}  // namespace

absl::Status InstallSppsvc(const std::wstring& program, const systems::Services::State& state) {
  const Handle manager(OpenSCManagerW(nullptr, nullptr, SC_MANAGER_ALL_ACCESS));
  if (manager == nullptr) return Failed("open the service control manager");
  Handle service;
  const DWORD start = state.disabled ? SERVICE_DISABLED : SERVICE_DEMAND_START;
  const absl::Status configured =
      Configure(manager.get(), L"\"" + program + L"\" service", start, service);
  if (!configured.ok()) return configured;
  SERVICE_STATUS status{};
  if (!state.running || state.disabled) {
    if (ControlService(service.get(), SERVICE_CONTROL_STOP, &status) == 0) return absl::OkStatus();
    return WaitFor(service.get(), SERVICE_STOPPED);
  }
  const wchar_t* arguments[] = {kQuietly};
  if (StartServiceW(service.get(), 1, arguments) == 0 &&
      GetLastError() != ERROR_SERVICE_ALREADY_RUNNING) {
    return Failed("start the service sppsvc");
  }
  return WaitFor(service.get(), SERVICE_RUNNING);
}

int RunSppsvc() {
  stop_event = CreateEventW(nullptr, TRUE, FALSE, nullptr);
  wchar_t name[] = L"sppsvc";
  const SERVICE_TABLE_ENTRYW table[] = {{name, ServiceMain}, {nullptr, nullptr}};
  return StartServiceCtrlDispatcherW(table) != 0 ? 0 : 1;
}

}  // namespace keymedic::doubles
