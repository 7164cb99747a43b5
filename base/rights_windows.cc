// SPDX-License-Identifier: Apache-2.0
#include <windows.h>
// Behind it, on which they build.
#include <aclapi.h>
#include <sddl.h>

#include <filesystem>
#include <system_error>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "base/files.h"
#include "base/rights.h"
#include "base/status_macros.h"
#include "base/windows/handle.h"
#include "base/windows/private_access.h"
#include "base/windows/wide.h"

namespace keymedic {
namespace {

using windows::Handle;
using windows::Narrow;
using windows::Wide;
using windows::WidePath;
using windows::Win32Error;

constexpr DWORD kWrites = FILE_WRITE_DATA | FILE_APPEND_DATA | FILE_DELETE_CHILD | DELETE |
                          WRITE_DAC | WRITE_OWNER | GENERIC_WRITE | GENERIC_ALL;

constexpr DWORD kReads = FILE_READ_DATA | GENERIC_READ;

std::string SidText(PSID sid) {
  wchar_t* text = nullptr;
  if (!ConvertSidToStringSidW(sid, &text)) return "an unknown account";
  const absl::Cleanup free = [text] { LocalFree(text); };
  return Narrow(text);
}

// "BUILTIN\Users", or the SID of an account that nobody knows any more.
std::string AccountName(PSID sid) {
  wchar_t name[256];
  wchar_t domain[256];
  DWORD name_size = 256;
  DWORD domain_size = 256;
  SID_NAME_USE use;
  if (!LookupAccountSidW(nullptr, sid, name, &name_size, domain, &domain_size, &use)) {
    return SidText(sid);
  }
  return domain_size == 0 ? Narrow(name) : absl::StrCat(Narrow(domain), "\\", Narrow(name));
}

bool IsThisUser(PSID sid) {
  HANDLE token = nullptr;
  if (!OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &token)) return false;
  const absl::Cleanup close = [token] { CloseHandle(token); };
  alignas(TOKEN_USER) char buffer[sizeof(TOKEN_USER) + SECURITY_MAX_SID_SIZE];
  DWORD size = 0;
  return GetTokenInformation(token, TokenUser, buffer, sizeof(buffer), &size) &&
         EqualSid(reinterpret_cast<TOKEN_USER*>(buffer)->User.Sid, sid);
}

bool Trusted(PSID sid) {
  if (IsWellKnownSid(sid, WinLocalSystemSid) || IsWellKnownSid(sid, WinBuiltinAdministratorsSid) ||
      IsWellKnownSid(sid, WinCreatorOwnerRightsSid)) {  // the owner is judged apart
    return true;
  }
  constexpr char kTrustedInstaller[] =
      "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464";
  return SidText(sid) == kTrustedInstaller || IsThisUser(sid);
}

// The account of an entry that gives it some of `rights` here, or null.
PSID Holder(ACE_HEADER* entry, DWORD rights) {
  if ((entry->AceFlags & INHERIT_ONLY_ACE) != 0) return nullptr;
  if (entry->AceType != ACCESS_ALLOWED_ACE_TYPE &&
      entry->AceType != ACCESS_ALLOWED_CALLBACK_ACE_TYPE) {
    return nullptr;
  }
  auto* allowed = reinterpret_cast<ACCESS_ALLOWED_ACE*>(entry);
  return (allowed->Mask & rights) != 0 ? &allowed->SidStart : nullptr;
}

// The parts of a security descriptor that are asked for here.
struct Rights {
  PSID owner = nullptr;
  ACL* entries = nullptr;  // null: everybody may do everything
  PSECURITY_DESCRIPTOR holder = nullptr;

  Rights() = default;
  Rights(Rights&& other) noexcept
      : owner(other.owner), entries(other.entries), holder(std::exchange(other.holder, nullptr)) {}
  ~Rights() { LocalFree(holder); }
};

// Opens what is at `path` itself, be it a link. While it is open nobody puts another in its place.
absl::StatusOr<Handle> Open(const std::string& path, DWORD access) {
  Handle opened(CreateFileW(WidePath(path).c_str(), access | FILE_READ_ATTRIBUTES | READ_CONTROL,
                            FILE_SHARE_READ | FILE_SHARE_WRITE, nullptr, OPEN_EXISTING,
                            FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OPEN_REPARSE_POINT, nullptr));
  if (!opened) return Win32Error(absl::StrCat(path, ": cannot be examined"), GetLastError());
  return opened;
}

absl::Status CheckKind(const std::string& path, HANDLE opened, bool folder) {
  FILE_ATTRIBUTE_TAG_INFO info;
  if (!GetFileInformationByHandleEx(opened, FileAttributeTagInfo, &info, sizeof(info))) {
    return Win32Error(absl::StrCat(path, ": cannot be examined"), GetLastError());
  }
  if ((info.FileAttributes & FILE_ATTRIBUTE_REPARSE_POINT) != 0) {
    return absl::PermissionDeniedError(absl::StrCat(
        path,
        ": is a link to another place, which KeyMedic does not follow; remove it, or name "
        "that place itself"));
  }
  if (folder != ((info.FileAttributes & FILE_ATTRIBUTE_DIRECTORY) != 0)) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, ": is no ", folder ? "folder" : "regular file"));
  }
  return absl::OkStatus();
}

absl::StatusOr<Rights> ReadRights(const std::string& path, HANDLE opened) {
  Rights rights;
  const DWORD error = GetSecurityInfo(
      opened, SE_FILE_OBJECT, OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION, &rights.owner,
      nullptr, &rights.entries, nullptr, &rights.holder);
  if (error != ERROR_SUCCESS) {
    return Win32Error(absl::StrCat(path, ": cannot be examined"), error);
  }
  return rights;
}

absl::Status CheckOwner(const std::string& path, const Rights& rights) {
  if (rights.owner != nullptr && Trusted(rights.owner)) return absl::OkStatus();
  return absl::PermissionDeniedError(absl::StrCat(
      path, ": belongs to ", rights.owner == nullptr ? "nobody" : AccountName(rights.owner),
      ", who is neither an administrator nor the agent's user; if you trust what it holds, run: "
      "icacls \"",
      path, "\" /setowner *S-1-5-32-544"));
}

// `done`: what nobody else may do, "written".
absl::Status CheckEntries(const std::string& path, const Rights& rights, DWORD mask,
                          const char* done) {
  if (rights.entries == nullptr) {
    return absl::PermissionDeniedError(absl::StrCat(
        path, ": may be ", done, " by everybody, as it has no access control list; run: icacls \"",
        path, "\" /reset"));
  }
  for (DWORD i = 0; i < rights.entries->AceCount; ++i) {
    void* entry = nullptr;
    if (!GetAce(rights.entries, i, &entry)) continue;
    const PSID holder = Holder(static_cast<ACE_HEADER*>(entry), mask);
    if (holder == nullptr || Trusted(holder)) continue;
    return absl::PermissionDeniedError(
        absl::StrCat(path, ": may be ", done, " by ", AccountName(holder), "; run: icacls \"", path,
                     "\" /inheritance:d /remove:g *", SidText(holder)));
  }
  return absl::OkStatus();
}

absl::Status Check(const std::string& path, bool folder, DWORD mask, const char* done) {
  KM_ASSIGN_OR_RETURN(const Handle opened, Open(path, 0));
  KM_RETURN_IF_ERROR(CheckKind(path, opened.get(), folder));
  KM_ASSIGN_OR_RETURN(const Rights rights, ReadRights(path, opened.get()));
  KM_RETURN_IF_ERROR(CheckOwner(path, rights));
  return CheckEntries(path, rights, mask, done);
}

}  // namespace

absl::Status CheckWritableByTrustedOnly(const std::string& path, bool folder) {
  return Check(path, folder, kWrites, "written");
}

absl::Status CheckReadableByTrustedOnly(const std::string& path) {
  return Check(path, /*folder=*/false, kWrites | kReads, "read");
}

absl::Status ProtectDirectory(const std::string& path) {
  KM_RETURN_IF_ERROR(MakeDirectories(path, 0700));
  KM_ASSIGN_OR_RETURN(const Handle folder, Open(path, WRITE_DAC));
  KM_RETURN_IF_ERROR(CheckKind(path, folder.get(), /*folder=*/true));
  KM_ASSIGN_OR_RETURN(const Rights rights, ReadRights(path, folder.get()));
  KM_RETURN_IF_ERROR(CheckOwner(path, rights));
  // Nothing is changed where anything in it is somebody else's.
  std::error_code error;
  for (std::filesystem::directory_iterator it(NativePath(path), error), end; !error && it != end;
       it.increment(error)) {
    const std::string inside = it->path().string();
    const absl::StatusOr<Handle> opened = Open(inside, 0);
    if (absl::IsNotFound(opened.status())) continue;  // it has gone meanwhile
    KM_RETURN_IF_ERROR(opened.status());
    KM_ASSIGN_OR_RETURN(const Rights its, ReadRights(inside, opened->get()));
    KM_RETURN_IF_ERROR(CheckOwner(inside, its));
  }
  if (error) return absl::UnavailableError(absl::StrCat(path, ": ", error.message()));
  const windows::PrivateAccess access;
  if (const DWORD failed = access.ApplyTo(folder.get()); failed != ERROR_SUCCESS) {
    return Win32Error(absl::StrCat(path, ": cannot be closed to others"), failed);
  }
  return absl::OkStatus();
}

}  // namespace keymedic
