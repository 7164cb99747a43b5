// SPDX-License-Identifier: Apache-2.0
#include "kms/diagnosis/forecast_machine.h"

#include <functional>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "kms/diagnosis/forecast_testing.h"

namespace keymedic::kms {
namespace {

using namespace testing;  // NOLINT: machines in a few words
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

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

}  // namespace
}  // namespace keymedic::kms
