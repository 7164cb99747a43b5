// SPDX-License-Identifier: Apache-2.0
//
// The estate's name server: zones with address records and one kind of service record, and the
// rule that matters here: with secure updates a name belongs to who made it, and only those whom
// its owner let in may change it.
// Not synchronised: the World's lock covers it.
#ifndef KEYMEDIC_LAB_DNS_H_
#define KEYMEDIC_LAB_DNS_H_

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"

namespace keymedic::lab {

// What Windows prints for what a name server says.
inline constexpr uint32_t kDnsNameDoesNotExist = 0x8007232B;
inline constexpr uint32_t kDnsNoServer = 0x8007267C;
inline constexpr uint32_t kDnsUpdateRefused = 0x80072338;

struct Srv {
  std::string target;
  uint32_t port = 0;
  uint32_t priority = 0;
  uint32_t weight = 0;
};

class Dns {
 public:
  void AddZone(absl::string_view domain);
  bool HasZone(absl::string_view domain) const;
  void AddAddress(absl::string_view fqdn, absl::string_view address);
  // "" if the name has none.
  std::string Address(absl::string_view fqdn) const;
  std::vector<Srv> LookupSrv(absl::string_view name) const;  // "_vlmcs._tcp.<domain>"
  // Of each zone that has records.
  std::vector<std::pair<std::string, std::vector<Srv>>> Records() const;

  // A host's dynamic update of its own record in `domain`: 0, or the Windows code of the refusal.
  uint32_t Publish(absl::string_view domain, const std::string& host, uint32_t port,
                   uint32_t priority);
  // From now on updates of `host` are refused with `error`; 0: they are taken again.
  void RefuseUpdates(const std::string& host, uint32_t error);
  // Its updates are taken, and reach no copy of a zone that anybody asks.
  void LoseUpdates(const std::string& host) { lost_.insert(host); }

  // By hand, as an administrator.
  void AddSrv(absl::string_view domain, const Srv& record);
  void RemoveSrv(absl::string_view target);  // in every zone

 private:
  struct Zone {
    std::vector<Srv> records;
  };
  std::map<std::string, Zone, std::less<>> zones_;
  std::map<std::string, std::string, std::less<>> addresses_;
  std::map<std::string, uint32_t> refused_;
  std::set<std::string> lost_;
};

}  // namespace keymedic::lab

#endif  // KEYMEDIC_LAB_DNS_H_
