// SPDX-License-Identifier: Apache-2.0
#include "base/windows/private_access.h"

#include <aclapi.h>
#include <sddl.h>

namespace keymedic::windows {

PrivateAccess::PrivateAccess()
    : attributes_{.nLength = sizeof(SECURITY_ATTRIBUTES),
                  .lpSecurityDescriptor = nullptr,
                  .bInheritHandle = FALSE} {
  // SYSTEM, administrators, owner.
  ConvertStringSecurityDescriptorToSecurityDescriptorW(
      L"D:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;FA;;;OW)", SDDL_REVISION_1,
      &attributes_.lpSecurityDescriptor, nullptr);
}

PrivateAccess::~PrivateAccess() { LocalFree(attributes_.lpSecurityDescriptor); }

DWORD PrivateAccess::ApplyTo(HANDLE opened) const {
  if (!ok()) return ERROR_INVALID_SECURITY_DESCR;
  BOOL present = FALSE;
  BOOL defaulted = FALSE;
  ACL* entries = nullptr;
  if (!GetSecurityDescriptorDacl(attributes_.lpSecurityDescriptor, &present, &entries,
                                 &defaulted)) {
    return GetLastError();
  }
  return SetSecurityInfo(opened, SE_FILE_OBJECT,
                         DACL_SECURITY_INFORMATION | PROTECTED_DACL_SECURITY_INFORMATION, nullptr,
                         nullptr, entries, nullptr);
}

}  // namespace keymedic::windows
