// SPDX-License-Identifier: Apache-2.0
//
// Everything that exists in a simulated estate: the machines, the name server, the network between
// them, and what will happen next. Not synchronised: the World's lock covers it.
#ifndef KEYMEDIC_LAB_LANDSCAPE_H_
#define KEYMEDIC_LAB_LANDSCAPE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <queue>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/product_key.h"
#include "lab/dns.h"
#include "lab/machine.h"

namespace keymedic::lab {

// What is going to happen at an instant.
struct Happening {
  enum class Kind { kInstall, kAttempt, kPublish, kFault };
  absl::Time at;
  uint64_t order = 0;  // of two at the same instant, the one that was planned first
  Kind kind = Kind::kAttempt;
  Machine* machine = nullptr;  // not for kFault
  uint64_t number = 0;         // kFault: which; kAttempt: the client's attempt_turn
};

enum class Reached { kKms, kRefused, kTimeout, kUnresolved };

struct Connection {
  Reached result = Reached::kUnresolved;
  Machine* host = nullptr;   // kKms only
  Machine* there = nullptr;  // whoever has the address
  bool lost = false;         // on the way: what was sent reaches nobody
  std::string name;          // as resolved
  std::string address;
};

class Landscape {
 public:
  Machine& Add(std::unique_ptr<Machine> machine);
  // A KMS host of somebody else, which answers everybody: a cloud's, or a rogue one.
  Machine& AddForeignHost(const std::string& name, const std::string& address, uint32_t build,
                          absl::Time activated);
  Machine* Find(absl::string_view name);
  // By full or short name, or by address.
  Machine* FindHost(absl::string_view host);
  const std::vector<std::unique_ptr<Machine>>& machines() const { return machines_; }

  // A TCP connection to `host` (a full or a short name, or an address): name, power, firewall,
  // service. Nothing is sent.
  Connection Connect(const Machine& from, absl::string_view host, uint32_t port);
  // The addresses of a name as a machine sees it; "" if it has none.
  std::string Resolve(const Machine& from, absl::string_view host, std::string* full_name) const;
  // The first suffix with records wins, as on Windows.
  std::vector<Srv> DiscoverHosts(const Machine& from) const;
  // From now on nobody in that site ("*": anywhere) gets through to `to`.
  void Block(const std::string& site, const Machine& to) { blocked_.emplace(site, to.address); }
  bool IsBlocked(const Machine& from, const Machine& to) const;
  bool IsCutOff(const Machine& host) const { return blocked_.contains({"*", host.address}); }

  // A host announces itself in all its domains, and logs how that went.
  void Publish(Machine& host, absl::Time now);

  void Plan(absl::Time at, Happening::Kind kind, Machine* machine, uint64_t number);
  // Voids what was planned before and lets the client try at `at`.
  void PlanAttempt(Machine& machine, absl::Time at);
  // The next that is due at `now`, in order.
  std::optional<Happening> TakeDue(absl::Time now);

  Dns dns;
  bool noise = false;  // logs hold what every Windows logs
  // Keys of KMS hosts that the licensing service accepts: family and whole key.
  std::vector<std::pair<std::string, ProductKey>> host_keys;

 private:
  struct Later {
    bool operator()(const Happening& a, const Happening& b) const {
      return a.at != b.at ? a.at > b.at : a.order > b.order;
    }
  };
  std::vector<std::unique_ptr<Machine>> machines_;
  std::unordered_map<std::string, Machine*> by_name_;
  std::unordered_map<std::string, Machine*> by_address_;
  std::set<std::pair<std::string, std::string>> blocked_;  // site, address
  std::priority_queue<Happening, std::vector<Happening>, Later> queue_;
  uint64_t planned_ = 0;
};

// Does its firewall let others in to that port?
bool LetsIn(const Machine& machine, uint32_t port);
// Would it answer on that port, if it were reached?
bool Serves(const Machine& machine, uint32_t port);

}  // namespace keymedic::lab

#endif  // KEYMEDIC_LAB_LANDSCAPE_H_
