// SPDX-License-Identifier: Apache-2.0
#include <signal.h>
#include <termios.h>

#include <iterator>

#include "cli/secret_input.h"

namespace keymedic::cli {
namespace {

constexpr int kSignals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};

// For the signal handler, which is given nothing.
int terminal = -1;  // -1: nothing is hidden
termios before;
struct sigaction handlers_before[std::size(kSignals)];

void Restore() {
  if (terminal >= 0) tcsetattr(terminal, TCSANOW, &before);
}

void RestoreAndEnd(int signal) {
  Restore();
  ::signal(signal, SIG_DFL);
  raise(signal);
}

}  // namespace

HiddenInput::HiddenInput(int fd) {
  if (tcgetattr(fd, &before) != 0) return;
  terminal = fd;
  struct sigaction handler {};
  handler.sa_handler = RestoreAndEnd;
  for (size_t i = 0; i < std::size(kSignals); ++i)
    sigaction(kSignals[i], &handler, &handlers_before[i]);
  termios hidden = before;
  hidden.c_lflag &= ~static_cast<tcflag_t>(ECHO | ECHONL);
  // What was typed before was shown already, and is not meant.
  tcsetattr(fd, TCSAFLUSH, &hidden);
}

HiddenInput::~HiddenInput() {
  if (terminal < 0) return;
  Restore();
  for (size_t i = 0; i < std::size(kSignals); ++i)
    sigaction(kSignals[i], &handlers_before[i], nullptr);
  terminal = -1;
}

}  // namespace keymedic::cli
