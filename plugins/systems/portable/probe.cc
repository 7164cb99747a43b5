// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "plugins/systems/portable/portable.h"
#include "plugins/systems/portable/rpc_bind.h"
#include "plugins/systems/portable/socket.h"

namespace keymedic::systems {
namespace {

constexpr size_t kMostAddresses = 4;  // of one name that are tried

BindVerdict FromError(const absl::Status& error) {
  switch (error.code()) {
    case absl::StatusCode::kUnavailable:
      return {v1::PROBE_RESULT_REFUSED, "nobody listens on this port"};
    case absl::StatusCode::kAborted:
      return {v1::PROBE_RESULT_RESET, "accepted the connection, then reset it"};
    default:
      return {v1::PROBE_RESULT_TIMEOUT, std::string(error.message())};
  }
}

BindVerdict ReadAnswer(TcpSocket& socket, absl::Time deadline) {
  std::string received;
  while (true) {
    const auto bytes = socket.Receive(deadline);
    if (absl::IsDeadlineExceeded(bytes.status())) {
      return {v1::PROBE_RESULT_TIMEOUT, "accepted the connection, then did not answer the bind"};
    }
    const bool ended = absl::IsOutOfRange(bytes.status());
    if (!bytes.ok() && !ended) return FromError(bytes.status());
    if (bytes.ok()) received += *bytes;
    if (auto verdict = ReadBindAnswer(received, ended)) return *std::move(verdict);
  }
}

BindVerdict BindAt(const Address& address, absl::Time deadline, bool& connected) {
  auto socket = TcpSocket::Connect(reinterpret_cast<const sockaddr*>(&address.storage),
                                   address.size, deadline);
  if (!socket.ok()) return FromError(socket.status());
  connected = true;
  if (const absl::Status sent = socket->Send(KmsBindPdu(), deadline); !sent.ok()) {
    return FromError(sent);
  }
  return ReadAnswer(*socket, deadline);
}

class PortableProbe final : public EndpointProbe {
 public:
  PortableProbe(absl::Duration limit, ResolverOptions options)
      : limit_(limit), resolver_(std::move(options)) {}

  v1::Probe Bind(absl::string_view host, uint32_t port) override {
    v1::Probe probe;
    probe.set_host(std::string(host));
    probe.set_port(port);
    const BindVerdict verdict = Ask(host, port);
    probe.set_result(verdict.result);
    probe.set_detail(verdict.detail);
    return probe;
  }

 private:
  BindVerdict Ask(absl::string_view host, uint32_t port) const {
    if (host.empty() || port == 0 || port > 65535) {
      return {v1::PROBE_RESULT_UNRESOLVED, absl::StrCat("'", host, ":", port, "' is no endpoint")};
    }
    const absl::Time deadline = absl::Now() + limit_;
    const AddressAnswer answer =
        resolver_.LookupAddresses(host, static_cast<uint16_t>(port), limit_);
    if (answer.addresses.empty()) {
      return {v1::PROBE_RESULT_UNRESOLVED,
              absl::StrCat("no address (0x", absl::Hex(answer.error, absl::kZeroPad8), ")")};
    }
    const size_t tried = std::min(answer.addresses.size(), kMostAddresses);
    BindVerdict best;
    for (size_t i = 0; i < tried; ++i) {
      const absl::Duration share = (deadline - absl::Now()) / static_cast<int64_t>(tried - i);
      bool connected = false;
      BindVerdict verdict = BindAt(answer.addresses[i], absl::Now() + share, connected);
      if (connected) return verdict;
      // Of several addresses, one that refuses says more than one that is silent.
      if (best.result != v1::PROBE_RESULT_REFUSED) best = std::move(verdict);
    }
    return best;
  }

  const absl::Duration limit_;
  const Resolver resolver_;
};

}  // namespace

std::unique_ptr<EndpointProbe> MakePortableProbe(absl::Duration limit, ResolverOptions options) {
  return std::make_unique<PortableProbe>(limit, std::move(options));
}

}  // namespace keymedic::systems
