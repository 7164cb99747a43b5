// SPDX-License-Identifier: Apache-2.0
#include "kms/diagnosis/forecast.h"

#include <algorithm>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "kms/diagnosis/forecast_testing.h"

namespace keymedic::kms {
namespace {

using namespace testing;  // NOLINT: machines in a few words
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

Estate ClosedHost(int clients) {
  Estate estate;
  MachineState kms1 = Host("kms-berlin", 50);
  CloseFirewall(kms1);
  estate.Upsert(kms1);
  for (int i = 0; i < clients; ++i)
    estate.Upsert(
        Activated(absl::StrCat("pc-", 10 + i), 160 + i % 5, "kms-berlin.contoso.example"));
  return estate;
}

TEST(Forecast, IsToldByCause) {
  const Estate estate = ClosedHost(38);
  const v1::ListForecastsResponse forecast = ForecastOf(estate);
  const v1::ForecastSummary& summary = forecast.summary();
  EXPECT_EQ(summary.machines(), 39u);
  EXPECT_EQ(summary.leaving(), 38u);
  EXPECT_EQ(summary.permanent(), 1u);
  EXPECT_EQ(forecast.total_size(), 39) << "and the count of the host";
  ASSERT_THAT(summary.groups(), SizeIs(2));
  const v1::ForecastGroup& group = summary.groups(0);
  EXPECT_EQ(group.machines(), 38u);
  EXPECT_EQ(FromTimestamp(group.first_at()), kNow + 16 * kDay);
  EXPECT_EQ(FromTimestamp(group.last_at()), kNow + 20 * kDay);
  EXPECT_EQ(group.cause_code(), "HOST_FIREWALL_CLOSED");
  EXPECT_EQ(group.cause_subject(), "kms-berlin");
  EXPECT_EQ(group.prevention().action(), "ensure_firewall_exception");
  EXPECT_EQ(group.prevention().machine_id(), "kms-berlin");
  EXPECT_THAT(group.examples(), ElementsAre("pc-14", "pc-19", "pc-24", "pc-29", "pc-34"));
  // kNow is 2030-03-17.
  EXPECT_EQ(group.text(),
            "38 machines leave Licensed between 2030-04-02 and 2030-04-06, because of "
            "HOST_FIREWALL_CLOSED on kms-berlin (The firewall of the host blocks the KMS port). "
            "ensure_firewall_exception on kms-berlin prevents it: Open the firewall for the KMS "
            "port.");
  EXPECT_EQ(summary.groups(1).event(), v1::FORECAST_EVENT_COUNT_FALLS);
}

TEST(Forecast, EachItsOwnCauseIsOneGroup) {
  Estate estate;
  estate.Upsert(Host("kms1", 50));
  for (int i = 0; i < 3; ++i) {
    MachineState pc = Activated(absl::StrCat("pc-", i), 10 + i);
    pc.os->set_clock_skew_minutes(300);
    estate.Upsert(pc);
  }
  const v1::ListForecastsResponse forecast = ForecastOf(estate);
  const v1::ForecastGroup& group = forecast.summary().groups(0);
  EXPECT_EQ(group.machines(), 3u);
  EXPECT_EQ(group.cause_code(), "CLIENT_CLOCK_SKEW");
  EXPECT_EQ(group.cause_subject(), "");
  EXPECT_EQ(group.prevention().machine_id(), "");
  EXPECT_THAT(group.text(), HasSubstr("ensure_clock on each prevents it"));
}

TEST(Forecast, LooksAsFarAheadAndAtWhomItIsTold) {
  const Estate estate = ClosedHost(10);
  ForecastOptions options{.ahead = 18 * kDay};
  const v1::ListForecastsResponse soon = ForecastOf(estate, {}, options);
  EXPECT_EQ(soon.summary().leaving(), 6u) << "days 16, 17 and 18, two machines on each";
  EXPECT_EQ(soon.summary().later(), 4u);
  EXPECT_EQ(soon.total_size(), 6);
  options.about = [](const MachineState& machine) { return machine.id == "pc-14"; };
  const v1::ListForecastsResponse one = ForecastOf(estate, {}, options);
  EXPECT_EQ(one.summary().machines(), 1u);
  EXPECT_THAT(Lines(one), ElementsAre("pc-14 LEAVES_LICENSED +16 HOST_FIREWALL_CLOSED@kms-berlin"));
}

TEST(Forecast, WhoIsLateAndNotHeardMayHaveRenewedUnseen) {
  Estate estate;
  estate.Upsert(Host("kms1", 50));
  estate.Upsert(Activated("pc", 100));
  v1::Finding silent;
  silent.set_code("AGENT_SILENT");
  silent.set_severity(v1::SEVERITY_NOTICE);
  silent.set_subject("pc");
  silent.set_machine_id("pc");
  EXPECT_THAT(Lines(ForecastOf(estate)),
              ElementsAre("pc LEAVES_LICENSED +80 CLIENT_RENEWAL_OVERDUE@pc"));
  EXPECT_THAT(Lines(ForecastOf(estate, {}, {}, {silent})),
              ElementsAre("pc LEAVES_LICENSED +80 AGENT_SILENT@pc"));
}

TEST(Forecast, SoonestFirstAndTheSameInAnyOrder) {
  Estate one, two;
  std::vector<MachineState> machines = {Host("kms1", 50)};
  for (int i = 0; i < 20; ++i)
    machines.push_back(Activated(absl::StrCat("pc-", i), 20 + i * 7 % 13));
  for (const MachineState& machine : machines) one.Upsert(machine);
  std::reverse(machines.begin(), machines.end());
  for (const MachineState& machine : machines) two.Upsert(machine);
  const v1::ListForecastsResponse forecast = ForecastOf(one);
  EXPECT_EQ(forecast.SerializeAsString(), ForecastOf(two).SerializeAsString());
  for (int i = 1; i < forecast.forecasts_size(); ++i)
    EXPECT_LE(forecast.forecasts(i - 1).at().seconds(), forecast.forecasts(i).at().seconds());
}

TEST(Forecast, AnEmptyEstateHasNone) {
  const v1::ListForecastsResponse forecast = ForecastOf(Estate());
  EXPECT_EQ(forecast.total_size(), 0);
  EXPECT_THAT(forecast.summary().groups(), IsEmpty());
}

}  // namespace
}  // namespace keymedic::kms
