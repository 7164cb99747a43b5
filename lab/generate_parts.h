// SPDX-License-Identifier: Apache-2.0
//
// The parts of which a generated estate is made: pools with their machines, and faults with their
// parameters. Internal to generate.cc.
#ifndef KEYMEDIC_LAB_GENERATE_PARTS_H_
#define KEYMEDIC_LAB_GENERATE_PARTS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "base/random.h"
#include "keymedic/lab/v1/estate.pb.h"
#include "lab/faults.h"

namespace keymedic::lab {

class Dice {
 public:
  explicit Dice(uint64_t seed) : random_(seed * 0x9e3779b97f4a7c15u + 11) {}
  uint64_t Below(uint64_t n) { return random_.Uint64() % n; }
  uint32_t Between(uint32_t least, uint32_t most) {
    return least + static_cast<uint32_t>(Below(most - least + 1));
  }
  bool Chance(double share) { return random_.Uniform() < share; }
  // Days, to a hundredth, as a person would write them.
  double Days(double least, double most) {
    return static_cast<int>((least + (most - least) * random_.Uniform()) * 100) / 100.0;
  }
  // The same, and mostly of late.
  double Lately(double least, double most) {
    const double share = random_.Uniform();
    return Days(least, least + (most - least) * share * share);
  }
  template <typename List>
  const auto& Pick(const List& list) {
    return list[Below(std::size(list))];
  }

 private:
  SeededRandom random_;
};

inline constexpr uint32_t kSmallestPool = 8;

// One DNS zone with its hosts and clients.
struct Pool {
  int number = 0;
  uint32_t machines = 0;
  std::vector<const FaultKind*> faults;  // of its first host
  // What these faults need.
  bool two_hosts = false;
  bool two_sites = false;
  bool older_host = false;  // than some of its servers
  uint32_t exactly = 0;     // machines in its first site; 0: any number
  // What came of it.
  std::string domain;
  std::vector<std::string> sites, hosts, prefixes;
  uint32_t host_build = 0;
  std::string host_family;
};

uint32_t DrawPoolSize(Dice& dice, bool small_ones);
// May this pool have that fault beside those that it has, so that each can be seen?
bool FitsInto(const FaultKind& kind, const Pool& pool);
// May a client have the first fault although it has the second?
bool GoesOver(const FaultKind& kind, const FaultKind& first);
void Shape(const FaultKind& kind, Dice& dice, Pool& pool);
// Its sites, hosts and clients. `natural`: with home editions and the like.
void BuildPool(Pool& pool, Dice& dice, bool natural, v1::Estate& estate);
// A cloud's machines, and a site with an activation object.
void AddStrangers(Dice& dice, const std::vector<Pool>& pools, v1::Estate& estate);

v1::Fault DrawHostFault(const FaultKind& kind, const Pool& pool, Dice& dice);
v1::Fault DrawClientFault(const FaultKind& kind, const Pool& pool, Dice& dice);

}  // namespace keymedic::lab

#endif  // KEYMEDIC_LAB_GENERATE_PARTS_H_
