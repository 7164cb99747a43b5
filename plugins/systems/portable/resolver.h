// SPDX-License-Identifier: Apache-2.0
//
// Names through c-ares: the machine's own name servers, or those that a test names. Each look-up
// opens its own channel, so a changed network configuration is seen at the next one.
//
// Threads: one at a time. Look-ups block, at most for ResolverOptions.limit.
#ifndef KEYMEDIC_PLUGINS_SYSTEMS_PORTABLE_RESOLVER_H_
#define KEYMEDIC_PLUGINS_SYSTEMS_PORTABLE_RESOLVER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "keymedic/v1/section.pb.h"
#include "plugins/systems/portable/native_socket.h"

namespace keymedic::systems {

// What a look-up ended with, as Windows numbers it.
inline constexpr uint32_t kDnsNameDoesNotExist = 0x8007232B;
inline constexpr uint32_t kDnsNoRecords = 0x8007251D;
inline constexpr uint32_t kDnsServerFailure = 0x8007232A;
inline constexpr uint32_t kDnsRefused = 0x8007232D;
inline constexpr uint32_t kDnsTimeout = 0x800705B4;
inline constexpr uint32_t kDnsNoServers = 0x8007267C;
inline constexpr uint32_t kDnsBadPacket = 0x8007251E;
inline constexpr uint32_t kDnsInvalidName = 0x8007007B;

struct ResolverOptions {
  std::string servers;  // "127.0.0.1:5353,…"; empty: the machine's own
  absl::Duration timeout = absl::Milliseconds(1500);  // of the first try at one server
  int tries = 2;
  absl::Duration limit = absl::Seconds(5);  // of a whole look-up
};

struct Address {
  sockaddr_storage storage{};
  socklen_t size = 0;
  std::string text;  // "192.0.2.7", "2001:db8::7"
};

struct AddressAnswer {
  uint32_t error = 0;
  std::vector<Address> addresses;  // in the order to try them
};

class Resolver {
 public:
  explicit Resolver(ResolverOptions options) : options_(std::move(options)) {}

  absl::StatusOr<std::vector<std::string>> SearchSuffixes() const;
  // The records with the addresses of their targets, ordered by priority, weight, name and port.
  v1::SrvAnswer LookupSrv(absl::string_view name) const;
  // A name or a numeric address, with `port` filled in. Never longer than `limit`.
  AddressAnswer LookupAddresses(absl::string_view host, uint16_t port, absl::Duration limit) const;

 private:
  const ResolverOptions options_;
};

}  // namespace keymedic::systems

#endif  // KEYMEDIC_PLUGINS_SYSTEMS_PORTABLE_RESOLVER_H_
