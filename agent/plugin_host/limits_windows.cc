// SPDX-License-Identifier: Apache-2.0
#include <windows.h>

#include "agent/plugin_host/limits.h"
// Behind it, on which it builds.
#include <psapi.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <thread>

namespace keymedic::agent {
namespace {

constexpr DWORD kLookMs = 100;

std::atomic<uint64_t> memory_limit{0};  // bytes; 0: none
std::atomic<uint64_t> cpu_limit{0};     // of the process since its start, in 100 ns; 0: none

uint64_t UsedCpu() {
  FILETIME made, ended, kernel, user;
  if (!GetProcessTimes(GetCurrentProcess(), &made, &ended, &kernel, &user)) return 0;
  const auto number = [](FILETIME time) {
    return uint64_t{time.dwHighDateTime} << 32 | time.dwLowDateTime;
  };
  return number(kernel) + number(user);
}

uint64_t UsedMemory() {
  PROCESS_MEMORY_COUNTERS_EX counters{};
  counters.cb = sizeof(counters);
  if (!GetProcessMemoryInfo(GetCurrentProcess(),
                            reinterpret_cast<PROCESS_MEMORY_COUNTERS*>(&counters),
                            sizeof(counters))) {
    return 0;
  }
  // The same number, where both are filled in.
  return std::max(counters.PrivateUsage, counters.PagefileUsage);
}

[[noreturn]] void EndWith(uint32_t code) {
  TerminateProcess(GetCurrentProcess(), code);
  std::abort();
}

void Watch() {
  while (true) {
    Sleep(kLookMs);
    const uint64_t cpu = cpu_limit;
    if (cpu != 0 && UsedCpu() > cpu) EndWith(kExitOverCpu);
    const uint64_t memory = memory_limit;
    if (memory != 0 && UsedMemory() > memory) EndWith(kExitOverMemory);
  }
}

void WatchFromNowOn() {
  static const bool watching = [] {
    std::thread(Watch).detach();
    return true;
  }();
  static_cast<void>(watching);
}

// The agent reads the exit code, and where it was from the last output. No dump, and nobody is
// asked.
LONG WINAPI EndOfCrash(EXCEPTION_POINTERS* crash) {
  const DWORD code = crash->ExceptionRecord->ExceptionCode;
  if (code != EXCEPTION_STACK_OVERFLOW) {  // which leaves no room to print
    std::fprintf(stderr, "keymedic-plugin-host: exception 0x%08lX at %p\n", code,
                 crash->ExceptionRecord->ExceptionAddress);
    std::fflush(stderr);
  }
  EndWith(code);
}

}  // namespace

void LimitMemory(uint64_t megabytes) {
  SetErrorMode(SEM_FAILCRITICALERRORS | SEM_NOGPFAULTERRORBOX | SEM_NOOPENFILEERRORBOX);
  SetUnhandledExceptionFilter(EndOfCrash);
  if (megabytes == 0) return;
  memory_limit = megabytes << 20;
  WatchFromNowOn();
}

void LimitCpuOfNextCall(uint64_t seconds) {
  if (seconds == 0) return;
  cpu_limit = UsedCpu() + seconds * 10'000'000;
  WatchFromNowOn();
}

}  // namespace keymedic::agent
