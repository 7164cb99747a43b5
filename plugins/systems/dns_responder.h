// SPDX-License-Identifier: Apache-2.0
//
// For tests: a name server on a loopback UDP port, speaking the real wire format. It knows the
// records it is given, says NXDOMAIN to all else, and can be told to refuse, fail or stay silent.
// One thread of its own, joined in the destructor; set it up before Start.
#ifndef KEYMEDIC_PLUGINS_SYSTEMS_DNS_RESPONDER_H_
#define KEYMEDIC_PLUGINS_SYSTEMS_DNS_RESPONDER_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "plugins/systems/loopback.h"

namespace keymedic::systems {

class DnsResponder {
 public:
  struct Srv {
    uint16_t priority, weight, port;
    std::string target;
  };
  std::map<std::string, std::vector<Srv>> srv;
  std::map<std::string, std::vector<std::string>> a;  // dotted addresses; empty: no records
  std::map<std::string, int> rcode;                   // 2 failed, 5 refused; by name
  bool silent = false;

  std::string server() const;  // "127.0.0.1:49152"
  void Start();

 private:
  std::string Answer(const std::string& question) const;

  DatagramServer server_;
};

}  // namespace keymedic::systems

#endif  // KEYMEDIC_PLUGINS_SYSTEMS_DNS_RESPONDER_H_
