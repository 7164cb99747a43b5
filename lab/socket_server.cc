// SPDX-License-Identifier: Apache-2.0
#include "lab/socket_server.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/frames.h"
#include "base/log.h"
#include "base/status_macros.h"

namespace keymedic::lab {
namespace {

absl::Status Failed(absl::string_view what, const std::string& path, int error) {
  return absl::UnavailableError(
      absl::StrCat("cannot ", what, " the lab's socket ", path, ": ", strerror(error),
                   "; choose another path with --socket, in a folder that you may write"));
}

absl::StatusOr<sockaddr_un> MakeAddress(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(address.sun_path)) {
    return absl::InvalidArgumentError(absl::StrCat("the lab's socket path '", path, "' has ",
                                                   path.size(), " characters: use 1 to ",
                                                   sizeof(address.sun_path) - 1));
  }
  memcpy(address.sun_path, path.data(), path.size());
  return address;
}

// Nobody else's file is ever removed: only a socket at which nobody answers.
absl::Status RemoveStale(const std::string& path, const sockaddr_un& address) {
  struct stat info;
  if (lstat(path.c_str(), &info) != 0) return absl::OkStatus();
  if (!S_ISSOCK(info.st_mode)) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, " exists and is no socket: choose another path with --socket"));
  }
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return Failed("make", path, errno);
  absl::Cleanup close_fd = [fd] { close(fd); };
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) {
    return absl::AlreadyExistsError(
        absl::StrCat("another lab serves ", path, " already: stop it, or choose another path"));
  }
  if (unlink(path.c_str()) != 0) return Failed("remove", path, errno);
  return absl::OkStatus();
}

bool SendAll(int fd, absl::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    bytes.remove_prefix(n);
  }
  return true;
}

}  // namespace

absl::StatusOr<std::unique_ptr<LabSocketServer>> LabSocketServer::Start(World& world,
                                                                        std::string path) {
  KM_ASSIGN_OR_RETURN(const sockaddr_un address, MakeAddress(path));
  KM_RETURN_IF_ERROR(RemoveStale(path, address));
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return Failed("make", path, errno);
  absl::Cleanup close_fd = [fd] { close(fd); };
  if (bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0)
    return Failed("bind", path, errno);
  // Before listen(): until then nobody can connect, whatever the mode.
  if (chmod(path.c_str(), 0600) != 0 || listen(fd, 128) != 0) {
    const int error = errno;
    unlink(path.c_str());
    return Failed("listen at", path, error);
  }
  std::move(close_fd).Cancel();
  std::unique_ptr<LabSocketServer> server(new LabSocketServer(world, std::move(path), fd));
  server->accepter_ = std::thread([raw = server.get()] { raw->Accept(); });
  return server;
}

LabSocketServer::~LabSocketServer() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
    for (Connection& connection : connections_) {
      if (!connection.ended) shutdown(connection.fd, SHUT_RDWR);
    }
  }
  shutdown(listener_, SHUT_RDWR);  // wakes accept()
  accepter_.join();
  std::list<Connection> connections;
  {
    absl::MutexLock lock(&mutex_);
    connections.swap(connections_);
  }
  for (Connection& connection : connections) connection.thread.join();
  close(listener_);
  unlink(path_.c_str());
}

void LabSocketServer::Accept() {
  while (true) {
    const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    const int error = errno;
    absl::MutexLock lock(&mutex_);
    if (stopping_) {
      if (fd >= 0) close(fd);
      return;
    }
    Reap();
    if (fd < 0) {
      if (error == EINTR || error == ECONNABORTED) continue;
      if (error == EMFILE || error == ENFILE) {
        log::Warning("LAB_SOCKET_FULL", "no file descriptor left for another connection to {}: {}",
                     path_, strerror(error));
        // Others must end first; the lock is released meanwhile.
        mutex_.AwaitWithTimeout(absl::Condition(&stopping_), absl::Seconds(1));
        continue;
      }
      log::Error("LAB_SOCKET_ENDED", "cannot accept at {}: {}", path_, strerror(error));
      return;
    }
    Connection& connection = connections_.emplace_back();
    connection.fd = fd;
    connection.thread = std::thread([this, &connection] { Talk(connection); });
  }
}

void LabSocketServer::Talk(Connection& connection) {
  while (true) {
    v1::MachineRequest request;
    const absl::Status read = ReadFrame(connection.fd, request);
    if (absl::IsOutOfRange(read)) break;
    v1::MachineResponse response;
    if (read.ok()) {
      response = world_.Serve(request);
    } else {
      log::Warning("LAB_BAD_REQUEST", "a plugin host sent what is no request to {}: {}", path_,
                   std::string(read.message()));
      response.set_status(static_cast<int32_t>(read.code()));
      response.set_message(absl::StrCat("the lab cannot read the request: ", read.message()));
    }
    const auto frame = EncodeFrame(response);
    if (!frame.ok() || !SendAll(connection.fd, *frame) || !read.ok()) break;
  }
  absl::MutexLock lock(&mutex_);
  connection.ended = true;
  close(connection.fd);
}

void LabSocketServer::Reap() {
  for (auto it = connections_.begin(); it != connections_.end();) {
    if (it->ended) {
      it->thread.join();  // it has left its last lock
      it = connections_.erase(it);
    } else {
      ++it;
    }
  }
}

}  // namespace keymedic::lab
