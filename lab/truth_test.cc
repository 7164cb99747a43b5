// SPDX-License-Identifier: Apache-2.0
//
// What is true of a world with one fault, with several, and with none.
#include "lab/truth.h"

#include <gmock/gmock.h>

#include <ostream>

#include "absl/strings/substitute.h"
#include "kms/tables.h"
#include "lab/world_testing.h"

namespace keymedic::lab {
namespace {

// A zone with two sites and one host, of 40 desktops and 8 servers; `faults` with $0 for what makes
// a fault hit the host, $1 for a fault of one client.
std::string Zone(absl::string_view faults) {
  return absl::StrCat(R"(
    name: "zone" seed: 11
    sites { name: "berlin" dns_domain: "berlin.example" }
    sites { name: "west" dns_domain: "berlin.example" }
    kms_hosts { name: "kms-1" site: "berlin" edition_id: "ServerStandard" build: 17763
                csvlk_family: "Windows Server 2022" revision: 6000 }
    client_groups { prefix: "pc" count: 30 site: "berlin" edition_id: "Enterprise" build: 22631 }
    client_groups { prefix: "far" count: 10 site: "west" edition_id: "Enterprise" build: 22631 }
    client_groups { prefix: "srv" count: 8 site: "berlin" edition_id: "ServerStandard"
                    build: 20348 }
    policy { kms_hosts: "kms-1.berlin.example" }
  )",
                      absl::Substitute(faults, "target: 'kms-1' since_days: 20",
                                       "machines: 'pc-001' since_days: 20",
                                       "machines: 'pc-00*' count: 9 since_days: 20"));
}

struct Case {
  std::string faults, code, subject;
  std::string root_of = "";  // a machine that suffers from just that
};

void PrintTo(const Case& row, std::ostream* out) { *out << row.faults << ": " << row.code; }

class EachFaultTest : public testing::TestWithParam<Case> {};

TEST_P(EachFaultTest, IsRequired) {
  Lived lab(Zone(GetParam().faults));
  ASSERT_NE(lab.world, nullptr);
  const Truth truth = lab.world->CurrentTruth();
  const Condition* const found = truth.Find(GetParam().code, GetParam().subject);
  ASSERT_NE(found, nullptr);
  EXPECT_TRUE(found->required);
  for (const Condition& condition : truth.conditions)
    EXPECT_NE(kms::FindFinding(condition.what.code), nullptr) << condition.what.code;
  if (GetParam().root_of.empty()) return;
  const Root* const root = truth.FindRoot(GetParam().root_of);
  ASSERT_NE(root, nullptr);
  EXPECT_THAT(root->causes, testing::Contains(Statement{GetParam().code, GetParam().subject}));
}

std::string F(absl::string_view name, absl::string_view more = "", int whom = 1) {
  return absl::StrCat("faults { fault: '", name, "' $", whom, " ", more, " }");
}
std::string H(absl::string_view name, absl::string_view more = "") { return F(name, more, 0); }

const char kStale[] = "_vlmcs._tcp.berlin.example -> kms-retired.berlin.example";
const char kRogue[] = "_vlmcs._tcp.berlin.example -> kms-free.berlin.example";

INSTANTIATE_TEST_SUITE_P(
    Hosts, EachFaultTest,
    testing::Values(
        Case{H("host_firewall_closed"), "HOST_FIREWALL_CLOSED", "kms-1", "pc-002"},
        Case{H("host_firewall_rule_missing"), "HOST_FIREWALL_CLOSED", "kms-1", "pc-002"},
        Case{H("host_firewall_wrong_profile"), "HOST_FIREWALL_CLOSED", "kms-1", "pc-002"},
        Case{H("host_service_stopped"), "HOST_SERVICE_STOPPED", "kms-1", "pc-002"},
        Case{H("host_service_down"), "HOST_SERVICE_STOPPED", "kms-1", "pc-002"},
        Case{H("host_port_changed"), "HOST_PORT_MISMATCH", "kms-1", "pc-002"},
        Case{H("host_network_cut"), "HOST_UNREACHABLE", "kms-1", "pc-002"},
        Case{H("host_address_stale"), "HOST_UNREACHABLE", "kms-1", "pc-002"},
        Case{H("host_address_stale"), "HOST_REQUEST_NOT_SEEN", "kms-1", "pc-002"},
        Case{H("host_site_cut_off", "site: 'west'"), "CLIENT_HOST_UNREACHABLE", "far-001",
             "far-001"},
        Case{H("host_not_activated"), "HOST_NOT_LICENSED", "kms-1", "pc-002"},
        Case{H("host_activation_limit"), "HOST_ACTIVATION_LIMIT", "kms-1", "pc-002"},
        Case{H("host_edition_cannot_host"), "HOST_EDITION_CANNOT_HOST", "kms-1", "pc-002"},
        Case{H("host_outdated"), "HOST_SERVICE_OUTDATED", "kms-1", "srv-001"},
        Case{H("host_key_wrong_group", "family: 'Windows Server 2019'"), "HOST_KEY_MISMATCH",
             "kms-1", "srv-001"},
        Case{H("host_key_wrong_group", "family: 'Windows Server 2019'"), "HOST_REQUESTS_FAILING",
             "kms-1"},
        Case{H("host_log_full"), "HOST_EVENT_LOG_FULL", "kms-1"},
        Case{H("host_log_small"), "HOST_EVENT_LOG_FULL", "kms-1"},
        Case{H("host_dns_publish_denied"), "HOST_DNS_PUBLISH_FAILED", "kms-1"},
        Case{H("host_dns_publish_failing", "error: 0x8007232D"), "HOST_DNS_PUBLISH_FAILED",
             "kms-1"},
        Case{H("host_dns_publishing_off") + F("client_caching_off"), "HOST_DNS_PUBLISHING_OFF",
             "kms-1", "pc-001"},
        Case{H("srv_missing"), "HOST_SRV_MISSING", "kms-1"},
        Case{H("srv_stale"), "DNS_SRV_STALE", kStale},
        Case{H("srv_rogue"), "DNS_SRV_UNSANCTIONED", kRogue},
        Case{H("host_count_misread"), "EVIDENCE_CONTRADICTORY", "kms-1"},
        Case{H("count_stuck"), "HOST_COUNT_STUCK", "kms-1", "pc-002"}));

INSTANTIATE_TEST_SUITE_P(
    Clients, EachFaultTest,
    testing::Values(
        Case{F("client_mak"), "CLIENT_KEY_NOT_GVLK", "pc-001", "pc-001"},
        Case{F("client_retail"), "CLIENT_KEY_NOT_GVLK", "pc-001", "pc-001"},
        Case{F("client_oem"), "CLIENT_KEY_NOT_GVLK", "pc-001", "pc-001"},
        Case{F("client_home_edition"), "CLIENT_EDITION_NOT_VOLUME", "pc-001", "pc-001"},
        Case{F("client_wrong_edition_key"), "CLIENT_KEY_WRONG_EDITION", "pc-001", "pc-001"},
        Case{F("client_pinned_dead_host"), "CLIENT_HOST_OVERRIDE", "pc-001", "pc-001"},
        Case{F("client_pinned_host", "host: 'kms-1'"), "CLIENT_HOST_OVERRIDE", "pc-001"},
        Case{F("client_pinned_other_port", "host: 'kms-1'"), "HOST_PORT_MISMATCH", "kms-1",
             "pc-001"},
        Case{F("client_pinned_rogue"), "CLIENT_HOST_UNSANCTIONED", "pc-001"},
        Case{"faults { fault: 'client_activated_by_rogue' machines: 'pc-001' since_days: 3 }",
             "CLIENT_HOST_UNSANCTIONED", "pc-001"},
        Case{F("client_clock_off"), "CLIENT_CLOCK_SKEW", "pc-001", "pc-001"},
        Case{F("duplicate_cmid", "", 2), "CLIENT_DUPLICATE_CMID", "pc-003"},
        Case{F("clones_without_rearms", "", 2), "CLIENT_NO_REARM_LEFT", "pc-003"},
        Case{F("client_caching_off"), "CLIENT_CACHING_OFF", "pc-001"},
        Case{F("client_never_activated"), "CLIENT_NEVER_ACTIVATED", "pc-001", "pc-001"},
        Case{F("client_renewals_stopped"), "CLIENT_RENEWAL_OVERDUE", "pc-001", "pc-001"},
        Case{"faults { fault: 'client_renewals_stopped' machines: 'pc-001' since_days: 170 }",
             "ESTATE_EXPIRY_AHEAD", "estate"},
        Case{"faults { fault: 'client_renewals_stopped' machines: 'pc-001' since_days: 195 }",
             "CLIENT_GRACE_EXPIRING", "pc-001", "pc-001"},
        Case{"faults { fault: 'client_renewals_stopped' machines: 'pc-001' since_days: 230 }",
             "CLIENT_NOT_LICENSED", "pc-001", "pc-001"},
        Case{F("client_hardware_changed"), "CLIENT_HARDWARE_CHANGED", "pc-001", "pc-001"},
        Case{F("client_non_genuine"), "CLIENT_NON_GENUINE", "pc-001", "pc-001"},
        Case{F("client_type_limited"), "CLIENT_ACTIVATION_TYPE_LIMITED", "pc-001", "pc-001"},
        Case{F("client_in_directory"), "CLIENT_ACTIVATED_BY_DIRECTORY", "pc-001"},
        Case{F("client_wrong_suffix") + F("client_caching_off", "over_others: true"),
             "CLIENT_DNS_NO_SRV", "pc-001", "pc-001"},
        Case{F("client_wrong_lookup_domain") + F("client_caching_off", "over_others: true"),
             "CLIENT_LOOKUP_DOMAIN_WRONG", "pc-001", "pc-001"},
        Case{F("client_no_name_server"), "CLIENT_DNS_NO_SERVER", "pc-001", "pc-001"},
        Case{F("client_port_blocked"), "CLIENT_HOST_UNREACHABLE", "pc-001", "pc-001"},
        Case{F("agent_silent"), "AGENT_SILENT", "pc-001"},
        Case{F("plugin_crashes"), "AGENT_PLUGIN_QUARANTINED", "pc-001"}));

TEST(TruthTest, OfAHealthyZone) {
  Lived lab(Zone(""));
  const Truth truth = lab.world->CurrentTruth();
  EXPECT_TRUE(truth.roots.empty());
  for (const Condition& condition : truth.conditions)
    EXPECT_EQ(condition.what.code, "HOST_COUNT_SATURATED") << condition.what.subject;
}

TEST(TruthTest, SymptomsHoldAndAreNotRequired) {
  Lived lab(Zone(H("host_firewall_closed")));
  const Truth truth = lab.world->CurrentTruth();
  for (const char* code : {"CLIENT_HOST_UNREACHABLE", "CLIENT_RENEWAL_OVERDUE"}) {
    const Condition* const found = truth.Find(code, "pc-002");
    ASSERT_NE(found, nullptr) << code;
    EXPECT_FALSE(found->required);
  }
  EXPECT_EQ(truth.roots.size(), 48u);
  EXPECT_EQ(truth.FindRoot("pc-002")->causes.size(), 1u);
}

TEST(TruthTest, OfSmallAndOfSplitPools) {
  Lived small(SmallEstate(12, "faults { fault: 'client_mak' machines: 'pc-001' since_days: 9 }"));
  const Truth low = small.world->CurrentTruth();
  EXPECT_TRUE(low.Find("HOST_COUNT_TOO_LOW", "kms-1")->required);
  EXPECT_TRUE(low.Find("CLIENT_MAK_UNTIL_COUNT", "pc-001")->required);
  EXPECT_EQ(low.FindRoot("pc-001"), nullptr);
  EXPECT_THAT(low.FindRoot("pc-002")->causes,
              testing::ElementsAre(Statement{"HOST_COUNT_TOO_LOW", "kms-1"}));

  const std::string second =
      "kms_hosts { name: 'kms-2' site: 'berlin' edition_id: 'ServerStandard' build: 20348 "
      "csvlk_family: 'Windows Server 2022' }";
  Lived split(SmallEstate(
      30, second + "faults { fault: 'count_split' target: 'kms-1' host: 'kms-2' since_days: 20 }"));
  const Truth apart = split.world->CurrentTruth();
  const Statement cause{"HOST_COUNT_SPLIT", "_vlmcs._tcp.berlin.example"};
  ASSERT_NE(apart.Find(cause.code, cause.subject), nullptr);
  EXPECT_FALSE(apart.Find("HOST_COUNT_TOO_LOW", "kms-1")->required);
  EXPECT_THAT(apart.FindRoot("pc-002")->causes, testing::ElementsAre(cause));

  Lived standby(
      SmallEstate(60, second + "faults { fault: 'host_standby' target: 'kms-2' since_days: 5 }"));
  EXPECT_TRUE(standby.world->CurrentTruth().Find("HOST_COUNT_ZERO", "kms-2")->required);
}

TEST(TruthTest, OfSeveralFaultsOnOneMachineAndOneHost) {
  Lived lab(Zone(H("host_firewall_closed") + H("host_service_down") +
                 F("client_wrong_edition_key") + F("client_clock_off", "over_others: true")));
  const Truth truth = lab.world->CurrentTruth();
  EXPECT_TRUE(truth.Find("HOST_FIREWALL_CLOSED", "kms-1")->required);
  EXPECT_TRUE(truth.Find("HOST_SERVICE_STOPPED", "kms-1")->required);
  EXPECT_TRUE(truth.Find("CLIENT_CLOCK_SKEW", "pc-001")->required);
  EXPECT_THAT(truth.FindRoot("pc-001")->causes,
              testing::ElementsAre(Statement{"CLIENT_CLOCK_SKEW", "pc-001"},
                                   Statement{"CLIENT_KEY_WRONG_EDITION", "pc-001"}));
  EXPECT_EQ(truth.FindRoot("pc-002")->causes.size(), 2u);
}

TEST(TruthTest, CloudsAndDirectoriesAreNoProblem) {
  Lived lab(SmallEstate(30, R"(
    sites { name: "ad" dns_domain: "ad.example" activation_object: "The Object" }
    client_groups { prefix: "ad" count: 3 site: "ad" edition_id: "Enterprise" build: 22631 }
    client_groups { prefix: "vm" count: 3 site: "berlin" edition_id: "ServerStandard" build: 20348
                    cloud_host: "azkms.core.windows.net" }
    policy { kms_hosts: "kms-1.berlin.example" })"));
  const Truth truth = lab.world->CurrentTruth();
  EXPECT_TRUE(truth.roots.empty());
  for (const Condition& condition : truth.conditions)
    EXPECT_EQ(condition.what.code, "CLIENT_ACTIVATED_BY_DIRECTORY") << condition.what.subject;
  EXPECT_EQ(truth.conditions.size(), 3u);
  EXPECT_EQ(lab.Client("ad-001").activation_object(), "The Object");
  EXPECT_FALSE(lab.Events("ad-001", "Application", 12308).empty());
  EXPECT_EQ(lab.Product("vm-001").status(), keymedic::v1::LICENSE_STATUS_LICENSED);
}

TEST(TruthTest, CombinationsThatUndoEachOtherAreRefused) {
  const auto twice = ParseEstate(Zone(H("host_firewall_closed") + H("host_firewall_rule_missing")),
                                 "test.textproto");
  EXPECT_THAT(std::string(twice.status().message()),
              testing::HasSubstr("one of them would undo the other"));
  const auto keys = ParseEstate(Zone(F("client_mak") + F("client_retail", "over_others: true")),
                                "test.textproto");
  EXPECT_FALSE(keys.ok());
}

}  // namespace
}  // namespace keymedic::lab
