// SPDX-License-Identifier: Apache-2.0
#include "kms/diagnosis/forecast.h"

#include <algorithm>

#include "base/times.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "kms/diagnosis/forecast_machine.h"
#include "kms/diagnosis/machines_testing.h"

namespace keymedic::kms {
namespace {

using namespace testing;  // NOLINT: machines in a few words
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr absl::Duration kDay = absl::Hours(24);

// Activated so many days ago by kms1, licensed for 180 days from then.
MachineState Activated(std::string id, int days_ago, const char* host = "kms1.contoso.example") {
  MachineState machine = HealthyClient(std::move(id));
  Set(kNow - days_ago * kDay, machine.client->mutable_last_activation_at());
  Set(kNow + (180 - days_ago) * kDay, machine.licensing->mutable_products(0)->mutable_expires_at());
  machine.client->set_discovered_host(host);
  machine.client->set_discovered_port(1688);
  AddRecord(AddAnswer(machine), host);
  return machine;
}

MachineState Host(std::string id, int count) {
  MachineState host = HealthyHost(std::move(id), count);
  host.licensing->mutable_products(0)->set_permanent(true);
  return host;
}

void Asked(MachineState& host, const std::string& cmid, int days_ago, uint32_t required = 25) {
  v1::RequestSummary& request = *host.host->add_requests();
  request.set_client_machine_id(cmid);
  request.set_required_count(required);
  Set(kNow - days_ago * kDay, request.mutable_last_at());
}

void CloseFirewall(MachineState& host) { host.firewall->mutable_rules(0)->set_enabled(false); }

v1::ListForecastsResponse ForecastOf(const Estate& estate, const v1::Policy& policy = {},
                                     const ForecastOptions& options = {},
                                     std::vector<v1::Finding> more = {}) {
  std::vector<v1::Finding> all = DiagnoseRecords(estate, policy, kNow);
  for (const auto& [id, machine] : estate.index().machines) {
    for (v1::Finding& finding : Diagnose(estate, id, policy)) all.push_back(std::move(finding));
  }
  for (v1::Finding& finding : more) all.push_back(std::move(finding));
  return Forecast(estate, Fold(estate, std::move(all)), policy, kNow, options);
}

// "pc LEAVES_LICENSED +20 CODE@subject"
std::vector<std::string> Lines(const v1::ListForecastsResponse& forecast) {
  std::vector<std::string> lines;
  for (const v1::Forecast& one : forecast.forecasts()) {
    std::string line = absl::StrCat(
        one.subject(), " ",
        v1::ForecastEvent_Name(one.event()).substr(std::string("FORECAST_EVENT_").size()));
    if (one.threshold() != 0) absl::StrAppend(&line, "(", one.threshold(), ")");
    absl::StrAppend(&line, " +", (FromTimestamp(one.at()) - kNow) / kDay);
    if (!one.cause_code().empty())
      absl::StrAppend(&line, " ", one.cause_code(), "@", one.cause_subject());
    lines.push_back(std::move(line));
  }
  return lines;
}

struct MachineCase {
  const char* name;
  std::function<void(MachineState& pc, MachineState& kms1)> change;
  Course course;
  int days;  // until it happens
  const char* cause = "";
};

v1::Product& ProductOf(MachineState& machine) { return *machine.licensing->mutable_products(0); }

void Failed(MachineState& pc, uint32_t error, int days_ago) {
  v1::ActivationAttempt& attempt = AddAttempt(pc, 12288, error, "kms1.contoso.example");
  Set(kNow - days_ago * kDay, attempt.mutable_at());
}

void Keyed(MachineState& pc, const char* channel) {
  ProductOf(pc).set_channel(channel);
  ProductOf(pc).set_description(absl::StrCat("Windows(R), ", channel, " channel"));
}

const MachineCase kMachineCases[] = {
    {"renewed yesterday", [](auto& pc, auto& kms1) {}, Course::kRenews, 0},
    {"renewed a week ago, is due now", [](auto& pc, auto& kms1) { pc = Activated("pc", 7); },
     Course::kRenews, 0},
    {"two intervals ago: late, not yet overdue",
     [](auto& pc, auto& kms1) { pc = Activated("pc", 14); }, Course::kRenews, 0},
    {"not renewed for 15 days: leaves on day 180",
     [](auto& pc, auto& kms1) { pc = Activated("pc", 15); }, Course::kLeavesLicensed, 165,
     "CLIENT_RENEWAL_OVERDUE@pc"},
    {"its host tells it to renew every 20 days",
     [](auto& pc, auto& kms1) {
       pc = Activated("pc", 39);
       pc.client->set_renewal_interval_minutes(20 * 1440);
     },
     Course::kRenews, 0},
    {"the end is not told, but the activation is",
     [](auto& pc, auto& kms1) {
       pc = Activated("pc", 100);
       ProductOf(pc).clear_expires_at();
     },
     Course::kLeavesLicensed, 80, "CLIENT_RENEWAL_OVERDUE@pc"},
    {"neither is told",
     [](auto& pc, auto& kms1) {
       ProductOf(pc).clear_expires_at();
       pc.client->clear_last_activation_at();
     },
     Course::kUnknown, 0},
    {"permanent", [](auto& pc, auto& kms1) { ProductOf(pc).set_permanent(true); }, Course::kForever,
     0},
    {"MAK",
     [](auto& pc, auto& kms1) {
       Keyed(pc, "VOLUME_MAK");
       ProductOf(pc).clear_expires_at();
     },
     Course::kForever, 0},
    {"retail",
     [](auto& pc, auto& kms1) {
       Keyed(pc, "RETAIL");
       ProductOf(pc).clear_expires_at();
     },
     Course::kForever, 0},
    {"an evaluation ends when it says",
     [](auto& pc, auto& kms1) {
       Keyed(pc, "TIMEBASED_EVAL");
       ProductOf(pc).clear_expires_at();
       Set(kNow + 40 * kDay, ProductOf(pc).mutable_evaluation_ends_at());
     },
     Course::kLicenseEnds, 40, "CLIENT_KEY_NOT_GVLK@pc"},
    {"a key of a guest, renewed by what is not seen",
     [](auto& pc, auto& kms1) { Keyed(pc, "VIRTUAL_MACHINE_ACTIVATION"); }, Course::kUnknown, 0},
    {"grace ends in 12 days",
     [](auto& pc, auto& kms1) {
       ProductOf(pc).set_status(v1::LICENSE_STATUS_ADDITIONAL_GRACE);
       Set(kNow + 12 * kDay, ProductOf(pc).mutable_expires_at());
     },
     Course::kLeavesGrace, 12, "CLIENT_GRACE_EXPIRING@pc"},
    {"in notification: nothing to lose",
     [](auto& pc, auto& kms1) {
       ProductOf(pc).set_status(v1::LICENSE_STATUS_NOTIFICATION);
       ProductOf(pc).clear_expires_at();
     },
     Course::kNotLicensed, 0},
    {"nothing has arrived", [](auto& pc, auto& kms1) { pc.licensing.reset(); }, Course::kUnknown,
     0},
    {"its newest attempt failed after it was activated",
     [](auto& pc, auto& kms1) {
       pc = Activated("pc", 8);
       Failed(pc, 0xC004F042, 1);
     },
     Course::kLeavesLicensed, 172, "CLIENT_HOST_KEY_MISMATCH@pc"},
    {"it failed before it was activated",
     [](auto& pc, auto& kms1) {
       pc = Activated("pc", 2);
       Failed(pc, 0xC004F074, 3);
     },
     Course::kRenews, 0},
    {"the failure is over: a probe reaches the host now",
     [](auto& pc, auto& kms1) {
       pc = Activated("pc", 8);
       Failed(pc, 0xC004F074, 1);
       AddProbe(pc, "kms1.contoso.example", v1::PROBE_RESULT_KMS);
     },
     Course::kRenews, 0},
    {"an hour of clock is tolerated, four are not",
     [](auto& pc, auto& kms1) { pc.os->set_clock_skew_minutes(65); }, Course::kRenews, 0},
    {"five hours of clock",
     [](auto& pc, auto& kms1) {
       pc = Activated("pc", 3);
       pc.os->set_clock_skew_minutes(300);
     },
     Course::kLeavesLicensed, 177, "CLIENT_CLOCK_SKEW@pc"},
    {"the firewall of its host is closed", [](auto& pc, auto& kms1) { CloseFirewall(kms1); },
     Course::kLeavesLicensed, 179, "HOST_FIREWALL_CLOSED@kms1"},
    {"its host is not licensed",
     [](auto& pc, auto& kms1) {
       ProductOf(kms1).set_status(v1::LICENSE_STATUS_NOTIFICATION);
       AddProbe(pc, "kms1.contoso.example", v1::PROBE_RESULT_KMS);
     },
     Course::kLeavesLicensed, 179, "HOST_NOT_LICENSED@kms1"},
    {"its host counts too few, and nobody else asks",
     [](auto& pc, auto& kms1) { kms1.host->set_current_count(3); }, Course::kLeavesLicensed, 179,
     "HOST_COUNT_TOO_LOW@kms1"},
    {"three are enough for nobody, but the count grows",
     [](auto& pc, auto& kms1) {
       kms1.host->set_current_count(3);
       for (int i = 0; i < 24; ++i) Asked(kms1, absl::StrCat("a-", i), 6);
     },
     Course::kRenews, 0},
    {"activated by the directory: the host is nothing to it",
     [](auto& pc, auto& kms1) {
       CloseFirewall(kms1);
       pc.client->set_activation_object("contoso-ao");
     },
     Course::kRenews, 0},
};

TEST(ForecastMachine, Cases) {
  for (const MachineCase& c : kMachineCases) {
    SCOPED_TRACE(c.name);
    MachineState pc = Activated("pc", 1), kms1 = Host("kms1", 50);
    c.change(pc, kms1);
    Estate estate;
    estate.Upsert(kms1);
    estate.Upsert(pc);
    const MachineOutlook outlook = Outlooks(estate, {}, kNow).Of(*estate.Find("pc"));
    EXPECT_EQ(static_cast<int>(outlook.course), static_cast<int>(c.course)) << outlook.reason;
    EXPECT_FALSE(outlook.reason.empty());
    const v1::ListForecastsResponse forecast = ForecastOf(estate);
    std::vector<std::string> lines = Lines(forecast);
    std::erase_if(lines, [](const std::string& line) { return line.substr(0, 3) != "pc "; });
    if (c.days == 0) {
      EXPECT_THAT(lines, IsEmpty());
      continue;
    }
    EXPECT_EQ(outlook.at, kNow + c.days * kDay) << (outlook.at - kNow) / kDay;
    ASSERT_THAT(lines, SizeIs(1));
    EXPECT_THAT(lines[0], HasSubstr(absl::StrCat(" +", c.days)));
    EXPECT_THAT(lines[0], ::testing::EndsWith(c.cause));
  }
}

TEST(ForecastMachine, AnotherHostThatDnsNamesKeepsItLicensed) {
  MachineState kms1 = Host("kms1", 50), pc = Activated("pc", 1);
  CloseFirewall(kms1);
  AddRecord(*pc.names->mutable_answers(0), "kms2.contoso.example");
  Estate estate;
  estate.Upsert(kms1);
  estate.Upsert(pc);
  Outlooks one(estate, {}, kNow);
  EXPECT_EQ(one.Of(*estate.Find("pc")).course, Course::kUnknown) << "nobody knows kms2";
  estate.Upsert(Host("kms2", 50));
  Outlooks two(estate, {}, kNow);
  EXPECT_EQ(two.Of(*estate.Find("pc")).course, Course::kRenews);
  estate.Upsert(Host("kms2", 10));
  Outlooks short_count(estate, {}, kNow);
  EXPECT_EQ(short_count.Of(*estate.Find("pc")).course, Course::kLeavesLicensed);
  pc.names.reset();
  estate.Upsert(pc);
  Outlooks no_names(estate, {}, kNow);
  EXPECT_EQ(no_names.Of(*estate.Find("pc")).course, Course::kUnknown) << "DNS was not asked";
  pc.client->set_registered_host("kms1.contoso.example");
  estate.Upsert(pc);
  Outlooks pinned(estate, {}, kNow);
  EXPECT_EQ(pinned.Of(*estate.Find("pc")).course, Course::kLeavesLicensed);
}

// 24 clients renew, and so many others asked once, the last of them first.
struct CountCase {
  const char* name;
  std::function<void(Estate& estate, MachineState& kms1)> change;
  std::vector<std::string> lines;
  const char* not_known = "";
};

void Renewing(Estate& estate, MachineState& kms1, int from, int to, bool asked = true) {
  for (int i = from; i < to; ++i) {
    MachineState pc = Activated(absl::StrCat("pc-", 100 + i), 2);
    if (asked) Asked(kms1, pc.client->client_machine_id(), 2);
    estate.Upsert(pc);
  }
}

const CountCase kCountCases[] = {
    {"24 renew, two strangers went 20 and 25 days ago: 25 are left until the second one falls out",
     [](Estate& estate, MachineState& kms1) {
       Renewing(estate, kms1, 0, 24);
       Asked(kms1, "stranger-1", 20);
       Asked(kms1, "stranger-2", 25);
       kms1.host->set_current_count(26);
     },
     {"kms1 COUNT_FALLS(25) +10"}},
    {"25 renew: whoever goes, it is enough",
     [](Estate& estate, MachineState& kms1) {
       Renewing(estate, kms1, 0, 25);
       Asked(kms1, "stranger-1", 20);
       Asked(kms1, "stranger-2", 25);
       kms1.host->set_current_count(27);
     },
     {}},
    {"strangers in their rhythm come back",
     [](Estate& estate, MachineState& kms1) {
       Renewing(estate, kms1, 0, 24);
       Asked(kms1, "stranger-1", 14);
       kms1.host->set_current_count(25);
     },
     {}},
    {"one client is overdue: it asked 16 days ago and falls out in 14",
     [](Estate& estate, MachineState& kms1) {
       Renewing(estate, kms1, 0, 24);
       estate.Upsert(Activated("late", 16));
       Asked(kms1, "cmid-of-late", 16);
       kms1.host->set_current_count(25);
     },
     {"kms1 COUNT_FALLS(25) +14 CLIENT_RENEWAL_OVERDUE@late",
      "late LEAVES_LICENSED +164 CLIENT_RENEWAL_OVERDUE@late"}},
    {"one moved to another host",
     [](Estate& estate, MachineState& kms1) {
       Renewing(estate, kms1, 0, 24);
       estate.Upsert(Host("kms2", 50));
       estate.Upsert(Activated("moved", 3, "kms2.contoso.example"));
       Asked(kms1, "cmid-of-moved", 10);
       kms1.host->set_current_count(25);
     },
     {"kms1 COUNT_FALLS(25) +20"},
     "Not known of kms2"},
    {"one joined that the log does not show yet",
     [](Estate& estate, MachineState& kms1) {
       Renewing(estate, kms1, 0, 24);
       Renewing(estate, kms1, 24, 25, false);
       Asked(kms1, "stranger-1", 20);
       kms1.host->set_current_count(25);
     },
     {}},
    {"clones are one",
     [](Estate& estate, MachineState& kms1) {
       Renewing(estate, kms1, 0, 24);
       MachineState clone = Activated("clone", 2);
       clone.client->set_client_machine_id("cmid-of-pc-100");
       estate.Upsert(clone);
       Asked(kms1, "stranger-1", 20);
       kms1.host->set_current_count(25);
     },
     {"kms1 COUNT_FALLS(25) +10"}},
    {"closed: those who asked last are the last to fall out",
     [](Estate& estate, MachineState& kms1) {
       for (int i = 0; i < 30; ++i) Asked(kms1, absl::StrCat("stranger-", i), i % 2 == 0 ? 4 : 9);
       kms1.host->set_current_count(30);
       CloseFirewall(kms1);
     },
     // 15 fall out after 21 days, the sixth of them leaves 24.
     {"kms1 COUNT_FALLS(25) +21 HOST_FIREWALL_CLOSED@kms1"}},
    {"the ceiling: 60 asked, the host remembers the youngest 50",
     [](Estate& estate, MachineState& kms1) {
       // 1 .. 15 days ago, four on each day; the 50 youngest are those of days 1 .. 12 and two
       // of 13.
       for (int i = 0; i < 60; ++i) Asked(kms1, absl::StrCat("stranger-", i), 1 + i / 4);
       kms1.host->set_current_count(50);
       CloseFirewall(kms1);
     },
     // It falls under 25 when the 26th of the oldest goes: 2 (day 13) + 6 * 4 = 26, day 7.
     {"kms1 COUNT_FALLS(25) +23 HOST_FIREWALL_CLOSED@kms1"}},
    {"servers need five, desktops 25",
     [](Estate& estate, MachineState& kms1) {
       for (int i = 0; i < 30; ++i)
         Asked(kms1, absl::StrCat("stranger-", i), i < 6 ? 1 : 20, i < 15 ? 5 : 25);
       kms1.host->set_current_count(30);
       CloseFirewall(kms1);
     },
     {"kms1 COUNT_FALLS(25) +10 HOST_FIREWALL_CLOSED@kms1",
      "kms1 COUNT_FALLS(5) +29 HOST_FIREWALL_CLOSED@kms1"}},
    {"closed, and its log shows nothing: within 30 days",
     [](Estate& estate, MachineState& kms1) { CloseFirewall(kms1); },
     {"kms1 COUNT_FALLS(25) +30 HOST_FIREWALL_CLOSED@kms1"}},
    {"open, and its log shows nothing",
     [](Estate& estate, MachineState& kms1) {},
     {},
     "its log shows 0 of these machines"},
    {"its log shows a part",
     [](Estate& estate, MachineState& kms1) {
       Renewing(estate, kms1, 0, 10);
       kms1.host->set_current_count(40);
     },
     {},
     "its log shows 10 of these machines"},
    {"its log shows a part, and that is enough",
     [](Estate& estate, MachineState& kms1) {
       Renewing(estate, kms1, 0, 25);
       kms1.host->set_current_count(50);
     },
     {}},
    {"the rejected are not counted",
     [](Estate& estate, MachineState& kms1) {
       Renewing(estate, kms1, 0, 24);
       Asked(kms1, "stranger-1", 20);
       Asked(kms1, "rejected", 1);
       kms1.host->mutable_requests(25)->set_last_error(0xC004F06C);
       kms1.host->set_current_count(25);
     },
     {"kms1 COUNT_FALLS(25) +10"}},
    {"under it already: that is a finding",
     [](Estate& estate, MachineState& kms1) {
       for (int i = 0; i < 10; ++i) Asked(kms1, absl::StrCat("stranger-", i), 20);
       kms1.host->set_current_count(10);
     },
     {}},
    {"its count is not told",
     [](Estate& estate, MachineState& kms1) { kms1.host->clear_current_count(); },
     {},
     "its count"},
};

TEST(ForecastCount, Cases) {
  for (const CountCase& c : kCountCases) {
    SCOPED_TRACE(c.name);
    MachineState kms1 = Host("kms1", 50);
    Estate estate;
    c.change(estate, kms1);
    estate.Upsert(kms1);
    const v1::ListForecastsResponse forecast = ForecastOf(estate);
    std::vector<std::string> lines = Lines(forecast);
    if (c.lines.empty() || c.lines.size() < lines.size()) {
      // Those of the clients are looked at elsewhere.
      std::erase_if(lines, [](const std::string& line) { return line.substr(0, 3) == "pc-"; });
    }
    EXPECT_EQ(lines, c.lines);
    std::vector<std::string> not_known;
    for (const v1::ForecastGroup& group : forecast.summary().groups()) {
      if (group.event() == v1::FORECAST_EVENT_NOT_KNOWN) not_known.push_back(group.text());
    }
    if (*c.not_known == '\0') {
      EXPECT_THAT(not_known, IsEmpty());
    } else {
      EXPECT_THAT(not_known, ElementsAre(HasSubstr(c.not_known)));
    }
  }
}

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
