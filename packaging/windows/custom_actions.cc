// SPDX-License-Identifier: Apache-2.0
//
// keymedic-msi.dll: what the installer does beside copying files. Windows Installer calls these by
// the names that keymedic-agent.wxs gives:
//
//   ReadSettings   at once, with the rights of who installs: checks the properties, hands them on
//   WriteSettings  later, as SYSTEM: makes the folder of the state, writes what the agent is told
//   UndoSettings   as SYSTEM, when the installation fails after that
//   RemoveState    as SYSTEM, at the end of a removal with KEYMEDIC_PURGE=1
//
// The token goes by CustomActionData, which MsiHiddenProperties and the actions' hidden target keep
// out of every log, into a file that SYSTEM and the administrators alone can read.
//
// Life cycle: one process per action, ended by Windows Installer. One thread.
#include <windows.h>
// Behind it, on which they build.
#include <msi.h>
#include <msiquery.h>

#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "agent/places.h"
#include "base/files.h"
#include "base/rights.h"
#include "base/status_macros.h"
#include "base/windows/wide.h"
#include "packaging/windows/install_settings.h"
#include "packaging/windows/state_folder.h"

namespace keymedic::installer {
namespace {

using windows::Narrow;
using windows::Wide;

// The installation that calls.
class Session {
 public:
  explicit Session(MSIHANDLE handle) : handle_(handle) {}

  std::string Property(const wchar_t* name) const {
    wchar_t none[] = L"";
    DWORD size = 0;
    if (MsiGetPropertyW(handle_, name, none, &size) != ERROR_MORE_DATA) return "";
    std::wstring value(++size, L'\0');
    if (MsiGetPropertyW(handle_, name, value.data(), &size) != ERROR_SUCCESS) return "";
    value.resize(size);
    return Narrow(value);
  }
  void SetProperty(const wchar_t* name, const std::string& value) const {
    MsiSetPropertyW(handle_, name, Wide(value).c_str());
  }
  void Say(INSTALLMESSAGE kind, const std::string& text) const {
    PMSIHANDLE record = MsiCreateRecord(1);
    // What it says is no pattern to be filled in.
    MsiRecordSetStringW(record, 0, L"[1]");
    MsiRecordSetStringW(record, 1, Wide(absl::StrCat("KeyMedic: ", text)).c_str());
    MsiProcessMessage(handle_, kind, record);
  }
  // The installation goes on, or fails with what is said.
  UINT End(const absl::Status& status) const {
    if (status.ok()) return ERROR_SUCCESS;
    Say(INSTALLMESSAGE_ERROR, std::string(status.message()));
    return ERROR_INSTALL_FAILURE;
  }

 private:
  const MSIHANDLE handle_;
};

std::string DataFolder() {
  const std::string file = agent::DefaultConfigFile();
  return file.substr(0, file.find_last_of('\\'));
}
std::string EnrolmentPath() { return agent::DefaultStateDir() + "\\enroll.toml"; }

// A repair may be begun by anybody, and changes no settings. An upgrade is an installation.
absl::StatusOr<InstallSettings> Given(const Session& session) {
  if (!session.Property(L"Installed").empty()) return InstallSettings();
  return CheckSettings({session.Property(L"KEYMEDIC_CONTROLLER"),
                        session.Property(L"KEYMEDIC_TOKEN"), session.Property(L"KEYMEDIC_GROUP"),
                        session.Property(L"KEYMEDIC_NAME")});
}

absl::Status Read(const Session& session) {
  KM_ASSIGN_OR_RETURN(InstallSettings settings, Given(session));
  settings.mark = UniqueMark();
  // Each of the two gets the property of its name as its CustomActionData.
  session.SetProperty(L"WriteSettings", Pack(settings));
  session.SetProperty(L"UndoSettings", Pack(settings));
  session.SetProperty(L"KEYMEDIC_TOKEN", "");
  return absl::OkStatus();
}

// One that is there is an administrator's.
absl::Status WriteAgentFile(const Session& session, const std::string& content) {
  if (content.empty()) return absl::OkStatus();
  const std::string path = agent::DefaultConfigFile();
  if (const auto found = ReadFile(path); !absl::IsNotFound(found.status())) {
    KM_RETURN_IF_ERROR(found.status());
    session.Say(INSTALLMESSAGE_INFO,
                absl::StrCat(path,
                             " is there already and stays as it is; KEYMEDIC_GROUP and "
                             "KEYMEDIC_NAME were not used"));
    return absl::OkStatus();
  }
  return WriteFileAtomically(path, content);
}

absl::Status Write(const Session& session, const InstallSettings& settings) {
  KM_RETURN_IF_ERROR(ProtectDirectory(DataFolder()));
  KM_RETURN_IF_ERROR(ProtectDirectory(agent::DefaultStateDir()));
  KM_RETURN_IF_ERROR(WriteAgentFile(session, AgentFile(settings)));
  const std::string enrolment = EnrolmentFile(settings);
  if (enrolment.empty()) return absl::OkStatus();
  const auto found = ReadFile(EnrolmentPath());
  // The same as an earlier installation left: if this one fails, that stays.
  if (found.ok() && DifferOnlyInMark(*found, enrolment)) return absl::OkStatus();
  return WriteFileAtomically(EnrolmentPath(), enrolment);
}

absl::Status Undo(const InstallSettings& settings) {
  const std::string enrolment = EnrolmentFile(settings);
  if (!enrolment.empty()) KM_RETURN_IF_ERROR(RemoveIfItHolds(EnrolmentPath(), enrolment));
  const std::string config = AgentFile(settings);
  if (!config.empty()) KM_RETURN_IF_ERROR(RemoveIfItHolds(agent::DefaultConfigFile(), config));
  // These go only if nothing is in them.
  RemoveDirectoryW(Wide(agent::DefaultStateDir()).c_str());
  RemoveDirectoryW(Wide(DataFolder()).c_str());
  return absl::OkStatus();
}

}  // namespace
}  // namespace keymedic::installer

#define KM_INSTALLER_ACTION extern "C" __declspec(dllexport) UINT __stdcall

KM_INSTALLER_ACTION ReadSettings(MSIHANDLE handle) {
  const keymedic::installer::Session session(handle);
  return session.End(keymedic::installer::Read(session));
}

KM_INSTALLER_ACTION WriteSettings(MSIHANDLE handle) {
  using namespace keymedic::installer;
  const Session session(handle);
  return session.End(Write(session, Unpack(session.Property(L"CustomActionData"))));
}

KM_INSTALLER_ACTION UndoSettings(MSIHANDLE handle) {
  using namespace keymedic::installer;
  const Session session(handle);
  return session.End(Undo(Unpack(session.Property(L"CustomActionData"))));
}

// What cannot be removed is said in the log; the removal of the product goes on.
KM_INSTALLER_ACTION RemoveState(MSIHANDLE handle) {
  using namespace keymedic::installer;
  const Session session(handle);
  if (const absl::Status status = RemoveFolder(DataFolder()); !status.ok()) {
    session.Say(INSTALLMESSAGE_WARNING, std::string(status.message()));
  }
  return ERROR_SUCCESS;
}
