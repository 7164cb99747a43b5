// SPDX-License-Identifier: Apache-2.0
#include "lab/socket_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/numbers.h"
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

absl::Status FailedTcp(absl::string_view what, absl::string_view address, int error) {
  return absl::UnavailableError(
      absl::StrCat("cannot ", what, " the lab's address ", address, ": ", strerror(error),
                   "; with port 0, as in --listen 127.0.0.1:0, the lab takes a port that is free"));
}

struct Loopback {
  sockaddr_storage name{};
  socklen_t size = 0;
};

// Numbers only: what a name stands for, others decide.
absl::StatusOr<Loopback> ParseLoopback(absl::string_view address) {
  const size_t colon = address.rfind(':');
  std::string host(address.substr(0, std::min(colon, address.size())));
  uint32_t port = 0;
  Loopback out;
  auto& v4 = reinterpret_cast<sockaddr_in&>(out.name);
  auto& v6 = reinterpret_cast<sockaddr_in6&>(out.name);
  const bool has_port = colon != absl::string_view::npos &&
                        absl::SimpleAtoi(address.substr(colon + 1), &port) && port <= 65535;
  if (has_port && host == "[::1]") {
    v6.sin6_family = AF_INET6;
    v6.sin6_addr = in6addr_loopback;
    v6.sin6_port = htons(static_cast<uint16_t>(port));
    out.size = sizeof(v6);
    return out;
  }
  if (has_port && inet_pton(AF_INET, host.c_str(), &v4.sin_addr) == 1 &&
      ntohl(v4.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(static_cast<uint16_t>(port));
    out.size = sizeof(v4);
    return out;
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "--listen '", address, "' is no loopback address with a port: a lab knows no passwords, so ",
      "it is offered to this computer only; use 127.0.0.1:PORT or [::1]:PORT, 0 for any port"));
}

std::string ToText(const Loopback& loopback) {
  char host[INET_ADDRSTRLEN] = {};
  if (loopback.name.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(loopback.name);
    return absl::StrCat("[::1]:", ntohs(v6.sin6_port));
  }
  const auto& v4 = reinterpret_cast<const sockaddr_in&>(loopback.name);
  inet_ntop(AF_INET, &v4.sin_addr, host, sizeof(host));
  return absl::StrCat(host, ":", ntohs(v4.sin_port));
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
  return Run(world, std::move(path), /*is_file=*/true, fd);
}

absl::StatusOr<std::unique_ptr<LabSocketServer>> LabSocketServer::StartTcp(
    World& world, absl::string_view address) {
  KM_ASSIGN_OR_RETURN(Loopback loopback, ParseLoopback(address));
  auto* const name = reinterpret_cast<sockaddr*>(&loopback.name);
  const int fd = socket(loopback.name.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return FailedTcp("make a socket for", address, errno);
  absl::Cleanup close_fd = [fd] { close(fd); };
  const int yes = 1;  // the port of a lab that ended a moment ago can be taken again
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
  if (bind(fd, name, loopback.size) != 0 || listen(fd, 128) != 0)
    return FailedTcp("listen at", address, errno);
  if (getsockname(fd, name, &loopback.size) != 0) return FailedTcp("look at", address, errno);
  std::move(close_fd).Cancel();
  return Run(world, ToText(loopback), /*is_file=*/false, fd);
}

std::unique_ptr<LabSocketServer> LabSocketServer::Run(World& world, std::string place, bool is_file,
                                                      int listener) {
  std::unique_ptr<LabSocketServer> server(
      new LabSocketServer(world, std::move(place), is_file, listener));
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
  if (is_file_) unlink(place_.c_str());
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
                     place_, strerror(error));
        // Others must end first; the lock is released meanwhile.
        mutex_.AwaitWithTimeout(absl::Condition(&stopping_), absl::Seconds(1));
        continue;
      }
      log::Error("LAB_SOCKET_ENDED", "cannot accept at {}: {}", place_, strerror(error));
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
      log::Warning("LAB_BAD_REQUEST", "a plugin host sent what is no request to {}: {}", place_,
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
