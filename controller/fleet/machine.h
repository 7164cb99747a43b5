// SPDX-License-Identifier: Apache-2.0
//
// One machine as the controller holds it in memory, and the seam to its agent's stream.
#ifndef KEYMEDIC_CONTROLLER_FLEET_MACHINE_H_
#define KEYMEDIC_CONTROLLER_FLEET_MACHINE_H_

#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "keymedic/rows/v1/rows.pb.h"
#include "keymedic/v1/agent_service.pb.h"

namespace keymedic::controller {

// The way to an agent while its stream lives. Any thread; calls after the end are ignored.
class AgentLink {
 public:
  virtual ~AgentLink() = default;
  virtual void Send(v1::ControllerMessage message) = 0;
  // Everything up to and with `sequence` is durable. Several may travel as one.
  virtual void Ack(uint64_t sequence) = 0;
  virtual void Close(absl::Status status) = 0;
};

// Streams hold on to it without looking it up again.
struct Machine {
  explicit Machine(std::string machine_id) : id(std::move(machine_id)) {}

  struct HeldSection {
    std::string name;
    std::string sha256;
  };

  const std::string id;
  std::mutex mutex;
  // All guarded by mutex; short sections only. Row writes are handed to the store with it held, so
  // that the store sees them in order.
  rows::v1::MachineRow row;
  std::vector<HeldSection> sections;               // that are durable
  std::map<std::string, v1::AgentNotice> notices;  // by store key; what is not resolved
  std::shared_ptr<AgentLink> link;                 // null: not connected
  absl::Time last_seen = absl::InfinitePast();
  uint32_t events_since_prune = 0;
  std::deque<absl::Time> replaced;  // when a new stream ended one that lived; the newest
  bool silent = false;              // AGENT_SILENT is among its findings
  bool shared = false;              // likewise AGENT_IDENTITY_SHARED
  bool wants_status = false;        // the agent of `link` takes MachineStatus
  size_t told = 0;                  // hash of the one that `link` was told last; 0: none yet
  bool removed = false;             // gone for good: nothing of it is written any more

  HeldSection* FindSection(const std::string& name) {
    for (HeldSection& section : sections) {
      if (section.name == name) return &section;
    }
    return nullptr;
  }
  std::vector<std::string> Roles() const {
    std::vector<std::string> roles;
    for (const HeldSection& section : sections) {
      if (section.name == "kms_client" || section.name == "kms_host") roles.push_back(section.name);
    }
    std::sort(roles.begin(), roles.end());
    return roles;
  }
};

}  // namespace keymedic::controller

#endif  // KEYMEDIC_CONTROLLER_FLEET_MACHINE_H_
