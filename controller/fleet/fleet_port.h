// SPDX-License-Identifier: Apache-2.0
//
// What remediation needs of the fleet, and nothing more: so that it runs against a simulated fleet
// in its tests. Implemented by Fleet.
//
// Threads: all calls from any thread. The listener is called from any thread, without locks of the
// fleet held, and must not block.
#ifndef KEYMEDIC_CONTROLLER_FLEET_FLEET_PORT_H_
#define KEYMEDIC_CONTROLLER_FLEET_FLEET_PORT_H_

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "keymedic/v1/command.pb.h"
#include "keymedic/v1/finding.pb.h"

namespace keymedic::controller {

class FleetListener {
 public:
  virtual ~FleetListener() = default;
  // A result arrived, perhaps again. Call `durable` once it is stored: only then the agent forgets
  // it.
  virtual void OnResult(const std::string& machine_id, const v1::CommandResult& result,
                        std::function<void()> durable) = 0;
  // The round of looking that RequestCollect asked for is over, durable and diagnosed.
  virtual void OnCollected(const std::string& machine_id, const std::string& collect_id) = 0;
  virtual void OnConnected(const std::string& machine_id) = 0;
  virtual void OnDisconnected(const std::string& machine_id) = 0;
};

class FleetPort {
 public:
  virtual ~FleetPort() = default;

  struct MachineInfo {
    std::string id;
    std::string display_name;
    std::map<std::string, std::string> labels;
    bool connected = false;
    std::vector<std::string> roles;                            // "kms_client", "kms_host"
    std::string kms_host = {};                                 // that it uses; "": not known
    std::optional<int32_t> utc_offset_minutes = std::nullopt;  // of its time zone
  };
  virtual std::vector<MachineInfo> Machines() = 0;
  // Of its time zone, as it reported last: it moves with the seasons.
  virtual std::optional<int32_t> UtcOffsetMinutesOf(const std::string& machine_id) = 0;
  // Everything, folded: causes first, followers name their cause.
  virtual std::vector<v1::Finding> Findings() = 0;
  // What this machine shows now, unfolded.
  virtual std::vector<v1::Finding> FindingsOf(const std::string& machine_id) = 0;

  // False: the machine is not connected; nothing was sent. True is no proof of arrival.
  virtual bool Send(const std::string& machine_id, const v1::Command& command) = 0;
  virtual bool RequestCollect(const std::string& machine_id, const std::string& collect_id) = 0;

  virtual void SetListener(FleetListener* listener) = 0;
};

}  // namespace keymedic::controller

#endif  // KEYMEDIC_CONTROLLER_FLEET_FLEET_PORT_H_
