// SPDX-License-Identifier: Apache-2.0
//
// A fake: a machine that is a few messages in memory, for tests of what stands on the seams. It has
// no rules of activation (the lab has them); a test scripts what it needs: a hook that runs when
// something is done, an HRESULT with which it is refused, a seam that does not answer.
//
// Life cycle and threads: the FakeMachine outlives its Systems; one thread.
#ifndef KEYMEDIC_PLUGINS_SYSTEMS_FAKE_SYSTEMS_H_
#define KEYMEDIC_PLUGINS_SYSTEMS_FAKE_SYSTEMS_H_

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "plugins/systems/systems.h"

namespace keymedic::systems {

struct FakeMachine {
  v1::OsSection os;
  v1::LicensingSection licensing;
  v1::KmsClientSection client;
  bool rearm_pending = false;
  std::optional<v1::KmsHostSection> host;
  v1::FirewallSection firewall;
  std::vector<std::string> suffixes;
  std::map<std::string, v1::SrvAnswer> srv;          // by name; others do not exist
  std::map<std::string, v1::ProbeResult> endpoints;  // "host:port"; others are not resolved
  std::map<std::string, Services::State> services;
  std::map<std::string, std::vector<v1::EventRecord>> logs;
  std::map<std::string, uint64_t> log_max_bytes;

  std::vector<std::string> acts;          // what was done, in order: "SetKmsHost kms.example:1688"
  std::map<std::string, Hresult> refuse;  // by method: "Activate"
  std::map<std::string, absl::Status> broken;           // by seam: "licensing", "client", "restart"
  std::map<std::string, std::function<void()>> on_act;  // by method, after it was done

  // A machine with something of everything: what the conformance suite wants to see.
  static FakeMachine Conforming();
  void Log(std::string channel, uint32_t event_id, std::vector<std::string> data,
           int64_t unix_seconds);
};

Systems MakeFakeSystems(FakeMachine& machine);

}  // namespace keymedic::systems

#endif  // KEYMEDIC_PLUGINS_SYSTEMS_FAKE_SYSTEMS_H_
