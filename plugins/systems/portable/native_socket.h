// SPDX-License-Identifier: Apache-2.0
//
// Where the sockets of Windows and of POSIX differ, made alike: native_socket_posix.cc and
// native_socket_windows.cc. socket.h is what to use for a connection.
//
// Threads: any. Errors: those of a socket are statuses, as socket.h names them.
#ifndef KEYMEDIC_PLUGINS_SYSTEMS_PORTABLE_NATIVE_SOCKET_H_
#define KEYMEDIC_PLUGINS_SYSTEMS_PORTABLE_NATIVE_SOCKET_H_

#ifdef _WIN32
#include <winsock2.h>
#include <ws2tcpip.h>
#else
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#endif

#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace keymedic::systems {

#ifdef _WIN32
using NativeSocket = SOCKET;
inline constexpr NativeSocket kNoSocket = INVALID_SOCKET;
#else
using NativeSocket = int;
inline constexpr NativeSocket kNoSocket = -1;
#endif

// Windows wants to be asked for sockets once in each process; elsewhere this does nothing.
void StartSockets();

// Non-blocking, not inherited by children. kNoSocket: LastSocketError() tells why. `type`:
// SOCK_STREAM or SOCK_DGRAM.
NativeSocket OpenNativeSocket(int family, int type);
// The next connection of a listening socket, non-blocking; kNoSocket if none waits.
NativeSocket AcceptNativeSocket(NativeSocket listener);
void CloseNativeSocket(NativeSocket socket);

int LastSocketError();
// True: the call goes on, or would block; wait for the socket.
bool IsSocketBusy(int error);
absl::Status SocketStatus(int error);

// On POSIX a write to a connection that is gone must not raise a signal.
#ifdef _WIN32
inline constexpr int kSendFlags = 0;
#else
inline constexpr int kSendFlags = MSG_NOSIGNAL;
#endif

// What is waited for, and then what came.
struct Watched {
  NativeSocket socket = kNoSocket;
  bool read = false;
  bool write = false;
  bool failed = false;  // out only: the next call on the socket tells
};

// False: `limit` passed, or there is nothing to wait for and it passed. True: `watched` says what
// came. At most 64 sockets.
bool WaitForSockets(std::vector<Watched>& watched, absl::Duration limit);

}  // namespace keymedic::systems

#endif  // KEYMEDIC_PLUGINS_SYSTEMS_PORTABLE_NATIVE_SOCKET_H_
