// SPDX-License-Identifier: Apache-2.0
//
//   double_setup.exe 127.0.0.1:41231 pc-001   makes the Wine prefix in which it runs look like that
//                                             machine of the lab that listens there
//   double_setup.exe service                  is the service sppsvc of that machine; for the
//   service
//                                             control manager only
//
// The doubles lie in the folder of the program. It can be run again: then the prefix becomes
// another machine, as far as no program that runs there has seen the old one. It writes to the
// registry and to system32, so a prefix is all that it may be run in: on a real Windows it refuses.
//
// Exit code: 0; 1 and a sentence on standard error if something could not be done.
#include "tests/windows/doubles/lab_machine.h"
// Before windows.h, which would bring the older sockets.
#include <windows.h>

#include <cstdio>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"
#include "base/windows/wide.h"
#include "tests/windows/doubles/prefix_registry.h"
#include "tests/windows/doubles/sppsvc_double.h"

namespace keymedic::doubles {
namespace {

using windows::Narrow;
using windows::Wide;
using windows::Win32Error;

constexpr wchar_t kVersionKey[] = L"SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion";
constexpr wchar_t kBiosKey[] = L"HARDWARE\\DESCRIPTION\\System\\BIOS";
constexpr wchar_t kTcpKey[] = L"SYSTEM\\CurrentControlSet\\Services\\Tcpip\\Parameters";
constexpr wchar_t kNameKey[] = L"SYSTEM\\CurrentControlSet\\Control\\ComputerName\\";

// What the double serves in place of Wine's own.
constexpr const wchar_t* kClasses[] = {
    L"{4590F811-1D3A-11D0-891F-00AA004B2E24}",  // WbemLocator
    L"{E2B3C97F-6AE1-41AC-817A-F6F92166D7DD}",  // NetFwPolicy2
    L"{2C5BC43E-3369-4C33-AB0C-BE9469677AF4}",  // NetFwRule
};

bool IsWine() {
  const HMODULE ntdll = GetModuleHandleW(L"ntdll.dll");
  return ntdll != nullptr && GetProcAddress(ntdll, "wine_get_version") != nullptr;
}

std::wstring OwnPath() {
  std::wstring path(32768, L'\0');
  path.resize(GetModuleFileNameW(nullptr, path.data(), static_cast<DWORD>(path.size())));
  return path;
}

std::wstring OwnFolder() {
  const std::wstring path = OwnPath();
  return path.substr(0, path.rfind(L'\\') + 1);
}

absl::Status RegisterClasses() {
  const std::wstring dll = OwnFolder() + L"wbem_double.dll";
  for (const wchar_t* id : kClasses) {
    const std::wstring key = std::wstring(L"SOFTWARE\\Classes\\CLSID\\") + id + L"\\InProcServer32";
    KM_RETURN_IF_ERROR(WriteText(HKEY_LOCAL_MACHINE, key, L"", dll));
    KM_RETURN_IF_ERROR(WriteText(HKEY_LOCAL_MACHINE, key, L"ThreadingModel", L"Both"));
  }
  return absl::OkStatus();
}

// In system32, because a service finds it nowhere else; and preferred to Wine's own.
absl::Status PlaceEventLog() {
  wchar_t folder[MAX_PATH];
  GetSystemDirectoryW(folder, MAX_PATH);
  const std::wstring target = std::wstring(folder) + L"\\wevtapi.dll";
  DeleteFileW(
      target.c_str());  // a copied prefix may share the file with others: never write into it
  if (CopyFileW((OwnFolder() + L"wevtapi.dll").c_str(), target.c_str(), FALSE) == 0)
    return Win32Error(absl::StrCat("copy wevtapi.dll to ", Narrow(target)), GetLastError());
  return WriteText(HKEY_CURRENT_USER, L"Software\\Wine\\DllOverrides", L"wevtapi", L"native");
}

absl::Status WriteOs(const v1::OsSection& os) {
  const auto text = [](const wchar_t* name, const std::string& value) {
    return WriteText(HKEY_LOCAL_MACHINE, kVersionKey, name, Wide(value));
  };
  KM_RETURN_IF_ERROR(text(L"EditionID", os.edition_id()));
  KM_RETURN_IF_ERROR(text(L"ProductName", os.caption()));
  KM_RETURN_IF_ERROR(text(L"CurrentBuildNumber", absl::StrCat(os.build())));
  KM_RETURN_IF_ERROR(text(L"CurrentBuild", absl::StrCat(os.build())));
  KM_RETURN_IF_ERROR(text(L"InstallationType", os.is_server() ? "Server" : "Client"));
  KM_RETURN_IF_ERROR(WriteNumber(HKEY_LOCAL_MACHINE, kVersionKey, L"UBR", os.revision()));
  const wchar_t* model = os.is_virtual() ? L"Virtual Machine" : L"Computer";
  KM_RETURN_IF_ERROR(WriteText(HKEY_LOCAL_MACHINE, kBiosKey, L"SystemProductName", model));
  return WriteText(HKEY_LOCAL_MACHINE, kBiosKey, L"SystemManufacturer",
                   os.is_virtual() ? L"Microsoft Corporation" : L"Somebody");
}

// What Wine tells as the computer's name until it boots the prefix again.
absl::Status WriteNames(const v1::OsSection& os, const std::vector<std::string>& suffixes) {
  const std::wstring name = Wide(os.computer_name());
  for (const wchar_t* key : {L"ComputerName", L"ActiveComputerName"}) {
    KM_RETURN_IF_ERROR(
        WriteText(HKEY_LOCAL_MACHINE, std::wstring(kNameKey) + key, L"ComputerName", name));
  }
  for (const wchar_t* value : {L"Hostname", L"NV Hostname"})
    KM_RETURN_IF_ERROR(WriteText(HKEY_LOCAL_MACHINE, kTcpKey, value, name));
  for (const wchar_t* value : {L"Domain", L"NV Domain"})
    KM_RETURN_IF_ERROR(WriteText(HKEY_LOCAL_MACHINE, kTcpKey, value, Wide(os.dns_domain())));
  return WriteText(HKEY_LOCAL_MACHINE, kTcpKey, L"SearchList", Wide(absl::StrJoin(suffixes, ",")));
}

absl::Status WritePublishList(systems::Systems& machine) {
  const auto host = machine.licensing->Host();
  if (absl::IsNotFound(host.status())) return absl::OkStatus();
  if (!host.ok()) return host.status();
  std::vector<std::wstring> domains;
  for (const std::string& domain : host->publish_domains()) domains.push_back(Wide(domain));
  return WriteTexts(HKEY_LOCAL_MACHINE, std::wstring(kVersionKey) + L"\\SoftwareProtectionPlatform",
                    L"DnsDomainPublishList", domains);
}

absl::Status SetUp(const std::wstring& lab, const std::wstring& machine_name) {
  if (!IsWine()) {
    return absl::FailedPreconditionError(
        "this is no Wine: double_setup changes a system for good, so it works in throw-away "
        "prefixes only");
  }
  KM_RETURN_IF_ERROR(WriteText(HKEY_LOCAL_MACHINE, kSettingsKey, L"Lab", lab));
  KM_RETURN_IF_ERROR(WriteText(HKEY_LOCAL_MACHINE, kSettingsKey, L"Machine", machine_name));
  KM_RETURN_IF_ERROR(WriteText(HKEY_LOCAL_MACHINE, kSettingsKey, L"Fault", L""));
  // Programs ask what Windows this is before they ask anything else.
  KM_RETURN_IF_ERROR(WriteText(HKEY_CURRENT_USER, L"Software\\Wine", L"Version", L"win10"));
  KM_RETURN_IF_ERROR(RegisterClasses());
  KM_RETURN_IF_ERROR(PlaceEventLog());
  systems::Services::State service;
  KM_RETURN_IF_ERROR(WithLabMachine([&](systems::Systems& machine) -> absl::Status {
    KM_ASSIGN_OR_RETURN(const v1::OsSection os, machine.machine->Os());
    KM_ASSIGN_OR_RETURN(const auto suffixes, machine.names->SearchSuffixes());
    KM_ASSIGN_OR_RETURN(service, machine.services->Query("sppsvc"));
    KM_RETURN_IF_ERROR(WriteOs(os));
    KM_RETURN_IF_ERROR(WriteNames(os, suffixes));
    return WritePublishList(machine);
  }));
  return InstallSppsvc(OwnPath(), service);
}

}  // namespace
}  // namespace keymedic::doubles

int wmain(int argc, wchar_t** argv) {
  using namespace keymedic::doubles;
  if (argc == 2 && std::wstring_view(argv[1]) == L"service") return RunSppsvc();
  if (argc != 3) {
    std::fprintf(stderr, "usage: double_setup.exe LAB-ADDRESS MACHINE\n");
    return 1;
  }
  const absl::Status status = SetUp(argv[1], argv[2]);
  if (status.ok()) return 0;
  std::fprintf(stderr, "%s\n", std::string(status.message()).c_str());
  return 1;
}
