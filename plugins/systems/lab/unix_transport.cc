// SPDX-License-Identifier: Apache-2.0
#include "plugins/systems/lab/unix_transport.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "base/frames.h"
#include "base/status_macros.h"

namespace keymedic::systems {
namespace {

class Connection {
 public:
  Connection(std::string path, absl::Duration deadline)
      : path_(std::move(path)), deadline_(deadline) {}
  ~Connection() { Close(); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  absl::StatusOr<lab::v1::MachineResponse> Call(const lab::v1::MachineRequest& request) {
    KM_ASSIGN_OR_RETURN(const std::string frame, EncodeFrame(request));
    const bool may_be_stale = fd_ >= 0;
    absl::Status sent = Send(frame);
    if (!sent.ok() && may_be_stale) sent = Send(frame);
    KM_RETURN_IF_ERROR(sent);
    auto response = Receive();
    if (response.ok() || absl::IsDeadlineExceeded(response.status()) || request.has_act() ||
        !may_be_stale) {
      return response;
    }
    KM_RETURN_IF_ERROR(Send(frame));
    return Receive();
  }

 private:
  absl::Status Connect() {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path_.size() >= sizeof(address.sun_path)) {
      return absl::InvalidArgumentError(
          absl::StrCat("the lab's socket path '", path_, "' is longer than ",
                       sizeof(address.sun_path) - 1, " characters: choose a shorter one"));
    }
    memcpy(address.sun_path, path_.data(), path_.size());
    fd_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd_ < 0) return Failed("cannot make a socket for", errno);
    const timeval patience = absl::ToTimeval(deadline_);
    setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    if (connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
      const int error = errno;
      Close();
      return Failed("cannot connect to", error);
    }
    return absl::OkStatus();
  }

  absl::Status Send(absl::string_view frame) {
    if (fd_ < 0) KM_RETURN_IF_ERROR(Connect());
    while (!frame.empty()) {
      // Not write(): a lab that went away must not end this process by SIGPIPE.
      const ssize_t n = send(fd_, frame.data(), frame.size(), MSG_NOSIGNAL);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) {
        const int error = errno;
        Close();
        return Failed("cannot write to", error);
      }
      frame.remove_prefix(n);
    }
    return absl::OkStatus();
  }

  absl::StatusOr<lab::v1::MachineResponse> Receive() {
    lab::v1::MachineResponse response;
    const absl::Status read = ReadFrame(fd_, response, absl::Now() + deadline_);
    if (read.ok()) return response;
    Close();  // a late answer must not be taken for the next one
    const auto code = absl::IsDeadlineExceeded(read) ? absl::StatusCode::kDeadlineExceeded
                                                     : absl::StatusCode::kUnavailable;
    return absl::Status(code,
                        absl::StrCat("no answer from the lab at ", path_, ": ", read.message()));
  }

  absl::Status Failed(absl::string_view what, int error) const {
    return absl::UnavailableError(absl::StrCat(what, " the lab at ", path_, ": ", strerror(error),
                                               "; is `keymedic lab serve` running there?"));
  }

  void Close() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }

  const std::string path_;
  const absl::Duration deadline_;
  int fd_ = -1;
};

}  // namespace

LabTransport MakeUnixTransport(std::string socket_path, absl::Duration deadline) {
  auto connection = std::make_shared<Connection>(std::move(socket_path), deadline);
  return [connection](const lab::v1::MachineRequest& request) { return connection->Call(request); };
}

}  // namespace keymedic::systems
