// SPDX-License-Identifier: Apache-2.0
#include "plugins/systems/lab/tcp_transport.h"

#include "plugins/systems/portable/socket.h"  // first: it brings the sockets of the system
#ifndef _WIN32
#include <arpa/inet.h>
#include <netinet/in.h>
#endif

#include <memory>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/status_macros.h"
#include "plugins/systems/lab/stream_transport.h"

namespace keymedic::systems {
namespace {

class TcpStream final : public LabStream {
 public:
  explicit TcpStream(TcpSocket socket) : socket_(std::move(socket)) {}
  absl::Status Send(absl::string_view bytes, absl::Time deadline) override {
    return socket_.Send(bytes, deadline);
  }
  absl::StatusOr<std::string> Receive(absl::Time deadline) override {
    return socket_.Receive(deadline);
  }

 private:
  TcpSocket socket_;
};

struct Name {
  sockaddr_storage storage{};
  int size = 0;
};

absl::StatusOr<Name> Parse(absl::string_view address) {
  const size_t colon = address.rfind(':');
  uint32_t port = 0;
  Name name;
  if (colon != absl::string_view::npos && absl::SimpleAtoi(address.substr(colon + 1), &port) &&
      port > 0 && port <= 65535) {
    const std::string host(address.substr(0, colon));
    auto& v4 = reinterpret_cast<sockaddr_in&>(name.storage);
    auto& v6 = reinterpret_cast<sockaddr_in6&>(name.storage);
    if (host == "[::1]") {
      v6.sin6_family = AF_INET6;
      v6.sin6_addr.s6_addr[15] = 1;
      v6.sin6_port = htons(static_cast<uint16_t>(port));
      name.size = sizeof(v6);
      return name;
    }
    if (inet_pton(AF_INET, host.c_str(), &v4.sin_addr) == 1) {
      v4.sin_family = AF_INET;
      v4.sin_port = htons(static_cast<uint16_t>(port));
      name.size = sizeof(v4);
      return name;
    }
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "'", address, "' is no address of a lab: write what it printed, as 127.0.0.1:41231"));
}

absl::StatusOr<std::unique_ptr<LabStream>> Dial(const std::string& address, absl::Time deadline) {
  KM_ASSIGN_OR_RETURN(const Name name, Parse(address));
  auto socket =
      TcpSocket::Connect(reinterpret_cast<const sockaddr*>(&name.storage), name.size, deadline);
  if (socket.ok()) return std::make_unique<TcpStream>(*std::move(socket));
  return absl::UnavailableError(absl::StrCat("cannot connect to the lab at ", address, ": ",
                                             socket.status().message(),
                                             "; is `keymedic lab serve --listen` running there?"));
}

}  // namespace

LabTransport MakeTcpTransport(std::string address, absl::Duration deadline) {
  auto dial = [address](absl::Time until) { return Dial(address, until); };
  return MakeStreamTransport(address, std::move(dial), deadline);
}

}  // namespace keymedic::systems
