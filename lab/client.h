// SPDX-License-Identifier: Apache-2.0
//
// How a simulated client tries to activate: what it asks, in which order, what it logs, and when it
// tries again. Runs under the World's lock.
#ifndef KEYMEDIC_LAB_CLIENT_H_
#define KEYMEDIC_LAB_CLIENT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "lab/landscape.h"
#include "lab/machine.h"

namespace keymedic::lab {

enum class Trigger { kTimer, kPerson };

// One attempt, with everything that follows from it on this machine and on the hosts it reaches.
// 0, or the HRESULT that a person would be told. Plans the next attempt.
uint32_t AttemptActivation(Landscape& landscape, Machine& machine, absl::Time now, Trigger trigger);

// What stands between a client and its activation.
struct Obstacle {
  enum class Kind {
    kServiceDisabled,
    kNotGenuine,
    kForeignKey,    // not a KMS client key
    kWrongEdition,  // a client key, of another edition
    kTypeLimited,
    kNoNameServer,
    kNoRecord,   // no host is named
    kNoContact,  // the host is not reached, or does not serve
    kClock,
    kKeyGroup,
    kCount,
  };
  Kind kind;
  std::string host;  // from kNoContact on: as it is called
  uint32_t port = 0;
  Connection connection;
};

// What an attempt would meet now, without making one: of each host that it would ask, in no order.
// Empty: some host would activate it.
std::vector<Obstacle> Rehearse(Landscape& landscape, const Machine& machine, absl::Time now);

// Is it activated by an activation object, so that it asks no host?
bool UsesDirectory(const Machine& machine);

// The hosts that a client would ask now: pinned, remembered, or named by DNS.
struct KnownHost {
  std::string name;
  uint32_t port = 0;
  bool discovered = false;
};
std::vector<KnownHost> KnownHosts(const Landscape& landscape, const Machine& machine);

}  // namespace keymedic::lab

#endif  // KEYMEDIC_LAB_CLIENT_H_
