// SPDX-License-Identifier: Apache-2.0
//
// The rules by which a lab lives. What each fault does to it stands in faults_test.cc.
#include "lab/world.h"

#include <gmock/gmock.h>

#include <set>
#include <thread>

#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "lab/kms_host.h"
#include "lab/world_testing.h"

namespace keymedic::lab {
namespace {

using keymedic::v1::LICENSE_STATUS_ADDITIONAL_GRACE;
using keymedic::v1::LICENSE_STATUS_INITIAL_GRACE;
using keymedic::v1::LICENSE_STATUS_LICENSED;
using keymedic::v1::LICENSE_STATUS_NOTIFICATION;
using testing::HasSubstr;
using testing::StartsWith;

constexpr absl::Duration kDay = absl::Hours(24);
constexpr char kFirewallClosed[] =
    "faults { fault: 'host_firewall_closed' target: 'kms-1' since_days: ";

std::vector<std::string> Fields(const keymedic::v1::EventRecord& event, absl::string_view split) {
  return event.data().empty()
             ? std::vector<std::string>()
             : std::vector<std::string>(absl::StrSplit(event.data(0), std::string(split)));
}

TEST(ThresholdTest, DesktopsNeedTwentyFive) {
  Lived few(SmallEstate(24));
  EXPECT_EQ(few.Licensed(), 1);  // the host
  EXPECT_EQ(few.Host("kms-1").current_count(), 24);
  const auto answer = Fields(few.NewestEvent("pc-001", "Application", 12289), ", ");
  EXPECT_EQ(answer[1], "0x04000000");
  EXPECT_EQ(answer[2], "0");
  EXPECT_EQ(answer[4], "24");
  EXPECT_EQ(few.Do("pc-001", "Activate").hresult(), 0xC004F038);

  EXPECT_EQ(Lived(SmallEstate(25)).Licensed(), 26);
}

TEST(ThresholdTest, ServersNeedFiveAndSharesTheCountWithDesktops) {
  EXPECT_EQ(Lived(SmallEstate(4, "", "ServerStandard", 20348)).Licensed(), 1);
  EXPECT_EQ(Lived(SmallEstate(5, "", "ServerStandard", 20348)).Licensed(), 6);
  const std::string servers =
      "client_groups { prefix: 'srv' count: 5 site: 'berlin' edition_id: 'ServerStandard' "
      "build: 20348 }";
  EXPECT_EQ(Lived(SmallEstate(20, servers)).Licensed(), 26);
  EXPECT_EQ(Lived(SmallEstate(19, servers)).Licensed(), 6);
}

TEST(CountTest, StopsAtTwiceTheHighestPolicy) {
  EXPECT_EQ(Lived(SmallEstate(80)).Host("kms-1").current_count(), 50);
  EXPECT_EQ(Lived(SmallEstate(30, "", "ServerStandard", 20348)).Host("kms-1").current_count(), 10);
}

TEST(CountTest, ForgetsAfterThirtyDaysAndCountsEachIdOnce) {
  KmsHost host("kms", 0);
  host.csvlk_family = "Windows Server 2022";
  const absl::Time start = absl::FromUnixSeconds(1'700'000'000);
  KmsRequest request{.client_machine_id = "a",
                     .client_time = start,
                     .status = LICENSE_STATUS_INITIAL_GRACE,
                     .family = "Windows Server 2022",
                     .required_count = 5};
  EXPECT_EQ(host.Process(request, start).count, 1u);
  EXPECT_EQ(host.Process(request, start).count, 1u);
  request.client_machine_id = "b";
  EXPECT_EQ(host.Process(request, start + absl::Hours(3)).count, 2u);
  EXPECT_EQ(host.Count(start + 30 * kDay - absl::Seconds(1)), 2u);
  EXPECT_EQ(host.Count(start + 30 * kDay), 1u);
  EXPECT_EQ(host.Count(start + 31 * kDay), 0u);
  EXPECT_EQ(host.counters().total, 3u);
  EXPECT_EQ(host.counters().by_status[LICENSE_STATUS_INITIAL_GRACE], 3u);
}

TEST(RenewalTest, HealthyClientsRenewEverySevenDaysForAHundredAndEighty) {
  Lived lab(SmallEstate(30));
  const auto answers = lab.Events("pc-003", "Application", 12289);
  ASSERT_GE(answers.size(), 4u);
  for (size_t i = answers.size() - 3; i < answers.size(); ++i) {
    EXPECT_EQ(answers[i].time().seconds() - answers[i - 1].time().seconds(), 7 * 86400);
  }
  const auto client = lab.Client("pc-003");
  const auto product = lab.Product("pc-003");
  EXPECT_EQ(product.expires_at().seconds() - client.last_activation_at().seconds(), 180 * 86400);
  EXPECT_LE(absl::ToUnixSeconds(lab.clock.now) - client.last_activation_at().seconds(), 7 * 86400);
  EXPECT_EQ(client.discovered_host(), "kms-1.berlin.example");
  EXPECT_FALSE(product.permanent());

  lab.clock.now += 7 * kDay;
  EXPECT_GT(lab.Client("pc-003").last_activation_at().seconds(),
            client.last_activation_at().seconds());
}

TEST(RetryTest, UnansweredClientsAskEveryTwoHoursAndComeBackByThemselves) {
  Lived lab(SmallEstate(30, absl::StrCat(kFirewallClosed, "20 }")));
  const auto requests = lab.Events("pc-002", "Application", 12288);
  ASSERT_GE(requests.size(), 10u);
  for (size_t i = requests.size() - 5; i < requests.size(); ++i) {
    EXPECT_EQ(requests[i].time().seconds() - requests[i - 1].time().seconds(), 7200);
    EXPECT_THAT(requests[i].data(0),
                StartsWith("0x800706BA, 0x00000000, kms-1.berlin.example:1688, "));
  }
  EXPECT_EQ(lab.Product("pc-002").status(), LICENSE_STATUS_LICENSED);
  const auto before = lab.Client("pc-002").last_activation_at().seconds();
  EXPECT_GE(absl::ToUnixSeconds(lab.clock.now) - before, 20 * 86400);

  EXPECT_EQ(lab.Do("kms-1", "SetRuleEnabled", "SPPSVC-In-TCP", true).status(), 0);
  lab.clock.now += absl::Hours(2);
  for (int i = 1; i <= 30; ++i) {
    const std::string name = absl::StrFormat("pc-%03d", i);
    EXPECT_LE(absl::ToUnixSeconds(lab.clock.now) - lab.Client(name).last_activation_at().seconds(),
              7200)
        << name;
  }
}

TEST(ExpiryTest, LicensedThenThirtyDaysOfGraceThenNotification) {
  const auto product = [](int days) {
    return Lived(SmallEstate(30, absl::StrCat(kFirewallClosed, days, " }"))).Product("pc-001");
  };
  EXPECT_EQ(product(170).status(), LICENSE_STATUS_LICENSED);
  EXPECT_EQ(product(190).status(), LICENSE_STATUS_ADDITIONAL_GRACE);
  EXPECT_EQ(product(190).status_reason(), 0x4004F00D);
  EXPECT_EQ(product(215).status(), LICENSE_STATUS_NOTIFICATION);
  EXPECT_EQ(product(215).status_reason(), 0xC004F009);
  EXPECT_FALSE(product(215).has_expires_at());
}

TEST(ExpiryTest, WithACountOfZeroTheFirstTwentyFourAreTurnedAway) {
  Lived lab(SmallEstate(30, absl::StrCat(kFirewallClosed, "220 }")));
  EXPECT_EQ(lab.Licensed(), 1);
  EXPECT_EQ(lab.Host("kms-1").current_count(), 0);
  lab.Do("kms-1", "SetRuleEnabled", "SPPSVC-In-TCP", true);
  int refused = 0;
  for (int i = 1; i <= 30; ++i)
    refused += lab.Do(absl::StrFormat("pc-%03d", i), "Activate").hresult() == 0xC004F038 ? 1 : 0;
  EXPECT_EQ(refused, 24);
  lab.clock.now += absl::Hours(2);
  EXPECT_EQ(lab.Licensed(), 31);
}

TEST(EventTest, BothSidesTellTheSameAttempt) {
  Lived lab(SmallEstate(30));
  EXPECT_EQ(lab.Do("pc-004", "Activate").hresult(), 0u);
  const auto cmid = lab.Client("pc-004").client_machine_id();
  EXPECT_EQ(lab.NewestEvent("pc-004", "Application", 12288).data(0),
            absl::StrCat("0x00000000, 0x00000000, kms-1.berlin.example:1688, ", cmid,
                         ", 2026/11/22 12:00, 0, 1, ",
                         Fields(lab.NewestEvent("pc-004", "Application", 12288), ", ")[7],
                         ", 73111121-5638-40f6-bc11-f1d7b0d64300, 25"));
  EXPECT_EQ(lab.NewestEvent("pc-004", "Application", 12289).data(0),
            "0x00000000, 0x00000000, 1, 0, 30, 120, 10080, 2026/11/22 12:00");
  EXPECT_THAT(lab.NewestEvent("kms-1", "Key Management Service", 12290).data(0),
              StartsWith(absl::StrCat("0x00000000,25,pc-004.berlin.example,", cmid,
                                      ",2026/11/22 12:00,0,1,")));
  const auto published = lab.NewestEvent("kms-1", "Key Management Service", 12294);
  EXPECT_THAT(published.data(), testing::ElementsAre("berlin.example"));
}

TEST(EventTest, BookmarksAndBounds) {
  Lived lab(SmallEstate(30, "application_log_records: 10"));
  v1::MachineRequest request;
  request.mutable_read_events()->set_channel("Application");
  request.mutable_read_events()->set_limit(4);
  const auto first = lab.Ask("pc-001", request).events();
  ASSERT_EQ(first.events_size(), 4);
  EXPECT_GT(first.events(0).record_id(), 1u);  // the oldest were overwritten
  request.mutable_read_events()->set_after(first.last_record_id());
  request.mutable_read_events()->set_limit(0);
  const auto rest = lab.Ask("pc-001", request).events();
  EXPECT_EQ(rest.events_size(), 6);
  EXPECT_EQ(rest.events(0).record_id(), first.last_record_id() + 1);
  request.mutable_read_events()->set_after(rest.last_record_id());
  EXPECT_EQ(lab.Ask("pc-001", request).events().last_record_id(), rest.last_record_id());
  request.mutable_read_events()->set_channel("Key Management Service");
  EXPECT_EQ(lab.Ask("pc-001", request).status(), static_cast<int>(absl::StatusCode::kNotFound));
}

TEST(KeyTest, OnlyTheEditionsOwnClientKeyFits) {
  Lived lab(SmallEstate(30, "faults { fault: 'client_mak' machines: 'pc-001' since_days: 9 }"));
  EXPECT_EQ(lab.Do("pc-001", "InstallKey", "W269N-WFGWX-YVC9B-4J6C9-T83GX").hresult(), 0xC004F069);
  EXPECT_EQ(lab.Do("pc-001", "InstallKey", "AAAAA-BBBBB-CCCCC-DDDDD-EEEEE").hresult(), 0xC004F050);
  EXPECT_EQ(lab.Do("pc-001", "InstallKey", "nonsense").hresult(), 0xC004F050);
  EXPECT_EQ(lab.Product("pc-001").channel(), "VOLUME_MAK");
  EXPECT_EQ(lab.Do("pc-001", "InstallKey", "NPPR9-FWDCX-D2C8J-H872K-2YT43").hresult(), 0u);
  EXPECT_EQ(lab.Product("pc-001").channel(), "VOLUME_KMSCLIENT");
  EXPECT_EQ(lab.Product("pc-001").partial_key(), "2YT43");
  EXPECT_EQ(lab.Product("pc-001").status(), LICENSE_STATUS_INITIAL_GRACE);
  lab.clock.now += absl::Hours(2);
  EXPECT_EQ(lab.Product("pc-001").status(), LICENSE_STATUS_LICENSED);
}

TEST(RearmTest, ANewIdAfterTheRestartAndNotBefore) {
  Lived lab(SmallEstate(30));
  const std::string before = lab.Client("pc-001").client_machine_id();
  const uint32_t rearms = lab.Product("pc-001").rearms_left();
  v1::MachineRequest pending;
  pending.mutable_rearm_pending();
  EXPECT_FALSE(lab.Ask("pc-001", pending).rearm_pending());
  EXPECT_EQ(lab.Do("pc-001", "Rearm").hresult(), 0u);
  EXPECT_EQ(lab.Client("pc-001").client_machine_id(), before);
  EXPECT_TRUE(lab.Ask("pc-001", pending).rearm_pending());
  EXPECT_EQ(lab.Do("pc-001", "Restart").status(), 0);
  EXPECT_FALSE(lab.Ask("pc-001", pending).rearm_pending());
  EXPECT_NE(lab.Client("pc-001").client_machine_id(), before);
  EXPECT_EQ(lab.Product("pc-001").status(), LICENSE_STATUS_INITIAL_GRACE);
  EXPECT_EQ(lab.Product("pc-001").rearms_left(), rearms - 1);
  EXPECT_EQ(lab.Do("pc-001", "Activate").hresult(), 0u);
  EXPECT_EQ(lab.Host("kms-1").current_count(), 31);  // the old id is remembered for 30 days
}

TEST(ServeTest, UnknownMachinesAndActsAreNamed) {
  Lived lab(SmallEstate(1));
  EXPECT_THAT(lab.Do("pc-999", "Rearm").message(), HasSubstr("pc-999"));
  EXPECT_THAT(lab.Do("pc-001", "Levitate").message(), HasSubstr("Levitate"));
  EXPECT_THAT(lab.Do("pc-001", "SetListeningPort", "", false, 1700).message(),
              HasSubstr("not a KMS host"));
  EXPECT_EQ(lab.Do("kms-1", "SetRuleEnabled", "no-such-rule", true).status(),
            static_cast<int>(absl::StatusCode::kNotFound));
  EXPECT_EQ(lab.Ask("pc-001", {}).status(), static_cast<int>(absl::StatusCode::kInvalidArgument));
}

std::string Everything(Lived& lab) {
  std::string out;
  for (const std::string& name : lab.world->machine_names()) {
    absl::StrAppend(&out, lab.Os(name).SerializeAsString(), lab.Product(name).SerializeAsString(),
                    lab.Client(name).SerializeAsString());
    for (const auto& event : lab.Events(name, "Application", 12288))
      absl::StrAppend(&out, event.SerializeAsString());
  }
  return out;
}

TEST(SeedTest, SameSeedSameEstate) {
  const std::string text =
      SmallEstate(30, "faults { fault: 'client_mak' machines: 'pc-*' count: 4 since_days: 20 }");
  Lived a(text), b(text);
  EXPECT_EQ(Everything(a), Everything(b));
  std::string other = text;
  other.replace(other.find("seed: 7"), 7, "seed: 8");
  Lived c(other);
  EXPECT_NE(Everything(a), Everything(c));
}

TEST(SeedTest, IdsAndAddressesAreUnique) {
  Lived lab(SmallEstate(400));
  std::set<std::string> ids, addresses;
  for (const std::string& name : lab.world->machine_names()) {
    EXPECT_TRUE(ids.insert(lab.Client(name).client_machine_id()).second) << name;
    EXPECT_TRUE(addresses.insert(lab.Os(name).addresses(0)).second) << name;
  }
}

TEST(ThreadTest, ManyMayAskAtOnce) {
  Lived lab(SmallEstate(30));
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&lab, t] {
      for (int i = 0; i < 50; ++i)
        lab.Do(absl::StrFormat("pc-%03d", 1 + (t * 7 + i) % 30), "Activate");
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(lab.Licensed(), 31);
}

}  // namespace
}  // namespace keymedic::lab
