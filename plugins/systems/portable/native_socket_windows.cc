// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdint>

#include "absl/time/clock.h"
#include "base/windows/wide.h"
#include "plugins/systems/portable/native_socket.h"

namespace keymedic::systems {
namespace {

NativeSocket NonBlocking(NativeSocket socket) {
  if (socket == kNoSocket) return socket;
  SetHandleInformation(reinterpret_cast<HANDLE>(socket), HANDLE_FLAG_INHERIT, 0);
  u_long on = 1;
  ioctlsocket(socket, FIONBIO, &on);
  return socket;
}

absl::StatusCode CodeOf(int error) {
  switch (error) {
    case WSAECONNREFUSED:
      return absl::StatusCode::kUnavailable;
    case WSAECONNRESET:
    case WSAECONNABORTED:
    case WSAENETRESET:
    case WSAESHUTDOWN:
      return absl::StatusCode::kAborted;
    case WSAEHOSTUNREACH:
    case WSAENETUNREACH:
    case WSAEADDRNOTAVAIL:
      return absl::StatusCode::kNotFound;
    case WSAETIMEDOUT:
      return absl::StatusCode::kDeadlineExceeded;
    default:
      return absl::StatusCode::kUnknown;
  }
}

}  // namespace

void StartSockets() {
  // Never ended: other libraries of this process use sockets, too.
  static const int started = [] {
    WSADATA data;
    return WSAStartup(MAKEWORD(2, 2), &data);
  }();
  static_cast<void>(started);  // what failed shows at the first socket
}

NativeSocket OpenNativeSocket(int family, int type) {
  StartSockets();
  return NonBlocking(socket(family, type, 0));
}

NativeSocket AcceptNativeSocket(NativeSocket listener) {
  return NonBlocking(accept(listener, nullptr, nullptr));
}

void CloseNativeSocket(NativeSocket socket) { closesocket(socket); }

int LastSocketError() { return WSAGetLastError(); }

bool IsSocketBusy(int error) { return error == WSAEWOULDBLOCK || error == WSAEINPROGRESS; }

absl::Status SocketStatus(int error) {
  return absl::Status(CodeOf(error), windows::Win32Error("socket", error).message());
}

// By select: before Windows 10 2004, WSAPoll does not tell of a connection that failed.
bool WaitForSockets(std::vector<Watched>& watched, absl::Duration limit) {
  limit = std::clamp(limit, absl::ZeroDuration(), absl::Hours(24));
  if (watched.empty()) {
    Sleep(static_cast<DWORD>(absl::ToInt64Milliseconds(limit)));  // select takes no empty sets
    return false;
  }
  fd_set read, write, failed;
  FD_ZERO(&read);
  FD_ZERO(&write);
  FD_ZERO(&failed);
  for (const Watched& w : watched) {
    if (w.read) FD_SET(w.socket, &read);
    if (w.write) FD_SET(w.socket, &write);
    FD_SET(w.socket, &failed);
  }
  timeval wait = absl::ToTimeval(absl::Ceil(limit, absl::Milliseconds(1)));
  if (select(0, &read, &write, &failed, &wait) <= 0) return false;
  for (Watched& w : watched) {
    w.read = FD_ISSET(w.socket, &read);
    w.write = FD_ISSET(w.socket, &write);
    w.failed = FD_ISSET(w.socket, &failed);
  }
  return true;
}

}  // namespace keymedic::systems
