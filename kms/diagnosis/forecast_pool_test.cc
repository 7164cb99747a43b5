// SPDX-License-Identifier: Apache-2.0
#include "kms/diagnosis/forecast_pool.h"

#include <functional>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "kms/diagnosis/forecast_testing.h"

namespace keymedic::kms {
namespace {

using namespace testing;  // NOLINT: machines in a few words
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

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

}  // namespace
}  // namespace keymedic::kms
