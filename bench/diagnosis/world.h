// SPDX-License-Identifier: Apache-2.0
//
// A synthetic estate, made machine by machine and never held as a whole: nine of ten machines are
// well, the others have what real ones have; one pool of up to tens of thousands on two hosts, and
// sites of five hundred on one host each, every one with its own DNS zone; clones, names that two
// machines bear, machines on a MAK. The same number always gives the same machine.
#ifndef KEYMEDIC_BENCH_DIAGNOSIS_WORLD_H_
#define KEYMEDIC_BENCH_DIAGNOSIS_WORLD_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "keymedic/v1/section.pb.h"

namespace keymedic::bench {

inline const absl::Time kNow = absl::FromUnixSeconds(1'795'000'000);

class World {
 public:
  explicit World(size_t machines);

  size_t size() const { return machines_; }
  std::string IdOf(size_t machine) const;
  size_t NumberOf(absl::string_view id) const;
  std::string NameOf(size_t machine) const;
  bool IsHost(size_t machine) const;
  // A host of five hundred clients, the same number of which is unwell in every world.
  size_t FirstOfASite() const { return large_ % 1000 == 500 ? large_ : large_ + 500; }
  bool IsWell(size_t machine) const;
  std::vector<v1::Section> SectionsOf(size_t machine) const;

  // What a client sends next. Nine of ten renewed: its licence lasts longer. One of ten does not
  // reach its host any more, or does again. `step` makes it differ from what it sent before.
  v1::Section ChangeOfClient(size_t machine, size_t step) const;
  // What a host sends next: it was asked once more.
  v1::Section ChangeOfHost(size_t machine, size_t step) const;

 private:
  // Machines that share a DNS zone and its hosts, which come first.
  struct Site {
    size_t number = 0, first = 0, size = 0, hosts = 0;
    std::string Zone() const;
  };
  Site SiteOf(size_t machine) const;
  std::string FullName(size_t machine, const Site& site) const;

  v1::OsSection Os(size_t machine, const Site& site) const;
  v1::LicensingSection ClientLicensing(size_t machine, absl::Time renewed) const;
  v1::KmsClientSection Client(size_t machine, const Site& site, absl::Time renewed) const;
  v1::NamesSection Names(size_t machine, const Site& site) const;
  v1::ProbesSection Probes(const Site& site, size_t machine, bool reached) const;
  v1::LicensingSection HostLicensing(size_t machine) const;
  v1::KmsHostSection Host(size_t machine, const Site& site, size_t asked) const;

  const size_t machines_;
  const size_t large_;  // machines of the one large pool
};

}  // namespace keymedic::bench

#endif  // KEYMEDIC_BENCH_DIAGNOSIS_WORLD_H_
