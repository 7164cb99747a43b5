// SPDX-License-Identifier: Apache-2.0
//
// TCP connections and UDP exchanges with deadlines, on Windows and Linux alike. Non-blocking
// underneath, so that no call waits longer than it was told.
//
// Life cycle: open while its object lives. Threads: one at a time.
// Errors: the code tells what happened, the message what the system said.
//   kUnavailable       refused: nobody listens there
//   kAborted           the other side reset the connection
//   kNotFound          no way to that address
//   kDeadlineExceeded  nothing happened until the deadline
//   kOutOfRange        the other side has ended the stream in order
//   kUnknown           anything else
#ifndef KEYMEDIC_PLUGINS_SYSTEMS_PORTABLE_SOCKET_H_
#define KEYMEDIC_PLUGINS_SYSTEMS_PORTABLE_SOCKET_H_

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "plugins/systems/portable/native_socket.h"

namespace keymedic::systems {

// A socket of the system, closed with its object.
class OwnedSocket {
 public:
  OwnedSocket() = default;
  explicit OwnedSocket(NativeSocket native) : native_(native) {}
  OwnedSocket(OwnedSocket&& other) noexcept;
  OwnedSocket& operator=(OwnedSocket&& other) noexcept;
  ~OwnedSocket();

  NativeSocket native() const { return native_; }
  // Until a read, or a write, has something to tell.
  absl::Status WaitToRead(absl::Time deadline) const;
  absl::Status WaitToWrite(absl::Time deadline) const;

 private:
  NativeSocket native_ = kNoSocket;
};

class TcpSocket {
 public:
  static absl::StatusOr<TcpSocket> Connect(const sockaddr* address, int size, absl::Time deadline);
  // Of a connection that was accepted; non-blocking.
  explicit TcpSocket(OwnedSocket socket) : socket_(std::move(socket)) {}

  absl::Status Send(absl::string_view bytes, absl::Time deadline);  // all of them
  // At least one byte, at most 16384.
  absl::StatusOr<std::string> Receive(absl::Time deadline);

 private:
  OwnedSocket socket_;
};

// Datagrams to and from one address.
class UdpSocket {
 public:
  static absl::StatusOr<UdpSocket> Connect(const sockaddr* address, int size);

  absl::Status Send(absl::string_view datagram);
  // One datagram of at most 16384 bytes. kUnavailable or kAborted, as the system likes it: nobody
  // listens there.
  absl::StatusOr<std::string> Receive(absl::Time deadline);

 private:
  explicit UdpSocket(OwnedSocket socket) : socket_(std::move(socket)) {}
  OwnedSocket socket_;
};

}  // namespace keymedic::systems

#endif  // KEYMEDIC_PLUGINS_SYSTEMS_PORTABLE_SOCKET_H_
