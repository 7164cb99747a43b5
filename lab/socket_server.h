// SPDX-License-Identifier: Apache-2.0
//
// Offers a World on a local socket, to plugin hosts in other processes: frames of base/frames.h,
// one response for each request, in order. The socket is a file, or a TCP port of the loopback for
// those that have no such files: Windows programs under Wine.
//
// Life cycle: Start and StartTcp listen; destruction stops listening, ends the connections, joins
// the threads and removes the socket file.
// Threads: one that accepts, one for each connection.
// Ownership: the world outlives the server.
// Access: the file belongs to who started the lab, mode 0600; nobody else can connect. The port is
// open to everybody on this computer, and to nobody else.
// Errors: a connection that sends what is no request is told so once, where that is possible, and
// closed; the others go on.
#ifndef KEYMEDIC_LAB_SOCKET_SERVER_H_
#define KEYMEDIC_LAB_SOCKET_SERVER_H_

#include <list>
#include <memory>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "lab/world.h"

namespace keymedic::lab {

class LabSocketServer {
 public:
  // kAlreadyExists when a lab answers at `path` already; what an ended lab left there is replaced.
  // kInvalidArgument when the path is too long for a socket or something else stands there.
  static absl::StatusOr<std::unique_ptr<LabSocketServer>> Start(World& world, std::string path);
  // `address` is "127.0.0.1:0" or "[::1]:1700"; port 0: one that is free. kInvalidArgument for what
  // is no numeric loopback address with a port, kUnavailable when that port is taken.
  static absl::StatusOr<std::unique_ptr<LabSocketServer>> StartTcp(World& world,
                                                                   absl::string_view address);
  ~LabSocketServer();

  // The path; or the address with the port that it got.
  const std::string& place() const { return place_; }

 private:
  struct Connection {
    int fd = -1;
    bool ended = false;
    std::thread thread;
  };
  LabSocketServer(World& world, std::string place, bool is_file, int listener)
      : world_(world), place_(std::move(place)), is_file_(is_file), listener_(listener) {}
  static std::unique_ptr<LabSocketServer> Run(World& world, std::string place, bool is_file,
                                              int listener);
  void Accept();
  void Talk(Connection& connection);
  void Reap() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  World& world_;
  const std::string place_;
  const bool is_file_;
  const int listener_;
  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::list<Connection> connections_ ABSL_GUARDED_BY(mutex_);
  std::thread accepter_;
};

}  // namespace keymedic::lab

#endif  // KEYMEDIC_LAB_SOCKET_SERVER_H_
