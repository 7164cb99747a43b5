// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <io.h>
#include <windows.h>
// Behind it, on which it builds.
#include <tlhelp32.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <mutex>
#include <string>
#include <thread>

#include "agent/daemon.h"
#include "agent/service_log.h"
#include "agent/service_name.h"
#include "base/log.h"
#include "base/windows/handle.h"
#include "base/windows/wide.h"

namespace keymedic::agent {
namespace {

using windows::Handle;
using Body = std::function<absl::Status(Daemon&)>;

constexpr int kPatienceSeconds = 8;
constexpr DWORD kWaitHintMs = 3000;  // until the next sign of life while it stops

class EventDaemon final : public Daemon {
 public:
  bool AwaitStop() override {
    const HANDLE events[] = {stop_.get(), wake_.get()};
    return WaitForMultipleObjects(2, events, FALSE, INFINITE) != WAIT_OBJECT_0 + 1;
  }
  void Wake() override { SetEvent(wake_.get()); }
  void Stop() { SetEvent(stop_.get()); }

 private:
  const Handle stop_{CreateEventW(nullptr, /*bManualReset=*/TRUE, FALSE, nullptr)};
  const Handle wake_{CreateEventW(nullptr, /*bManualReset=*/FALSE, FALSE, nullptr)};
};

// Windows calls back without saying for whom.
EventDaemon* the_daemon = nullptr;

// In a console.

BOOL WINAPI OnConsole(DWORD) {
  the_daemon->Stop();
  Sleep(kPatienceSeconds * 1000);  // main ends meanwhile
  TerminateProcess(GetCurrentProcess(), 1);
  return TRUE;
}

int RunInConsole(const Body& body) {
  SetConsoleCtrlHandler(OnConsole, TRUE);
  const absl::Status status = body(*the_daemon);
  if (status.ok()) return 0;
  std::fprintf(stderr, "keymedic-agent: %s\n", std::string(status.message()).c_str());
  return 1;
}

// As a service.

// Wine's dispatcher takes a program that was started in any way for a service.
bool StartedByServiceManager() {
  const Handle processes(CreateToolhelp32Snapshot(TH32CS_SNAPPROCESS, 0));
  std::map<DWORD, PROCESSENTRY32W> by_id;
  PROCESSENTRY32W entry{};
  entry.dwSize = sizeof(entry);
  for (BOOL more = Process32FirstW(processes.get(), &entry); more;
       more = Process32NextW(processes.get(), &entry)) {
    by_id[entry.th32ProcessID] = entry;
  }
  const auto parent = by_id.find(by_id[GetCurrentProcessId()].th32ParentProcessID);
  return parent != by_id.end() && _wcsicmp(parent->second.szExeFile, L"services.exe") == 0;
}

class Service {
 public:
  explicit Service(const Body& body) : body_(body) {}

  // Until the service has ended. False: this process was not started as one.
  bool Dispatch();
  int exit_code() const { return exit_code_; }

 private:
  static void WINAPI Main(DWORD, wchar_t**) { the_service->Run(); }
  static DWORD WINAPI OnControl(DWORD control, DWORD, void*, void*) {
    return the_service->Control(control);
  }
  void Run();
  DWORD Control(DWORD control);
  // Signs of life while the body stops, and its end if it does not.
  void WatchStop();
  void Report(DWORD state, int exit_code = 0);

  static Service* the_service;
  const Body& body_;
  SERVICE_STATUS_HANDLE handle_ = nullptr;
  std::atomic<bool> stopping_ = false;
  std::mutex mutex_;
  DWORD checkpoint_ = 0;  // guarded by mutex_
  bool ended_ = false;    // guarded by mutex_
  int exit_code_ = 0;
};
Service* Service::the_service = nullptr;

bool Service::Dispatch() {
  the_service = this;
  std::wstring name(kServiceName);
  const SERVICE_TABLE_ENTRYW table[] = {{name.data(), Main}, {nullptr, nullptr}};
  return StartServiceCtrlDispatcherW(table);
}

void Service::Report(DWORD state, int exit_code) {
  std::lock_guard lock(mutex_);
  if (ended_) return;  // nothing may be said after the last word
  ended_ = state == SERVICE_STOPPED;
  SERVICE_STATUS status{};
  status.dwServiceType = SERVICE_WIN32_OWN_PROCESS;
  status.dwCurrentState = state;
  if (state == SERVICE_RUNNING) {
    status.dwControlsAccepted =
        SERVICE_ACCEPT_STOP | SERVICE_ACCEPT_SHUTDOWN | SERVICE_ACCEPT_PRESHUTDOWN;
  }
  if (state == SERVICE_STOP_PENDING) {
    status.dwCheckPoint = ++checkpoint_;
    status.dwWaitHint = kWaitHintMs;
  }
  if (exit_code != 0) {
    status.dwWin32ExitCode = ERROR_SERVICE_SPECIFIC_ERROR;
    status.dwServiceSpecificExitCode = static_cast<DWORD>(exit_code);
  }
  SetServiceStatus(handle_, &status);
}

void Service::Run() {
  handle_ = RegisterServiceCtrlHandlerExW(kServiceName, OnControl, nullptr);
  Report(SERVICE_RUNNING);
  LogAsService();
  if (const absl::Status status = ConfigureService(); !status.ok()) {
    log::Warning("AGENT_SERVICE_NOT_CONFIGURED", "{}", status.ToString());
  }
  const absl::Status status = body_(*the_daemon);
  if (!status.ok()) {
    log::Error("AGENT_FAILED", "the agent ends: {}", status.ToString());
    exit_code_ = 1;
  }
  Report(SERVICE_STOPPED, exit_code_);
}

DWORD Service::Control(DWORD control) {
  switch (control) {
    case SERVICE_CONTROL_STOP:
    case SERVICE_CONTROL_SHUTDOWN:
    case SERVICE_CONTROL_PRESHUTDOWN:
      if (!stopping_.exchange(true)) {
        Report(SERVICE_STOP_PENDING);
        the_daemon->Stop();
        std::thread([this] { WatchStop(); }).detach();
      }
      return NO_ERROR;
    case SERVICE_CONTROL_INTERROGATE:
      return NO_ERROR;
    default:
      return ERROR_CALL_NOT_IMPLEMENTED;
  }
}

void Service::WatchStop() {
  for (int second = 0; second < kPatienceSeconds; ++second) {
    Sleep(1000);
    Report(SERVICE_STOP_PENDING);
  }
  log::Warning("AGENT_STOP_FORCED", "the agent did not stop within {} s and is ended",
               kPatienceSeconds);
  Report(SERVICE_STOPPED);
  TerminateProcess(GetCurrentProcess(), 0);
}

}  // namespace

void SetUpProcess() {
  SetErrorMode(SEM_FAILCRITICALERRORS | SEM_NOGPFAULTERRORBOX | SEM_NOOPENFILEERRORBOX);
  // No DLL from the folder that somebody happens to be in.
  SetDllDirectoryW(L"");
  static const UINT before = GetConsoleOutputCP();
  SetConsoleOutputCP(CP_UTF8);
  std::atexit([] { SetConsoleOutputCP(before); });
  _setmode(_fileno(stdout), _O_BINARY);  // a bundle is no text
}

int RunDaemon(const Body& body) {
  EventDaemon daemon;
  the_daemon = &daemon;
  Service service(body);
  return StartedByServiceManager() && service.Dispatch() ? service.exit_code() : RunInConsole(body);
}

}  // namespace keymedic::agent
