// SPDX-License-Identifier: Apache-2.0
//
// For tests that live in a lab: a clock that stands still until told, and short ways to ask.
#ifndef KEYMEDIC_LAB_WORLD_TESTING_H_
#define KEYMEDIC_LAB_WORLD_TESTING_H_

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "lab/estate.h"
#include "lab/world.h"

namespace keymedic::lab {

class StoppedClock final : public Clock {
 public:
  absl::Time Now() const override { return now; }
  absl::Time now = absl::FromCivil(absl::CivilSecond(2026, 11, 22, 12, 0, 0), absl::UTCTimeZone());
};

// One site, one host of Windows Server 2022, `count` clients, and what `more` adds.
inline std::string SmallEstate(int count, absl::string_view more = "",
                               absl::string_view edition = "Enterprise", uint32_t build = 22631) {
  return absl::StrCat(R"(
    name: "small" seed: 7
    sites { name: "berlin" dns_domain: "berlin.example" }
    kms_hosts { name: "kms-1" site: "berlin" edition_id: "ServerStandard" build: 20348
                csvlk_family: "Windows Server 2022" }
    host_keys { family: "Windows Server 2022" key: "AAAAA-BBBBB-CCCCC-DDDDD-22222" }
    client_groups { prefix: "pc" count: )",
                      count, " site: 'berlin' edition_id: '", edition, "' build: ", build, " }\n",
                      more);
}

class Lived {
 public:
  explicit Lived(const std::string& text) {
    auto estate = ParseEstate(text, "test.textproto");
    EXPECT_TRUE(estate.ok()) << estate.status();
    if (!estate.ok()) return;
    auto made = World::Make(*estate, clock);
    EXPECT_TRUE(made.ok()) << made.status();
    if (made.ok()) world = *std::move(made);
  }

  v1::MachineResponse Ask(const std::string& machine, v1::MachineRequest request) {
    request.set_machine(machine);
    return world->Serve(request);
  }
  v1::MachineResponse Do(const std::string& machine, const std::string& method,
                         const std::string& text = "", bool flag = false, uint32_t number = 0) {
    v1::MachineRequest request;
    request.mutable_act()->set_method(method);
    request.mutable_act()->set_text(text);
    request.mutable_act()->set_flag(flag);
    request.mutable_act()->set_number(number);
    return Ask(machine, request);
  }
  keymedic::v1::Product Product(const std::string& machine) {
    v1::MachineRequest request;
    request.mutable_licensing();
    return Ask(machine, request).licensing().products(0);
  }
  keymedic::v1::KmsClientSection Client(const std::string& machine) {
    v1::MachineRequest request;
    request.mutable_client();
    return Ask(machine, request).client();
  }
  keymedic::v1::KmsHostSection Host(const std::string& machine) {
    v1::MachineRequest request;
    request.mutable_host();
    return Ask(machine, request).host();
  }
  keymedic::v1::OsSection Os(const std::string& machine) {
    v1::MachineRequest request;
    request.mutable_os();
    return Ask(machine, request).os();
  }
  keymedic::v1::SrvAnswer Srv(const std::string& machine, const std::string& domain) {
    v1::MachineRequest request;
    request.set_lookup_srv("_vlmcs._tcp." + domain);
    return Ask(machine, request).srv();
  }
  keymedic::v1::ProbeResult Probe(const std::string& machine, const std::string& host,
                                  uint32_t port = 1688) {
    v1::MachineRequest request;
    request.mutable_probe()->set_host(host);
    request.mutable_probe()->set_port(port);
    return Ask(machine, request).probe().result();
  }
  // Records of one event, oldest first.
  std::vector<keymedic::v1::EventRecord> Events(const std::string& machine,
                                                const std::string& channel, uint32_t id) {
    v1::MachineRequest request;
    request.mutable_read_events()->set_channel(channel);
    std::vector<keymedic::v1::EventRecord> out;
    const v1::MachineResponse response = Ask(machine, request);
    for (const auto& event : response.events().events()) {
      if (event.event_id() == id) out.push_back(event);
    }
    return out;
  }
  keymedic::v1::EventRecord NewestEvent(const std::string& machine, const std::string& channel,
                                        uint32_t id) {
    const auto events = Events(machine, channel, id);
    EXPECT_FALSE(events.empty()) << machine << " has no event " << id;
    return events.empty() ? keymedic::v1::EventRecord() : events.back();
  }
  int Licensed() {
    int n = 0;
    for (const std::string& name : world->machine_names())
      n += Product(name).status() == keymedic::v1::LICENSE_STATUS_LICENSED ? 1 : 0;
    return n;
  }

  StoppedClock clock;
  std::unique_ptr<World> world;
};

}  // namespace keymedic::lab

#endif  // KEYMEDIC_LAB_WORLD_TESTING_H_
