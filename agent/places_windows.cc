// SPDX-License-Identifier: Apache-2.0
#include <windows.h>
// Behind it, on which it builds.
#include <shlobj.h>

#include <filesystem>
#include <system_error>

#include "agent/places.h"
#include "base/windows/wide.h"

namespace keymedic::agent {
namespace {

namespace fs = std::filesystem;

fs::path ProgramDir() {
  std::wstring path(32768, L'\0');
  path.resize(GetModuleFileNameW(nullptr, path.data(), static_cast<DWORD>(path.size())));
  return fs::path(path).parent_path();
}

// Asked of the system and not of the environment, which whoever starts the agent can set.
fs::path DataDir() {
  wchar_t* found = nullptr;
  const HRESULT result = SHGetKnownFolderPath(FOLDERID_ProgramData, 0, nullptr, &found);
  const fs::path base = SUCCEEDED(result) ? fs::path(found) : fs::path(L"C:\\ProgramData");
  CoTaskMemFree(found);
  return base / L"KeyMedic";
}

}  // namespace

std::string DefaultConfigFile() { return (DataDir() / L"agent.toml").string(); }
std::string DefaultStateDir() { return (DataDir() / L"agent").string(); }
std::string DefaultPluginHost() { return (ProgramDir() / L"keymedic-plugin-host.exe").string(); }

std::string DefaultPluginDir() {
  std::error_code ignored;
  const fs::path beside = ProgramDir() / L"plugins";
  if (fs::is_directory(beside, ignored)) return beside.string();
  return (ProgramDir() / L"..\\lib\\keymedic\\plugins").lexically_normal().string();
}

std::string HostName() {
  wchar_t name[256];
  DWORD size = 256;
  if (!GetComputerNameExW(ComputerNamePhysicalDnsHostname, name, &size)) return "unnamed";
  return windows::Narrow({name, size});
}

}  // namespace keymedic::agent
