// SPDX-License-Identifier: Apache-2.0
#include "kms/readers/shapes.h"

#include <gtest/gtest.h>

namespace keymedic::kms::readers {
namespace {

TEST(ShapesTest, MinutesAreThoseThatAgreeWithTheDays) {
  EXPECT_EQ(FindMinutes("243720 minute(s) (169 day(s))"), 243720);
  EXPECT_EQ(FindMinutes("259197 分钟(180天)"), 259197);
  EXPECT_EQ(FindMinutes("174 days  (250560 minute(s) before expiring)"), 250560);
  EXPECT_EQ(FindMinutes("243.720 Minuten (170 Tage)"), 243720);
  EXPECT_EQ(FindMinutes("243 720 minutes (170 jours)"), 243720);
  EXPECT_EQ(FindMinutes("soon"), std::nullopt);
  EXPECT_EQ(FindMinutes("1001 (7)"), std::nullopt);
}

TEST(ShapesTest, ChannelsAreKnownByTheirPrefix) {
  EXPECT_EQ(FindChannel("Windows(R) Operating System, VOLUME-KMSCLIENT channel"),
            "VOLUME_KMSCLIENT");
  EXPECT_EQ(FindChannel("Windows(R) Operating System, VOLUME_KMS_2012-R2_WIN10 channel"),
            "VOLUME_KMS_2012-R2_WIN10");
  EXPECT_EQ(FindChannel("Windows(R) Operating System, RETAIL(Grace) channel"), "RETAIL(Grace)");
  EXPECT_EQ(FindChannel("a retail shop"), "");
  EXPECT_TRUE(IsHostChannel("VOLUME_KMS"));
  EXPECT_FALSE(IsHostChannel("VOLUME_KMSCLIENT"));
}

TEST(ShapesTest, HostsAndPorts) {
  EXPECT_EQ(ParseHostPort("KMS01.contoso.com:1688")->host, "kms01.contoso.com");
  EXPECT_EQ(ParseHostPort("[fd00::1]:1689")->host, "fd00::1");
  EXPECT_EQ(ParseHostPort("fd00::1")->port, std::nullopt);
  EXPECT_EQ(ParseHostPort("<KMS Host FQDN>:1688")->host, "");
  EXPECT_EQ(ParseHostPort("<KMS Host FQDN>:1688")->port, 1688u);
  EXPECT_FALSE(ParseHostPort("kms01:99999"));
  EXPECT_FALSE(ParseHostPort("not a host"));
}

TEST(ShapesTest, CodesAreWholeOrBroken) {
  bool broken = false;
  EXPECT_EQ(FindCode("hr=0x8007232B,", &broken), 0x8007232Bu);
  EXPECT_FALSE(broken);
  EXPECT_EQ(FindCode("0xC004F0742", &broken), std::nullopt);
  EXPECT_TRUE(broken);
}

TEST(ShapesTest, InstantsInTheOrdersOfTheWorld) {
  const auto at = [](int month, int day, int hour) {
    return absl::FromCivil(absl::CivilSecond(2024, month, day, hour, 51, 7), absl::UTCTimeZone());
  };
  EXPECT_EQ(ParseInstant("2/16/2024 5:51:07 PM"), at(2, 16, 17));
  EXPECT_EQ(ParseInstant("2/3/2024 12:51:07 AM"), at(2, 3, 0));
  EXPECT_EQ(ParseInstant("16.02.2024 17:51:07"), at(2, 16, 17));
  EXPECT_EQ(ParseInstant("16/02/2024 17:51:07"), at(2, 16, 17));
  EXPECT_EQ(ParseInstant("2024-02-16T17:51:07.4746785Z"), at(2, 16, 17));
  EXPECT_EQ(ParseInstant("<removed>"), std::nullopt);
  EXPECT_EQ(ParseInstant("99/99/2024 5:51:07"), std::nullopt);
}

TEST(ShapesTest, LabelsAndRemovedValues) {
  EXPECT_EQ(SplitLabel("  Name : x:y ")->value, "x:y");
  EXPECT_FALSE(SplitLabel("C:\\> dir"));
  EXPECT_FALSE(SplitLabel("https://example.com"));
  EXPECT_TRUE(IsUnknown("<redacted>"));
  EXPECT_FALSE(IsUnknown("2YT43"));
  EXPECT_FALSE(IsPartialKey("3V66TX"));
  EXPECT_FALSE(IsPartialKey("2yt43"));
}

}  // namespace
}  // namespace keymedic::kms::readers
