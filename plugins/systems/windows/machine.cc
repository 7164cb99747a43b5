// SPDX-License-Identifier: Apache-2.0
#include "plugins/systems/windows/machine.h"

// winsock2.h goes before windows.h, and that before the rest.
// clang-format off
#include <winsock2.h>
#include <ws2tcpip.h>
#include <windows.h>
#include <iphlpapi.h>
#include <lm.h>
#include <dsgetdc.h>
// clang-format on

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "base/windows/wide.h"
#include "plugins/systems/windows/machine_values.h"
#include "plugins/systems/windows/registry.h"
#include "plugins/systems/windows/services.h"

namespace keymedic::systems {
namespace {

using std::chrono::steady_clock;

constexpr char kVersionKey[] = "SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion";
constexpr char kFirmwareKey[] = "HARDWARE\\DESCRIPTION\\System\\BIOS";
constexpr char kTimeKey[] = "SYSTEM\\CurrentControlSet\\Services\\W32Time\\Parameters";
constexpr auto kSkewAge = std::chrono::minutes(15);
constexpr DWORD kResyncMs = 25000;
constexpr DWORD kRestartDelaySeconds = 60;
constexpr DWORD kShutdownScheduled = 1190;  // ERROR_SHUTDOWN_IS_SCHEDULED

std::string ComputerName(COMPUTER_NAME_FORMAT format) {
  wchar_t name[1024] = L"";
  DWORD size = 1024;
  return GetComputerNameExW(format, name, &size) ? windows::Narrow({name, size}) : "";
}

std::string AddressText(const SOCKADDR& address) {
  wchar_t text[INET6_ADDRSTRLEN] = L"";
  const bool v6 = address.sa_family == AF_INET6;
  if (!v6 && address.sa_family != AF_INET) return "";
  const void* raw =
      v6 ? static_cast<const void*>(&reinterpret_cast<const sockaddr_in6&>(address).sin6_addr)
         : &reinterpret_cast<const sockaddr_in&>(address).sin_addr;
  return InetNtopW(address.sa_family, raw, text, INET6_ADDRSTRLEN) == nullptr
             ? ""
             : windows::Narrow(text);
}

// Of IPv6 only those that DNS may know: the others change by themselves.
bool Stays(const IP_ADAPTER_UNICAST_ADDRESS& address) {
  return address.Address.lpSockaddr->sa_family != AF_INET6 ||
         (address.Flags & IP_ADAPTER_ADDRESS_DNS_ELIGIBLE) != 0;
}

std::vector<std::string> OwnAddresses() {
  std::vector<std::string> addresses;
  ULONG size = 32 << 10;
  std::vector<uint64_t> buffer;
  ULONG result = ERROR_BUFFER_OVERFLOW;
  IP_ADAPTER_ADDRESSES* adapters = nullptr;
  for (int tries = 0; tries < 3 && result == ERROR_BUFFER_OVERFLOW; ++tries) {
    buffer.resize(size / sizeof(uint64_t) + 1);
    adapters = reinterpret_cast<IP_ADAPTER_ADDRESSES*>(buffer.data());
    result = GetAdaptersAddresses(
        AF_UNSPEC, GAA_FLAG_SKIP_ANYCAST | GAA_FLAG_SKIP_MULTICAST | GAA_FLAG_SKIP_DNS_SERVER,
        nullptr, adapters, &size);
  }
  if (result != ERROR_SUCCESS) return addresses;
  for (const auto* adapter = adapters; adapter != nullptr; adapter = adapter->Next) {
    if (adapter->IfType == IF_TYPE_SOFTWARE_LOOPBACK || adapter->OperStatus != IfOperStatusUp) {
      continue;
    }
    for (const auto* own = adapter->FirstUnicastAddress; own != nullptr; own = own->Next) {
      std::string text = Stays(*own) ? AddressText(*own->Address.lpSockaddr) : "";
      if (!text.empty()) addresses.push_back(std::move(text));
    }
  }
  std::sort(addresses.begin(), addresses.end());
  addresses.erase(std::unique(addresses.begin(), addresses.end()), addresses.end());
  return addresses;
}

// Windows counts the other way: UTC = local time + bias.
std::optional<int32_t> UtcOffsetMinutes() {
  TIME_ZONE_INFORMATION zone{};
  switch (GetTimeZoneInformation(&zone)) {
    case TIME_ZONE_ID_UNKNOWN:  // it has no summer time
      return -zone.Bias;
    case TIME_ZONE_ID_STANDARD:
      return -(zone.Bias + zone.StandardBias);
    case TIME_ZONE_ID_DAYLIGHT:
      return -(zone.Bias + zone.DaylightBias);
    default:
      return std::nullopt;
  }
}

// Of those that Windows knows already: a search for one that is not there takes long.
std::optional<std::string> DomainController() {
  DOMAIN_CONTROLLER_INFOW* info = nullptr;
  const DWORD result = DsGetDcNameW(
      nullptr, nullptr, nullptr, nullptr,
      // A controller that asks itself is never wrong.
      DS_AVOID_SELF | DS_BACKGROUND_ONLY | DS_TIMESERV_REQUIRED | DS_RETURN_DNS_NAME, &info);
  if (result != ERROR_SUCCESS || info == nullptr) return std::nullopt;
  std::string name = windows::Narrow(info->DomainControllerName);
  NetApiBufferFree(info);
  name.erase(0, name.find_first_not_of('\\'));
  if (name.empty()) return std::nullopt;
  return name;
}

// A handle of the kernel's.
struct CloseKernel {
  void operator()(HANDLE handle) const { CloseHandle(handle); }
};
using Handle = std::unique_ptr<void, CloseKernel>;

// Only the exit code is read: what the program prints is translated.
absl::StatusOr<DWORD> RunW32tm() {
  wchar_t system[MAX_PATH] = L"";
  GetSystemDirectoryW(system, MAX_PATH);
  const std::wstring program = std::wstring(system) + L"\\w32tm.exe";
  std::wstring line = L"\"" + program + L"\" /resync /rediscover";
  STARTUPINFOW startup{.cb = sizeof(startup)};
  PROCESS_INFORMATION process{};
  // Without a console, whose process would count in the job of the plugin host.
  if (!CreateProcessW(program.c_str(), line.data(), nullptr, nullptr, FALSE, DETACHED_PROCESS,
                      nullptr, system, &startup, &process)) {
    return windows::Win32Error("start w32tm.exe", GetLastError());
  }
  const Handle owned(process.hProcess), thread(process.hThread);
  if (WaitForSingleObject(process.hProcess, kResyncMs) != WAIT_OBJECT_0) {
    TerminateProcess(process.hProcess, 1);
    return absl::DeadlineExceededError(
        absl::StrCat("set the clock: w32tm.exe did not end within ", kResyncMs / 1000, " s"));
  }
  DWORD code = 0;
  GetExitCodeProcess(process.hProcess, &code);
  return code;
}

absl::Status AllowShutdown() {
  HANDLE raw = nullptr;
  TOKEN_PRIVILEGES wanted{.PrivilegeCount = 1};
  wanted.Privileges[0].Attributes = SE_PRIVILEGE_ENABLED;
  if (!OpenProcessToken(GetCurrentProcess(), TOKEN_ADJUST_PRIVILEGES | TOKEN_QUERY, &raw)) {
    return windows::Win32Error("restart the machine", GetLastError());
  }
  const Handle token(raw);
  if (!LookupPrivilegeValueW(nullptr, SE_SHUTDOWN_NAME, &wanted.Privileges[0].Luid) ||
      !AdjustTokenPrivileges(token.get(), FALSE, &wanted, 0, nullptr, nullptr) ||
      GetLastError() != ERROR_SUCCESS) {
    return windows::Win32Error("restart the machine: the privilege to do so", GetLastError());
  }
  return absl::OkStatus();
}

class WindowsMachine final : public Machine {
 public:
  explicit WindowsMachine(MeasureSkew measure) : measure_(std::move(measure)) {}

  absl::StatusOr<v1::OsSection> Os() override {
    v1::OsSection os;
    os.set_computer_name(ComputerName(ComputerNamePhysicalDnsHostname));
    if (os.computer_name().empty()) {
      return absl::UnavailableError("this machine does not tell its name (GetComputerNameExW)");
    }
    const std::string domain = ComputerName(ComputerNamePhysicalDnsDomain);
    if (!domain.empty()) os.set_dns_domain(domain);
    FillVersion(os);
    const auto is_virtual = IsVirtual(RegistryText(kFirmwareKey, "SystemManufacturer").value_or(""),
                                      RegistryText(kFirmwareKey, "SystemProductName").value_or(""));
    if (is_virtual.has_value()) os.set_is_virtual(*is_virtual);
    for (std::string& address : OwnAddresses()) os.add_addresses(std::move(address));
    FillSkew(os);
    if (const auto offset = UtcOffsetMinutes()) os.set_utc_offset_minutes(*offset);
    return os;
  }

  absl::Status SynchroniseClock() override {
    measured_at_.reset();
    KM_RETURN_IF_ERROR(Annotate(StartWindowsService("W32Time"), "set the clock"));
    KM_ASSIGN_OR_RETURN(const DWORD code, RunW32tm());
    if (code == 0) return absl::OkStatus();
    return absl::UnavailableError(absl::StrCat(
        "set the clock: the time service got no time (w32tm /resync /rediscover ended with 0x",
        absl::Hex(code, absl::kZeroPad8), "); is a domain controller or time server reachable?"));
  }

  absl::Status Restart() override {
    KM_RETURN_IF_ERROR(AllowShutdown());
    std::wstring message =
        L"KeyMedic restarts this machine to complete a change of its activation.";
    const DWORD reason = SHTDN_REASON_MAJOR_OPERATINGSYSTEM | SHTDN_REASON_MINOR_RECONFIG |
                         SHTDN_REASON_FLAG_PLANNED;
    // As `shutdown /r /t 60` does; who is signed in has that minute, and so has the agent to
    // report.
    if (!InitiateSystemShutdownExW(nullptr, message.data(), kRestartDelaySeconds, TRUE, TRUE,
                                   reason)) {
      const DWORD error = GetLastError();
      if (error == ERROR_SHUTDOWN_IN_PROGRESS || error == kShutdownScheduled) {
        return absl::OkStatus();
      }
      return windows::Win32Error("restart the machine", error);
    }
    return absl::OkStatus();
  }

 private:
  static void FillVersion(v1::OsSection& os) {
    uint32_t build = 0;
    if (absl::SimpleAtoi(RegistryText(kVersionKey, "CurrentBuildNumber").value_or(""), &build)) {
      os.set_build(build);
    }
    if (const auto revision = RegistryNumber(kVersionKey, "UBR")) os.set_revision(*revision);
    if (const auto edition = RegistryText(kVersionKey, "EditionID")) os.set_edition_id(*edition);
    if (const auto type = RegistryText(kVersionKey, "InstallationType")) {
      os.set_is_server(absl::StartsWith(*type, "Server"));
    }
    if (auto name = RegistryText(kVersionKey, "ProductName")) {
      os.set_caption(CaptionOf(*std::move(name), build, os.is_server()));
    }
  }

  void FillSkew(v1::OsSection& os) {
    const auto now = steady_clock::now();
    if (!measured_at_.has_value() || now - *measured_at_ > kSkewAge) {
      measured_at_ = now;
      skew_ = AskTimeSource();
    }
    if (!skew_.has_value()) return;
    os.set_clock_skew_minutes(SkewBucket(skew_->ahead));
    os.set_clock_source(skew_->source);
  }

  struct Skew {
    absl::Duration ahead;
    std::string source;  // not which controller: that changes by itself
  };
  std::optional<Skew> AskTimeSource() {
    const TimeSource source = TimeSourceOf(RegistryText(kTimeKey, "Type").value_or(""),
                                           RegistryText(kTimeKey, "NtpServer").value_or(""));
    if (source.domain) {
      if (const auto controller = DomainController()) {
        if (const auto ahead = measure_(*controller); ahead.ok()) {
          return Skew{*ahead, "domain controller"};
        }
      }
    }
    for (const std::string& server : source.servers) {
      if (const auto ahead = measure_(server); ahead.ok()) return Skew{*ahead, server};
    }
    return std::nullopt;
  }

  const MeasureSkew measure_;
  std::optional<steady_clock::time_point> measured_at_;
  std::optional<Skew> skew_;
};

}  // namespace

std::unique_ptr<Machine> MakeWindowsMachine(MeasureSkew measure) {
  return std::make_unique<WindowsMachine>(std::move(measure));
}

}  // namespace keymedic::systems
