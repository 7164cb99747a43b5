// SPDX-License-Identifier: Apache-2.0
//
// Makes the truth of a landscape. One object for one telling, under the World's lock.
#ifndef KEYMEDIC_LAB_TRUTH_TELLER_H_
#define KEYMEDIC_LAB_TRUTH_TELLER_H_

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "keymedic/v1/policy_service.pb.h"
#include "lab/client.h"
#include "lab/landscape.h"
#include "lab/truth.h"

namespace keymedic::lab {

// What is wrong with a KMS host, as it is.
struct HostTruth {
  bool stopped = false;
  bool closed = false;        // the firewall, for the port on which it listens
  bool wrong_port = false;    // its own port differs from what it is said to have
  uint32_t pinned_wrong = 0;  // how many clients are told another port
  bool unlicensed = false;
  bool used_up = false;
  bool cannot_host = false;
  bool unsupported = false;  // the key is not made for this Windows
  bool outdated = false;
  bool rejects = false;         // the newest request of some client, for the key
  bool logs_rejection = false;  // its log still holds one of these
  bool adrift = false;          // nobody reaches it: the network, or an old address
  bool publish_failed = false;
  bool publishing_off = false;
  bool record_lost = false;  // it publishes, and no record is there
  bool stuck = false;        // clones account for what its count lacks
  bool clones = false;       // some of those that it counts share an id
  bool clones_ask = false;   // the same of those that it rejects
  bool low = false;
  bool split = false;  // its pool has enough clients for one host
  uint32_t count = 0;
  uint32_t threshold = 0;  // of those that it counts

  // Others do not get through to the service.
  bool IsShut() const { return stopped || closed || wrong_port || unlicensed || adrift; }
  // They do not find it.
  bool IsHidden() const { return publish_failed || publishing_off || record_lost; }
};

class TruthTeller {
 public:
  TruthTeller(Landscape& landscape, const keymedic::v1::Policy& policy, absl::Time now)
      : landscape_(landscape), policy_(policy), now_(now) {}
  Truth Tell();

 private:
  using Causes = std::set<Statement>;

  void Say(absl::string_view code, absl::string_view subject, bool required,
           const Causes& causes = {});
  void LookAround();

  // truth_host.cc
  HostTruth LookAt(const Machine& host) const;
  void LookAtCount(Machine& machine, HostTruth& truth) const;
  void LookAtPools();
  void TellHost(const Machine& machine, const HostTruth& truth);
  void TellHostPath(const Machine& machine, const HostTruth& truth);
  void TellHostCount(const Machine& machine, const HostTruth& truth);
  void TellRecords();
  bool IsApproved(const Machine& host) const;
  bool IsNamed(const Machine& host) const;  // by some record

  // truth_client.cc
  void TellClient(Machine& machine);
  void TellKey(const Machine& machine);
  void TellPath(Machine& machine, const std::vector<Obstacle>& obstacles);
  void TellRogue(const Machine& machine);
  void TellState(Machine& machine, const std::vector<Obstacle>& obstacles);
  // The count that it asks for.
  static uint32_t ThresholdOf(const Machine& machine);
  bool IsPoolShort(const Machine& machine) const;
  bool IsOverdue(const Machine& machine) const;
  // The statement that is left when nothing explains more.
  Statement Plain(const Machine& machine) const;

  // truth_roots.cc
  Causes CausesOf(const Machine& machine, const Obstacle& obstacle) const;
  Causes CausesOfSilence(const Machine& machine, const Obstacle& obstacle) const;
  Causes CausesOfNoRecord(const Machine& machine) const;
  Causes CausesOfLowCount(const Machine& host) const;
  std::vector<std::string> ZonesOf(const Machine& machine) const;
  // This, of the records by which the machine is told of that host.
  Causes OfRecords(absl::string_view code, const Machine& machine, const std::string& target) const;

  // Somebody sees what it is told and how it stands.
  static bool IsSeen(const Machine& machine) { return machine.quarantined_plugin.empty(); }

  Landscape& landscape_;
  const keymedic::v1::Policy& policy_;
  const absl::Time now_;
  std::vector<Machine*> clients_, hosts_;
  std::map<const Machine*, HostTruth> host_truths_;
  std::map<std::string, std::vector<const Machine*>> by_id_;  // client machine ids
  std::set<std::string> asked_zones_;                         // by somebody who is seen
  // Who gets through to a host, and who does not although nothing of its own is in the way.
  std::map<const Machine*, std::pair<int, int>> reached_;
  std::set<const Machine*> tried_;  // hosts that a setting or a record names to some client
  struct Said {
    bool required = false;
    Causes causes;
  };
  std::map<Statement, Said> said_;
  std::map<std::string, Causes> roots_;
};

}  // namespace keymedic::lab

#endif  // KEYMEDIC_LAB_TRUTH_TELLER_H_
