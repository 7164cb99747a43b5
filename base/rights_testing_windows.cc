// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <windows.h>
// Behind it, on which they build.
#include <aclapi.h>
#include <sddl.h>

#include "absl/cleanup/cleanup.h"
#include "base/rights_testing.h"
#include "base/windows/wide.h"

namespace keymedic {
namespace {

void SetEntries(const std::string& path, const wchar_t* text) {
  PSECURITY_DESCRIPTOR descriptor = nullptr;
  ASSERT_TRUE(ConvertStringSecurityDescriptorToSecurityDescriptorW(text, SDDL_REVISION_1,
                                                                   &descriptor, nullptr));
  const absl::Cleanup free = [descriptor] { LocalFree(descriptor); };
  BOOL present = FALSE;
  BOOL defaulted = FALSE;
  ACL* entries = nullptr;
  ASSERT_TRUE(GetSecurityDescriptorDacl(descriptor, &present, &entries, &defaulted));
  ASSERT_EQ(SetNamedSecurityInfoW(windows::WidePath(path).data(), SE_FILE_OBJECT,
                                  DACL_SECURITY_INFORMATION | PROTECTED_DACL_SECURITY_INFORMATION,
                                  nullptr, nullptr, entries, nullptr),
            DWORD{ERROR_SUCCESS});
}

}  // namespace

void LetOwnerWrite(const std::string& path) {
  SetEntries(path, L"D:P(A;;FA;;;SY)(A;;FA;;;BA)(A;;FA;;;OW)(A;;FRFX;;;WD)");
}
void LetEverybodyWrite(const std::string& path) {
  SetEntries(path, L"D:P(A;;FA;;;SY)(A;;FA;;;BA)(A;;FA;;;OW)(A;;FRFWFX;;;WD)");
}
std::string RemedyForEverybody(const std::string& path) {
  return "icacls \"" + path + "\" /inheritance:d /remove:g *S-1-1-0";
}

}  // namespace keymedic
