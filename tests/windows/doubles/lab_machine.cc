// SPDX-License-Identifier: Apache-2.0
#include "tests/windows/doubles/lab_machine.h"

#include "plugins/systems/lab/tcp_transport.h"
// Before windows.h, which would bring the older sockets.
#include <windows.h>

#include <mutex>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/windows/wide.h"
#include "plugins/systems/lab/lab_systems.h"

namespace keymedic::doubles {
namespace {

std::string ReadText(const wchar_t* name) {
  wchar_t text[512];
  DWORD size = sizeof(text);
  if (RegGetValueW(HKEY_LOCAL_MACHINE, kSettingsKey, name, RRF_RT_REG_SZ, nullptr, text, &size) !=
      ERROR_SUCCESS) {
    return {};
  }
  return windows::Narrow(text);
}

struct Link {
  std::mutex mutex;
  std::string lab, machine;
  std::optional<systems::Systems> systems;
};

}  // namespace

Settings ReadSettings() {
  return {.lab = ReadText(L"Lab"), .machine = ReadText(L"Machine"), .fault = ReadText(L"Fault")};
}

std::string FaultValue(absl::string_view name) {
  const std::string fault = ReadSettings().fault;
  absl::string_view rest = fault;
  if (!absl::ConsumePrefix(&rest, absl::StrCat(name, "="))) return {};
  return std::string(rest);
}

absl::Status WithLabMachine(const std::function<absl::Status(systems::Systems&)>& use) {
  static auto* const link = new Link;  // a double is never unloaded
  const Settings settings = ReadSettings();
  if (settings.lab.empty() || settings.machine.empty()) {
    return absl::FailedPreconditionError(
        "the double has no lab: write Lab and Machine to HKLM\\Software\\KeyMedicDouble");
  }
  std::lock_guard lock(link->mutex);
  if (!link->systems || link->lab != settings.lab || link->machine != settings.machine) {
    link->lab = settings.lab;
    link->machine = settings.machine;
    link->systems =
        systems::MakeLabSystems(settings.machine, systems::MakeTcpTransport(settings.lab));
  }
  return use(*link->systems);
}

}  // namespace keymedic::doubles
