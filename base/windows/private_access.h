// SPDX-License-Identifier: Apache-2.0
//
// The access that secrets have: all for SYSTEM, the administrators and the owner, nothing for
// anybody else, here and in what is made below; nothing comes from the folder above.
//
// Threads: one. `ok` is false when Windows could not make it; GetLastError then says why.
#ifndef KEYMEDIC_BASE_WINDOWS_PRIVATE_ACCESS_H_
#define KEYMEDIC_BASE_WINDOWS_PRIVATE_ACCESS_H_

#include <windows.h>

namespace keymedic::windows {

class PrivateAccess {
 public:
  PrivateAccess();
  PrivateAccess(const PrivateAccess&) = delete;
  PrivateAccess& operator=(const PrivateAccess&) = delete;
  ~PrivateAccess();

  bool ok() const { return attributes_.lpSecurityDescriptor != nullptr; }
  // For what is made; valid while this lives.
  SECURITY_ATTRIBUTES* attributes() { return &attributes_; }
  // To what was opened with WRITE_DAC, and to what lies in it. An error of Win32, or 0.
  DWORD ApplyTo(HANDLE opened) const;

 private:
  SECURITY_ATTRIBUTES attributes_;
};

}  // namespace keymedic::windows

#endif  // KEYMEDIC_BASE_WINDOWS_PRIVATE_ACCESS_H_
