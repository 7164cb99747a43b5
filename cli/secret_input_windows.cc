// SPDX-License-Identifier: Apache-2.0
#include <io.h>
#include <windows.h>

#include "cli/secret_input.h"

namespace keymedic::cli {
namespace {

// For the handler of Ctrl-C, which is given nothing.
HANDLE console = INVALID_HANDLE_VALUE;  // invalid: nothing is hidden
DWORD before = 0;

void Restore() {
  if (console != INVALID_HANDLE_VALUE) SetConsoleMode(console, before);
}

BOOL WINAPI RestoreAndEnd(DWORD) {
  Restore();
  return FALSE;  // the next handler ends the program
}

}  // namespace

HiddenInput::HiddenInput(int fd) {
  const HANDLE handle = reinterpret_cast<HANDLE>(_get_osfhandle(fd));
  if (!GetConsoleMode(handle, &before)) return;
  console = handle;
  SetConsoleCtrlHandler(RestoreAndEnd, TRUE);
  SetConsoleMode(handle, before & ~static_cast<DWORD>(ENABLE_ECHO_INPUT));
}

HiddenInput::~HiddenInput() {
  if (console == INVALID_HANDLE_VALUE) return;
  Restore();
  SetConsoleCtrlHandler(RestoreAndEnd, FALSE);
  console = INVALID_HANDLE_VALUE;
}

}  // namespace keymedic::cli
