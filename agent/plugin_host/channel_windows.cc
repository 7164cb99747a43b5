// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <io.h>
#include <stdio.h>

#include <cerrno>

#include "agent/plugin_host/channel.h"

namespace keymedic::agent {

absl::StatusOr<Channel> TakeChannel() {
  const int in = _fileno(stdin);
  const int out = _fileno(stdout);
  const int err = _fileno(stderr);
  const Channel channel{_dup(in), _dup(out)};
  const int null = _open("NUL", _O_RDWR);
  // Without a standard error there is none to give to the plugins.
  if (channel.in < 0 || channel.out < 0 || null < 0 || _dup2(null, in) != 0 ||
      _dup2(err >= 0 ? err : null, out) != 0) {
    return absl::ErrnoToStatus(errno, "cannot set standard input and output aside");
  }
  _close(null);
  _setmode(channel.in, _O_BINARY);
  _setmode(channel.out, _O_BINARY);
  return channel;
}

void EndWithAgent(const Channel&) {}

}  // namespace keymedic::agent
