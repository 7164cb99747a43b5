// SPDX-License-Identifier: Apache-2.0
//
// What machines show of the faults that faults_test.cc does not look at: codes, events, counts.
#include <gmock/gmock.h>

#include "absl/strings/str_cat.h"
#include "lab/world_testing.h"

namespace keymedic::lab {
namespace {

using keymedic::v1::PROBE_RESULT_KMS;
using keymedic::v1::PROBE_RESULT_REFUSED;
using keymedic::v1::PROBE_RESULT_TIMEOUT;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

constexpr char kKmsLog[] = "Key Management Service";

std::string OnHost(absl::string_view fault, absl::string_view more = "") {
  return absl::StrCat("faults { fault: '", fault, "' target: 'kms-1' since_days: 10 ", more, " }");
}
std::string OnClient(absl::string_view fault, absl::string_view more = "") {
  return absl::StrCat("faults { fault: '", fault, "' machines: 'pc-001' since_days: 3 ", more,
                      " }");
}

TEST(HostFaultsTest, TheFirewallInItsOtherForms) {
  Lived missing(SmallEstate(30, OnHost("host_firewall_rule_missing")));
  EXPECT_EQ(missing.Probe("pc-001", "kms-1"), PROBE_RESULT_TIMEOUT);
  EXPECT_EQ(missing.Do("kms-1", "SetRuleEnabled", kKmsRule, true).status(),
            static_cast<int>(absl::StatusCode::kNotFound));

  Lived profile(SmallEstate(30, OnHost("host_firewall_wrong_profile")));
  EXPECT_EQ(profile.Probe("pc-001", "kms-1"), PROBE_RESULT_TIMEOUT);
  v1::MachineRequest ask;
  ask.mutable_firewall();
  EXPECT_EQ(profile.Ask("kms-1", ask).firewall().active_profile(), "public");
}

TEST(HostFaultsTest, AStoppedServiceStartsAgain) {
  Lived lab(SmallEstate(30, OnHost("host_service_down")));
  EXPECT_EQ(lab.Probe("pc-001", "kms-1"), PROBE_RESULT_REFUSED);
  EXPECT_EQ(lab.Do("kms-1", "RestartService", kLicensingService).status(), 0);
  EXPECT_EQ(lab.Do("pc-001", "Activate").hresult(), 0u);
}

TEST(HostFaultsTest, TheNetwork) {
  Lived cut(SmallEstate(30, OnHost("host_network_cut")));
  EXPECT_EQ(cut.Probe("pc-001", "kms-1"), PROBE_RESULT_TIMEOUT);
  EXPECT_EQ(cut.Probe("kms-1", "kms-1"), PROBE_RESULT_KMS);
  EXPECT_EQ(cut.Do("pc-001", "Activate").hresult(), 0xC004F074);

  Lived site(SmallEstate(30, absl::StrCat(R"(
    sites { name: "west" dns_domain: "berlin.example" }
    client_groups { prefix: "far" count: 2 site: "west" edition_id: "Enterprise" build: 22631 })",
                                          OnHost("host_site_cut_off", "site: 'west'"))));
  EXPECT_EQ(site.Probe("far-001", "kms-1"), PROBE_RESULT_TIMEOUT);
  EXPECT_EQ(site.Probe("pc-001", "kms-1"), PROBE_RESULT_KMS);

  Lived moved(SmallEstate(30, OnHost("host_address_stale")));
  EXPECT_EQ(moved.Probe("pc-001", "kms-1"), PROBE_RESULT_TIMEOUT);
  const std::string now = moved.Os("kms-1").addresses(0);
  EXPECT_NE(moved.Srv("pc-001", "berlin.example").records(0).addresses(0), now);
  EXPECT_EQ(moved.Probe("pc-001", now), PROBE_RESULT_KMS);
}

TEST(HostFaultsTest, KeysThatCannotBeActivated) {
  Lived used_up(SmallEstate(30, OnHost("host_activation_limit")));
  EXPECT_EQ(used_up.Do("kms-1", "Activate").hresult(), 0xC004C008);
  EXPECT_EQ(used_up.Product("kms-1").status_reason(), 0xC004C008);
  EXPECT_EQ(used_up.Probe("pc-001", "kms-1"), PROBE_RESULT_REFUSED);

  Lived edition(SmallEstate(30, OnHost("host_edition_cannot_host")));
  EXPECT_THAT(edition.Os("kms-1").edition_id(), testing::AnyOf("ServerTurbine", "Enterprise"));
  EXPECT_NE(edition.Do("kms-1", "Activate").hresult(), 0u);
}

TEST(HostFaultsTest, AnOutdatedHostRejectsOnlyWhatIsNewerThanItself) {
  const std::string servers =
      "client_groups { prefix: 'srv' count: 6 site: 'berlin' edition_id: 'ServerStandard' "
      "build: 26100 }";
  Lived lab(SmallEstate(30, servers + OnHost("host_outdated", "family: 'Windows Server 2025'")));
  EXPECT_EQ(lab.Do("pc-001", "Activate").hresult(), 0u);
  EXPECT_EQ(lab.Do("srv-001", "Activate").hresult(), 0xC004F042);
  EXPECT_THAT(lab.NewestEvent("kms-1", kKmsLog, 12290).data(0), StartsWith("0xC004F015"));
}

TEST(HostFaultsTest, RecordsAndLogs) {
  Lived failing(SmallEstate(30, OnHost("host_dns_publish_failing", "error: 0x8007232D")));
  EXPECT_EQ(failing.NewestEvent("kms-1", kKmsLog, 12293).data(0), "0x8007232D");
  EXPECT_EQ(failing.Srv("pc-001", "berlin.example").records_size(), 1);

  Lived lost(SmallEstate(30, OnHost("srv_missing")));
  EXPECT_EQ(lost.Srv("pc-001", "berlin.example").records_size(), 0);
  EXPECT_GT(lost.NewestEvent("kms-1", kKmsLog, 12294).time().seconds(),
            absl::ToUnixSeconds(lost.clock.now) - 86401);
  EXPECT_THAT(lost.Events("kms-1", kKmsLog, 12293), IsEmpty());

  Lived small(SmallEstate(60, OnHost("host_log_small")));
  EXPECT_LT(small.Host("kms-1").log_hours_held(), 24u);
  EXPECT_FALSE(small.Host("kms-1").log_full());

  Lived misread(SmallEstate(30, OnHost("host_count_misread")));
  EXPECT_GT(misread.Host("kms-1").current_count(), 50);
}

TEST(PoolFaultsTest, ClonesStopTheCount) {
  Lived lab(SmallEstate(30, OnHost("count_stuck")));
  EXPECT_EQ(lab.Host("kms-1").current_count(), 1);
  EXPECT_EQ(lab.Do("pc-001", "Activate").hresult(), 0xC004F038);
}

TEST(PoolFaultsTest, TwoHostsShareTheClients) {
  const std::string second =
      "kms_hosts { name: 'kms-2' site: 'berlin' edition_id: 'ServerStandard' build: 20348 "
      "csvlk_family: 'Windows Server 2022' }";
  Lived split(SmallEstate(30, second + OnHost("count_split", "host: 'kms-2'")));
  EXPECT_EQ(split.Host("kms-1").current_count(), 15);
  EXPECT_EQ(split.Host("kms-2").current_count(), 15);
  EXPECT_EQ(split.Do("pc-001", "Activate").hresult(), 0xC004F038);

  Lived standby(SmallEstate(30, second + OnHost("host_standby")));
  EXPECT_EQ(standby.Host("kms-1").current_count(), 0);
  EXPECT_EQ(standby.Host("kms-2").current_count(), 30);
}

TEST(RogueTest, ARecordOrASettingLeadsThere) {
  Lived record(SmallEstate(30, OnHost("srv_rogue", "host: 'kms.rogue.example'")));
  EXPECT_EQ(record.Srv("pc-001", "berlin.example").records_size(), 2);
  EXPECT_EQ(record.Probe("pc-001", "kms.rogue.example"), PROBE_RESULT_KMS);

  Lived pinned(SmallEstate(3, OnClient("client_pinned_rogue")));
  EXPECT_EQ(pinned.Product("pc-001").status(), keymedic::v1::LICENSE_STATUS_LICENSED);
  EXPECT_NE(pinned.Client("pc-001").host_extended_pid(), pinned.Product("kms-1").extended_pid());

  Lived hidden(SmallEstate(30, OnClient("client_activated_by_rogue")));
  EXPECT_EQ(hidden.Client("pc-001").registered_host(), "");
  EXPECT_NE(hidden.Client("pc-001").host_extended_pid(),
            hidden.Client("pc-002").host_extended_pid());
}

TEST(ClientFaultsTest, ThePort) {
  Lived lab(SmallEstate(30, OnClient("client_pinned_other_port", "host: 'kms-1'")));
  EXPECT_EQ(lab.Do("pc-001", "Activate").hresult(), 0xC004F074);
  EXPECT_THAT(lab.NewestEvent("pc-001", "Application", 12288).data(0),
              HasSubstr("kms-1.berlin.example:1699"));
  Lived blocked(SmallEstate(30, OnClient("client_port_blocked")));
  EXPECT_EQ(blocked.Probe("pc-001", "kms-1"), PROBE_RESULT_TIMEOUT);
  EXPECT_EQ(blocked.Probe("pc-002", "kms-1"), PROBE_RESULT_KMS);
}

TEST(ClientFaultsTest, Names) {
  Lived lab(SmallEstate(30, OnClient("client_no_name_server")));
  EXPECT_EQ(lab.Srv("pc-001", "berlin.example").error(), 0x8007267C);
  EXPECT_EQ(lab.Do("pc-001", "Activate").hresult(), 0x8007267C);

  Lived domain(SmallEstate(30, OnClient("client_wrong_lookup_domain")));
  EXPECT_EQ(domain.Client("pc-001").lookup_domain(), "old.berlin.example");
  domain.Do("pc-001", "SetHostCaching", "", false);
  EXPECT_EQ(domain.Do("pc-001", "Activate").hresult(), 0x8007232B);
}

TEST(ClientFaultsTest, Licences) {
  Lived hardware(SmallEstate(30, OnClient("client_hardware_changed")));
  EXPECT_EQ(hardware.Product("pc-001").status_reason(), 0xC004F00F);
  EXPECT_EQ(hardware.Do("pc-001", "Activate").hresult(), 0u);
  EXPECT_EQ(hardware.Product("pc-001").status(), keymedic::v1::LICENSE_STATUS_LICENSED);

  Lived genuine(SmallEstate(30, OnClient("client_non_genuine")));
  EXPECT_EQ(genuine.Product("pc-001").status_reason(), 0xC004F200);
  EXPECT_FALSE(genuine.Product("pc-001").genuine());
  EXPECT_FALSE(genuine.Events("pc-001", "Application", 8209).empty());

  Lived home(SmallEstate(30, OnClient("client_home_edition")));
  EXPECT_EQ(home.Os("pc-001").edition_id(), "Core");
  EXPECT_EQ(home.Product("pc-001").key_channel(), "OEM:DM");

  Lived directory(SmallEstate(30, OnClient("client_in_directory")));
  EXPECT_EQ(directory.Client("pc-001").last_activation_type(),
            keymedic::v1::ACTIVATION_TYPE_DIRECTORY);
  EXPECT_FALSE(directory.Events("pc-001", "Application", 12308).empty());

  Lived stopped(SmallEstate(30,
                            "faults { fault: 'client_renewals_stopped' machines: 'pc-001' "
                            "since_days: 200 }"));
  EXPECT_EQ(stopped.Product("pc-001").status(), keymedic::v1::LICENSE_STATUS_ADDITIONAL_GRACE);
  EXPECT_EQ(stopped.Product("pc-002").status(), keymedic::v1::LICENSE_STATUS_LICENSED);

  Lived clones(SmallEstate(30,
                           "faults { fault: 'clones_without_rearms' machines: 'pc-00*' "
                           "count: 2 since_days: 3 }"));
  const std::string clone = clones.world->faults()[0].machines[0];
  EXPECT_EQ(clones.Do(clone, "Rearm").hresult(), 0xC004D307);
}

TEST(AgentFaultsTest, SayWhatBecameOfTheAgent) {
  Lived silent(SmallEstate(30, OnClient("agent_silent")));
  EXPECT_EQ(silent.world->AgentStateOf("pc-001").silent_since, silent.clock.now - absl::Hours(72));
  EXPECT_FALSE(silent.world->AgentStateOf("pc-002").silent_since.has_value());
  Lived broken(SmallEstate(30, OnClient("plugin_crashes")));
  EXPECT_EQ(broken.world->AgentStateOf("pc-001").quarantined_plugin, "kms_client");
}

TEST(NoiseTest, IsWrittenAndChangesNothing) {
  Lived lab(SmallEstate(30, "noise: true"));
  size_t noise = 0;
  for (int i = 1; i <= 9; ++i)
    noise += lab.Events(absl::StrCat("pc-00", i), "Application", 8208).size();
  EXPECT_GT(noise, 0u);
  EXPECT_EQ(lab.Licensed(), 31);
}

}  // namespace
}  // namespace keymedic::lab
