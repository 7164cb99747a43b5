// SPDX-License-Identifier: Apache-2.0
#include <windows.h>

#include <cstdint>
#include <vector>

#include "absl/strings/str_cat.h"
#include "agent/daemon.h"
#include "agent/service_name.h"
#include "base/status_macros.h"
#include "base/windows/wide.h"

namespace keymedic::agent {
namespace {

constexpr DWORD kForgetFailuresAfterSeconds = 24 * 60 * 60;
constexpr DWORD kPreshutdownMs = 10'000;

class ServiceHandle {
 public:
  explicit ServiceHandle(SC_HANDLE handle) : handle_(handle) {}
  ServiceHandle(const ServiceHandle&) = delete;
  ServiceHandle& operator=(const ServiceHandle&) = delete;
  ~ServiceHandle() {
    if (handle_ != nullptr) CloseServiceHandle(handle_);
  }
  SC_HANDLE get() const { return handle_; }

 private:
  const SC_HANDLE handle_;
};

// Sets what it can; says what it could not.
class Settings {
 public:
  explicit Settings(SC_HANDLE service) : service_(service) {}

  template <typename Info>
  void Set(absl::string_view what, DWORD level, Info info) {
    if (ChangeServiceConfig2W(service_, level, &info)) return;
    absl::StrAppend(&failures_, failures_.empty() ? "" : "; ",
                    windows::Win32Error(what, GetLastError()).message());
  }
  absl::Status result() const {
    if (failures_.empty()) return absl::OkStatus();
    return absl::UnavailableError(
        absl::StrCat("the service runs, but could not be set up in full: ", failures_));
  }

 private:
  const SC_HANDLE service_;
  std::string failures_;
};

// Once is enough: from then on it is as an administrator wants it.
bool IsSetUp(SC_HANDLE service) {
  DWORD needed = 0;
  std::vector<uint64_t> buffer(1024);
  auto* const recovery = reinterpret_cast<SERVICE_FAILURE_ACTIONSW*>(buffer.data());
  return QueryServiceConfig2W(service, SERVICE_CONFIG_FAILURE_ACTIONS,
                              reinterpret_cast<BYTE*>(buffer.data()),
                              static_cast<DWORD>(buffer.size() * sizeof(buffer[0])), &needed) &&
         recovery->cActions > 0;
}

void SetRecovery(Settings& settings) {
  SC_ACTION actions[] = {
      {SC_ACTION_RESTART, 5'000}, {SC_ACTION_RESTART, 30'000}, {SC_ACTION_RESTART, 300'000}};
  SERVICE_FAILURE_ACTIONSW recovery{};
  recovery.dwResetPeriod = kForgetFailuresAfterSeconds;
  recovery.cActions = 3;
  recovery.lpsaActions = actions;
  settings.Set("what to do when it fails", SERVICE_CONFIG_FAILURE_ACTIONS, recovery);
  // Also when it ends with an error, not only when it crashes.
  settings.Set("when it has failed", SERVICE_CONFIG_FAILURE_ACTIONS_FLAG,
               SERVICE_FAILURE_ACTIONS_FLAG{TRUE});
}

}  // namespace

absl::Status ConfigureService() {
  const ServiceHandle manager(OpenSCManagerW(nullptr, nullptr, SC_MANAGER_CONNECT));
  if (manager.get() == nullptr) {
    return windows::Win32Error("cannot ask the service control manager", GetLastError());
  }
  // To have it started again one needs the right to start it.
  const ServiceHandle service(OpenServiceW(
      manager.get(), kServiceName, SERVICE_QUERY_CONFIG | SERVICE_CHANGE_CONFIG | SERVICE_START));
  if (service.get() == nullptr) {
    return windows::Win32Error(
        absl::StrCat("cannot open the service ", windows::Narrow(kServiceName)), GetLastError());
  }
  if (IsSetUp(service.get())) return absl::OkStatus();
  Settings settings(service.get());
  SetRecovery(settings);
  settings.Set("delayed start", SERVICE_CONFIG_DELAYED_AUTO_START_INFO,
               SERVICE_DELAYED_AUTO_START_INFO{TRUE});
  settings.Set("time before a shutdown", SERVICE_CONFIG_PRESHUTDOWN_INFO,
               SERVICE_PRESHUTDOWN_INFO{kPreshutdownMs});
  settings.Set("a SID of its own", SERVICE_CONFIG_SERVICE_SID_INFO,
               SERVICE_SID_INFO{SERVICE_SID_TYPE_UNRESTRICTED});
  return settings.result();
}

}  // namespace keymedic::agent
