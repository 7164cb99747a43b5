// SPDX-License-Identifier: Apache-2.0
//
// Pools: which Windows, how many, and who serves them.
#include <algorithm>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "lab/generate_parts.h"

namespace keymedic::lab {
namespace {

constexpr absl::string_view kCities[] = {"berlin", "paris",  "madrid", "rome",   "vienna", "zurich",
                                         "oslo",   "lisbon", "dublin", "prague", "warsaw", "athens",
                                         "kyiv",   "riga",   "turin",  "lyon",   "porto",  "bergen",
                                         "graz",   "basel",  "ghent",  "lodz",   "malmo",  "tartu"};

struct Setup {
  absl::string_view family;
  uint32_t build;
  uint32_t revision;
  uint32_t newest_server;  // that the key covers
};
constexpr Setup kSetups[] = {
    {"Windows Server 2022", 20348, 2700, 20348}, {"Windows Server 2025", 20348, 2700, 26100},
    {"Windows Server 2025", 26100, 2314, 26100}, {"Windows Server 2022", 17763, 6414, 20348},
    {"Windows Server 2019", 17763, 6414, 17763}, {"Windows Server 2016", 14393, 7515, 14393},
};
// Hosts that are older than their servers.
constexpr Setup kOlderSetups[] = {
    {"Windows Server 2022", 17763, 6414, 20348},
    {"Windows Server 2019", 14393, 7515, 17763},
    {"Windows Server 2025", 20348, 2700, 26100},
};

struct Windows {
  absl::string_view edition;
  uint32_t build;
};
constexpr Windows kDesktops[] = {
    {"Enterprise", 19045},   {"Enterprise", 22631}, {"Enterprise", 26100}, {"Professional", 19045},
    {"Professional", 22631}, {"Education", 22631},  {"EducationN", 19045}, {"ProfessionalN", 22631},
};
constexpr uint32_t kServerBuilds[] = {9600, 14393, 17763, 20348, 26100};
constexpr absl::string_view kClouds[] = {"azkms.core.windows.net", "kms.core.windows.net",
                                         "kms.windows.googlecloud.com", "169.254.169.250"};

void AddGroup(Pool& pool, const std::string& prefix, uint32_t count, const std::string& site,
              absl::string_view edition, uint32_t build, Dice& dice, v1::Estate& estate) {
  if (count == 0) return;
  v1::ClientGroup& group = *estate.add_client_groups();
  group.set_prefix(prefix);
  group.set_count(count);
  group.set_site(site);
  group.set_edition_id(std::string(edition));
  group.set_build(build);
  group.set_is_virtual(edition.substr(0, 6) == "Server" && dice.Chance(0.8));
  pool.prefixes.push_back(prefix);
}

void AddServers(Pool& pool, uint32_t count, const std::string& site, uint32_t newest, Dice& dice,
                v1::Estate& estate) {
  // The newest that its key covers is always there.
  const uint32_t some = count / 2;
  AddGroup(pool, absl::StrCat("srv-", site), count - some, site,
           dice.Chance(0.5) ? "ServerStandard" : "ServerDatacenter", newest, dice, estate);
  uint32_t older = dice.Pick(kServerBuilds);
  if (older > newest) older = newest;
  AddGroup(pool, absl::StrCat("app-", site), some, site, "ServerStandard", older, dice, estate);
}

void AddDesktops(Pool& pool, uint32_t count, const std::string& site, bool long_term, Dice& dice,
                 v1::Estate& estate) {
  const uint32_t laptops = count < 4 ? 0 : dice.Between(0, count / 2);
  const Windows& office = dice.Pick(kDesktops);
  AddGroup(pool, absl::StrCat("pc-", site), count - laptops, site, office.edition, office.build,
           dice, estate);
  const Windows& laptop = dice.Pick(kDesktops);
  const bool ltsc = long_term && dice.Chance(0.2);
  AddGroup(pool, absl::StrCat("lt-", site), laptops, site, ltsc ? "EnterpriseS" : laptop.edition,
           ltsc ? 17763 : laptop.build, dice, estate);
}

void AddClients(Pool& pool, uint32_t count, const std::string& site, uint32_t newest_server,
                Dice& dice, v1::Estate& estate) {
  const bool servers_only = count <= 14 && pool.exactly == 0;
  const uint32_t servers =
      servers_only ? count : std::min(count, dice.Between(2, std::max(3u, count / 5)));
  AddServers(pool, servers, site, newest_server, dice, estate);
  AddDesktops(pool, count - servers, site, newest_server >= 17763, dice, estate);
}

}  // namespace

uint32_t DrawPoolSize(Dice& dice, bool small_ones) {
  const double draw = dice.Below(100) / 100.0;
  if (small_ones && draw < 0.12) return dice.Between(kSmallestPool, 14);  // servers
  if (small_ones && draw < 0.24) return dice.Between(18, 26);             // not enough
  if (draw < 0.60) return dice.Between(30, 47);
  if (draw < 0.90) return dice.Between(55, 90);
  return dice.Between(100, 160);
}

void BuildPool(Pool& pool, Dice& dice, bool natural, v1::Estate& estate) {
  const std::string city = absl::StrCat(std::string(kCities[pool.number % std::size(kCities)]),
                                        pool.number < static_cast<int>(std::size(kCities))
                                            ? ""
                                            : absl::StrCat(pool.number / std::size(kCities) + 1));
  pool.domain = absl::StrCat(city, ".fabrikam.example");
  // In a small pool two hosts keep each other from their thresholds.
  const uint32_t enough_for_two = natural ? 40 : 120;
  const bool two_hosts = pool.two_hosts || (pool.machines > enough_for_two && dice.Chance(0.25));
  const Setup& setup = pool.older_host ? dice.Pick(kOlderSetups) : dice.Pick(kSetups);
  pool.host_build = setup.build;
  pool.host_family = std::string(setup.family);

  uint32_t clients = pool.machines - (two_hosts ? 2 : 1);
  uint32_t away = 0;
  if (pool.exactly != 0 && pool.exactly < clients) {
    away = clients - pool.exactly;
  } else if (pool.exactly == 0 && clients > 20 && (pool.two_sites || dice.Chance(0.4))) {
    away = dice.Between(clients / 5, clients / 3);
  }
  v1::Site& site = *estate.add_sites();
  site.set_name(city);
  site.set_dns_domain(pool.domain);
  pool.sites.push_back(city);
  bool publishes_to_branch = false;
  if (away > 0) {
    // A branch: in the same zone, or in one of its own that looks here.
    v1::Site& branch = *estate.add_sites();
    branch.set_name(absl::StrCat(city, "-west"));
    const bool own_zone = pool.exactly != 0 || dice.Chance(0.5);
    branch.set_dns_domain(own_zone ? absl::StrCat("west.", pool.domain) : pool.domain);
    publishes_to_branch = own_zone && dice.Chance(0.5);
    if (own_zone && !publishes_to_branch) branch.add_search_suffixes(pool.domain);
    pool.sites.push_back(branch.name());
  }
  for (int i = 0; i < (two_hosts ? 2 : 1); ++i) {
    v1::KmsHost& host = *estate.add_kms_hosts();
    host.set_name(absl::StrCat("kms-", city, i == 0 ? "" : "-2"));
    host.set_site(city);
    host.set_edition_id(dice.Chance(0.5) ? "ServerStandard" : "ServerDatacenter");
    host.set_build(setup.build);
    host.set_csvlk_family(std::string(setup.family));
    host.set_revision(setup.revision);
    if (publishes_to_branch) host.add_publish_domains(absl::StrCat("west.", pool.domain));
    pool.hosts.push_back(host.name());
  }
  AddClients(pool, clients - away, pool.sites[0], setup.newest_server, dice, estate);
  if (away > 0) AddClients(pool, away, pool.sites[1], setup.newest_server, dice, estate);
  if (natural && pool.exactly == 0 && dice.Chance(0.15)) {
    // Bought by somebody in a shop: not counted in the pool's size.
    v1::ClientGroup& group = *estate.mutable_client_groups(estate.client_groups_size() - 1);
    if (group.count() > 4 && group.edition_id().substr(0, 6) != "Server") {
      group.set_count(group.count() - 1);
      AddGroup(pool, absl::StrCat("home-", city), 1, group.site(), "Core", 22631, dice, estate);
      pool.prefixes.pop_back();
    }
  }
}

void AddStrangers(Dice& dice, const std::vector<Pool>& pools, v1::Estate& estate) {
  // Taken out of the largest group, so that the number of machines stays.
  const auto take = [&](uint32_t most) {
    v1::ClientGroup* largest = nullptr;
    for (v1::ClientGroup& group : *estate.mutable_client_groups()) {
      if (largest == nullptr || group.count() > largest->count()) largest = &group;
    }
    const uint32_t some = largest->count() < 45 ? 0 : std::min(most, largest->count() / 5);
    largest->set_count(largest->count() - some);
    return some;
  };
  Pool nobody;
  if (dice.Chance(0.6)) {
    const std::string cloud(dice.Pick(kClouds));
    const int before = estate.client_groups_size();
    AddGroup(nobody, "vm-cloud", take(6), pools[0].sites[0], "ServerDatacenter", 20348, dice,
             estate);
    if (estate.client_groups_size() > before)
      estate.mutable_client_groups(before)->set_cloud_host(cloud);
  }
  if (dice.Chance(0.5)) {
    const uint32_t count = take(9);
    if (count < 2) return;
    v1::Site& site = *estate.add_sites();
    site.set_name("directory");
    site.set_dns_domain("ad.fabrikam.example");
    site.set_activation_object("Fabrikam AD Activation Object");
    // Sometimes with a host that nobody needs.
    const bool host = dice.Chance(0.5);
    if (host) {
      v1::KmsHost& row = *estate.add_kms_hosts();
      row.set_name("kms-directory");
      row.set_site("directory");
      row.set_edition_id("ServerStandard");
      row.set_build(20348);
      row.set_csvlk_family("Windows Server 2022");
      row.set_revision(2700);
    }
    AddGroup(nobody, "ad-pc", count - (host ? 1 : 0), "directory", "Enterprise", 22631, dice,
             estate);
  }
}

}  // namespace keymedic::lab
