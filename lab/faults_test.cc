// SPDX-License-Identifier: Apache-2.0
//
// What each fault does to the world, and that its remedy undoes it.
#include "lab/faults.h"

#include <gmock/gmock.h>

#include <map>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "lab/world_testing.h"

namespace keymedic::lab {
namespace {

using keymedic::v1::LICENSE_STATUS_INITIAL_GRACE;
using keymedic::v1::LICENSE_STATUS_LICENSED;
using keymedic::v1::LICENSE_STATUS_NOTIFICATION;
using testing::HasSubstr;
using testing::StartsWith;

constexpr char kKmsLog[] = "Key Management Service";

constexpr char kSecondHost[] =
    " kms_hosts { name: 'kms-2' site: 'berlin' edition_id: 'ServerStandard' build: 20348 "
    "csvlk_family: 'Windows Server 2022' }";

std::string OnHost(absl::string_view fault, absl::string_view more = "") {
  return absl::StrCat("faults { fault: '", fault, "' target: 'kms-1' since_days: 10 ", more, " }");
}
std::string OnClients(absl::string_view fault, absl::string_view more = "") {
  return absl::StrCat("faults { fault: '", fault, "' machines: 'pc-00*' count: 2 since_days: 10 ",
                      more, " }");
}
std::string Hit(const Lived& lab) { return lab.world->faults()[0].machines[0]; }

TEST(FaultsTest, EveryFaultCanBeMade) {
  for (const FaultKind& kind : FaultKinds()) {
    const std::map<absl::string_view, std::string> more = {
        {"count_split", "host: 'kms-2'"},
        {"host_site_cut_off", "site: 'berlin'"},
        {"client_pinned_host", "host: 'kms-1'"},
        {"client_pinned_other_port", "host: 'kms-1'"},
        {"client_activated_by_rogue", "since_days: 2"}};
    const std::string fields = more.contains(kind.name) ? more.at(kind.name) : "";
    const bool small = kind.name == "count_too_low";
    std::string fault = kind.on_host ? OnHost(kind.name, fields) : OnClients(kind.name, fields);
    if (fields == "since_days: 2") fault = absl::StrReplaceAll(fault, {{"since_days: 10 ", ""}});
    if (kind.name == "count_split") fault += kSecondHost;
    Lived lab(SmallEstate(small ? 12 : 30, fault));
    EXPECT_FALSE(kind.what.empty());
    EXPECT_EQ(lab.world->faults().size(), 1u) << std::string(kind.name);
  }
}

TEST(FaultsTest, FirewallClosed) {
  Lived lab(SmallEstate(30, OnHost("host_firewall_closed")));
  EXPECT_EQ(lab.Probe("pc-001", "kms-1.berlin.example"), keymedic::v1::PROBE_RESULT_TIMEOUT);
  EXPECT_EQ(lab.Probe("kms-1", "kms-1.berlin.example"), keymedic::v1::PROBE_RESULT_KMS);
  EXPECT_EQ(lab.Do("pc-001", "Activate").hresult(), 0xC004F074);
  EXPECT_THAT(lab.NewestEvent("pc-001", "Application", 12288).data(0), StartsWith("0x800706BA"));
  EXPECT_THAT(lab.NewestEvent("pc-001", "Application", 8198).data(0), "hr=0xC004F074");
  lab.Do("kms-1", "SetRuleEnabled", kKmsRule, true);
  EXPECT_EQ(lab.Probe("pc-001", "kms-1"), keymedic::v1::PROBE_RESULT_KMS);  // by its short name
  EXPECT_EQ(lab.Do("pc-001", "Activate").hresult(), 0u);
}

TEST(FaultsTest, ServiceStopped) {
  Lived lab(SmallEstate(30, OnHost("host_service_stopped")));
  EXPECT_EQ(lab.Probe("pc-001", "kms-1"), keymedic::v1::PROBE_RESULT_REFUSED);
  EXPECT_FALSE(lab.Host("kms-1").service_running());
  EXPECT_EQ(lab.Do("kms-1", "RestartService", kLicensingService).status(),
            static_cast<int>(absl::StatusCode::kFailedPrecondition));
  lab.Do("kms-1", "SetServiceDisabled", kLicensingService, false);
  EXPECT_EQ(lab.Do("kms-1", "RestartService", kLicensingService).status(), 0);
  EXPECT_EQ(lab.Do("pc-001", "Activate").hresult(), 0u);
}

TEST(FaultsTest, PublishDenied) {
  Lived lab(SmallEstate(30, OnHost("host_dns_publish_denied")));
  const auto answer = lab.Srv("pc-001", "berlin.example");
  EXPECT_EQ(answer.error(), 0x8007232B);
  EXPECT_THAT(lab.NewestEvent("kms-1", kKmsLog, 12293).data(),
              testing::ElementsAre("0x80072338", "berlin.example"));
  const size_t before = lab.Events("kms-1", kKmsLog, 12293).size();
  lab.Do("kms-1", "RestartService", kLicensingService);
  EXPECT_EQ(lab.Events("kms-1", kKmsLog, 12293).size(), before + 1);
  EXPECT_EQ(lab.Srv("pc-001", "berlin.example").records_size(), 0);
}

TEST(FaultsTest, PublishingOff) {
  Lived lab(SmallEstate(30, OnHost("host_dns_publishing_off")));
  EXPECT_EQ(lab.Srv("pc-001", "berlin.example").records_size(), 0);
  EXPECT_EQ(lab.Do("pc-001", "Activate").hresult(), 0u);  // remembers its host
  lab.Do("pc-001", "SetHostCaching", "", false);
  EXPECT_EQ(lab.Do("pc-001", "Activate").hresult(), 0x8007232B);
  EXPECT_EQ(lab.Do("kms-1", "SetDnsPublishing", "", true).status(), 0);
  const auto answer = lab.Srv("pc-001", "berlin.example");
  ASSERT_EQ(answer.records_size(), 1);
  EXPECT_EQ(answer.records(0).target(), "kms-1.berlin.example");
  EXPECT_EQ(answer.records(0).addresses_size(), 1);
  EXPECT_EQ(lab.Do("pc-001", "Activate").hresult(), 0u);
}

TEST(FaultsTest, PortChanged) {
  Lived lab(SmallEstate(30, OnHost("host_port_changed")));
  EXPECT_EQ(lab.Host("kms-1").listening_port(), 1699u);
  EXPECT_EQ(lab.Srv("pc-001", "berlin.example").records(0).port(), 1688u);
  EXPECT_EQ(lab.Probe("pc-001", "kms-1", 1688), keymedic::v1::PROBE_RESULT_REFUSED);
  EXPECT_EQ(lab.Probe("pc-001", "kms-1", 1699), keymedic::v1::PROBE_RESULT_TIMEOUT);
  lab.Do("kms-1", "SetListeningPort", "", false, 1688);
  EXPECT_EQ(lab.Probe("pc-001", "kms-1"), keymedic::v1::PROBE_RESULT_REFUSED);  // not yet in use
  lab.Do("kms-1", "RestartService", kLicensingService);
  EXPECT_EQ(lab.Probe("pc-001", "kms-1"), keymedic::v1::PROBE_RESULT_KMS);
}

TEST(FaultsTest, KeyOfAWrongGroup) {
  Lived lab(SmallEstate(30, OnHost("host_key_wrong_group")));
  EXPECT_EQ(lab.Do("pc-001", "Activate").hresult(), 0xC004F042);
  EXPECT_THAT(lab.NewestEvent("pc-001", "Application", 12288).data(0), StartsWith("0xC004F042"));
  EXPECT_THAT(lab.NewestEvent("kms-1", kKmsLog, 12290).data(0), StartsWith("0xC004F015"));
  EXPECT_GT(lab.Host("kms-1").failed_requests(), 0u);
  EXPECT_EQ(lab.Do("kms-1", "InstallKey", "AAAAA-BBBBB-CCCCC-DDDDD-22222").hresult(), 0u);
  EXPECT_EQ(lab.Product("kms-1").partial_key(), "22222");
  EXPECT_EQ(lab.Probe("pc-001", "kms-1"), keymedic::v1::PROBE_RESULT_REFUSED);  // not activated
  EXPECT_EQ(lab.Do("kms-1", "Activate").hresult(), 0u);
  lab.Do("kms-1", "RestartService", kLicensingService);
  EXPECT_EQ(lab.Do("pc-001", "Activate").hresult(), 0u);
}

TEST(FaultsTest, HostNotActivated) {
  Lived lab(SmallEstate(30, OnHost("host_not_activated")));
  EXPECT_EQ(lab.Product("kms-1").status(), keymedic::v1::LICENSE_STATUS_UNLICENSED);
  EXPECT_EQ(lab.Probe("pc-001", "kms-1"), keymedic::v1::PROBE_RESULT_REFUSED);
  EXPECT_EQ(lab.Do("kms-1", "Activate").hresult(), 0u);
  EXPECT_EQ(lab.Do("pc-001", "Activate").hresult(), 0u);
}

TEST(FaultsTest, LogFull) {
  Lived lab(SmallEstate(150, OnHost("host_log_full")));
  EXPECT_TRUE(lab.Host("kms-1").log_full());
  const size_t before = lab.Events("kms-1", kKmsLog, 12290).size();
  lab.Do("pc-001", "Activate");
  EXPECT_EQ(lab.Events("kms-1", kKmsLog, 12290).size(), before);
  lab.Do("kms-1", "SetLogMaxBytes", kKmsLog, false, 20 << 20);
  lab.Do("pc-001", "Activate");
  EXPECT_FALSE(lab.Host("kms-1").log_full());
  EXPECT_EQ(lab.Events("kms-1", kKmsLog, 12290).size(), before + 1);
}

TEST(FaultsTest, CountTooLow) {
  Lived lab(SmallEstate(12, OnHost("count_too_low")));
  EXPECT_EQ(lab.Host("kms-1").current_count(), 12);
  EXPECT_EQ(lab.Do("pc-001", "Activate").hresult(), 0xC004F038);
}

TEST(FaultsTest, StaleRecord) {
  Lived lab(SmallEstate(30, OnHost("srv_stale", "host: 'kms-0.berlin.example'")));
  const auto answer = lab.Srv("pc-001", "berlin.example");
  ASSERT_EQ(answer.records_size(), 2);
  EXPECT_EQ(lab.Probe("pc-001", "kms-0.berlin.example"), keymedic::v1::PROBE_RESULT_UNRESOLVED);
  EXPECT_EQ(lab.Licensed(), 31);  // the other record still works
  lab.Do("pc-001", "SetHostCaching", "", false);
  EXPECT_EQ(lab.Do("pc-001", "Activate").hresult(), 0u);
}

TEST(FaultsTest, ForeignKeys) {
  Lived mak(SmallEstate(30, OnClients("client_mak")));
  EXPECT_EQ(mak.Product(Hit(mak)).key_channel(), "Volume:MAK");
  EXPECT_TRUE(mak.Product(Hit(mak)).permanent());
  const auto newest = mak.NewestEvent(Hit(mak), "Application", 12288);
  EXPECT_GE(absl::ToUnixSeconds(mak.clock.now) - newest.time().seconds(), 10 * 86400);

  Lived retail(SmallEstate(30, OnClients("client_retail")));
  EXPECT_EQ(retail.Product(Hit(retail)).channel(), "RETAIL");
}

TEST(FaultsTest, KeyOfAnotherEdition) {
  Lived lab(SmallEstate(30, OnClients("client_wrong_edition_key")));
  EXPECT_EQ(lab.Product(Hit(lab)).partial_key(), "T83GX");
  EXPECT_EQ(lab.Product(Hit(lab)).status(), LICENSE_STATUS_INITIAL_GRACE);
  EXPECT_EQ(lab.Do(Hit(lab), "Activate").hresult(), 0xC004F069);
  lab.clock.now += absl::Hours(24 * 21);
  EXPECT_EQ(lab.Product(Hit(lab)).status(), LICENSE_STATUS_NOTIFICATION);
  EXPECT_EQ(lab.NewestEvent(Hit(lab), "Application", 8198).data(0), "hr=0xC004F069");

  Lived servers(SmallEstate(9, OnClients("client_wrong_edition_key"), "ServerStandard", 20348));
  EXPECT_EQ(servers.Product(Hit(servers)).partial_key(), "6VM33");
}

TEST(FaultsTest, PinnedToADeadHost) {
  Lived lab(SmallEstate(30, OnClients("client_pinned_dead_host")));
  EXPECT_EQ(lab.Client(Hit(lab)).registered_host(), "kms-old.berlin.example");
  EXPECT_EQ(lab.Probe(Hit(lab), "kms-old.berlin.example"), keymedic::v1::PROBE_RESULT_TIMEOUT);
  EXPECT_EQ(lab.Do(Hit(lab), "Activate").hresult(), 0xC004F074);
  EXPECT_THAT(lab.NewestEvent(Hit(lab), "Application", 12288).data(0),
              HasSubstr("kms-old.berlin.example:1688"));
  lab.Do(Hit(lab), "ClearKmsHost");
  EXPECT_EQ(lab.Do(Hit(lab), "Activate").hresult(), 0u);
}

TEST(FaultsTest, ClockOff) {
  Lived lab(SmallEstate(30, OnClients("client_clock_off", "hours: -7")));
  EXPECT_EQ(lab.Os(Hit(lab)).clock_skew_minutes(), -420);
  EXPECT_EQ(lab.Do(Hit(lab), "Activate").hresult(), 0xC004F06C);
  EXPECT_THAT(lab.NewestEvent(Hit(lab), "Application", 12288).data(0),
              testing::AllOf(StartsWith("0xC004F06C"), HasSubstr("2026/11/22 05:00")));
  EXPECT_THAT(lab.NewestEvent("kms-1", kKmsLog, 12290).data(0), StartsWith("0xC004F06C"));
  lab.Do(Hit(lab), "SynchroniseClock");
  EXPECT_EQ(lab.Do(Hit(lab), "Activate").hresult(), 0u);

  Lived harmless(SmallEstate(30, OnClients("client_clock_off", "hours: 3.5")));
  EXPECT_EQ(harmless.Do(Hit(harmless), "Activate").hresult(), 0u);
}

TEST(FaultsTest, ClonesCountOnce) {
  // Of 26 machines two are clones: 25 ids are left, and one clone less would be too few.
  Lived lab(SmallEstate(26, OnClients("duplicate_cmid")));
  const auto& clones = lab.world->faults()[0].machines;
  EXPECT_EQ(lab.Client(clones[0]).client_machine_id(), lab.Client(clones[1]).client_machine_id());
  std::set<std::string> names;
  for (const auto& event : lab.Events("kms-1", kKmsLog, 12290)) {
    if (absl::StrContains(event.data(0), lab.Client(clones[0]).client_machine_id()) &&
        absl::ToUnixSeconds(lab.clock.now) - event.time().seconds() < 8 * 86400) {
      names.insert(std::vector<std::string>(absl::StrSplit(event.data(0), ','))[2]);
    }
  }
  EXPECT_EQ(names.size(), 2u);
  lab.clock.now += absl::Hours(24 * 31);
  EXPECT_EQ(lab.Host("kms-1").current_count(), 25);
}

TEST(FaultsTest, SettingsOfClients) {
  Lived caching(SmallEstate(30, OnClients("client_caching_off")));
  EXPECT_FALSE(caching.Client(Hit(caching)).host_caching());

  Lived never(SmallEstate(30, OnClients("client_never_activated")));
  EXPECT_EQ(never.Product(Hit(never)).status(), LICENSE_STATUS_INITIAL_GRACE);
  EXPECT_TRUE(never.Events(Hit(never), "Application", 12288).empty());
  v1::MachineRequest read;  // a bookmark from before the new installation
  read.mutable_read_events()->set_channel("Application");
  read.mutable_read_events()->set_after(500);
  EXPECT_EQ(never.Ask(Hit(never), read).events().last_record_id(), 500u);
  EXPECT_EQ(never.Do(Hit(never), "Activate").hresult(), 0u);
  EXPECT_EQ(never.Ask(Hit(never), read).events().events(0).record_id(), 1u);
  EXPECT_EQ(never.Product(Hit(never)).status(), LICENSE_STATUS_LICENSED);

  Lived type(SmallEstate(30, OnClients("client_type_limited")));
  EXPECT_NE(type.Do(Hit(type), "Activate").hresult(), 0u);
  type.Do(Hit(type), "SetActivationType", "", false, keymedic::v1::ACTIVATION_TYPE_ALL);
  EXPECT_EQ(type.Do(Hit(type), "Activate").hresult(), 0u);

  Lived suffix(SmallEstate(30, OnClients("client_wrong_suffix")));
  EXPECT_EQ(suffix.Os(Hit(suffix)).dns_domain(), "workgroup.invalid");
  EXPECT_EQ(suffix.Srv(Hit(suffix), "workgroup.invalid").error(), 0x8007232B);
}

}  // namespace
}  // namespace keymedic::lab
