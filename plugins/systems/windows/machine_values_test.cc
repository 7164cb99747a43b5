// SPDX-License-Identifier: Apache-2.0
#include "plugins/systems/windows/machine_values.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace keymedic::systems {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(IsVirtualTest, GoesByTheFirmware) {
  EXPECT_EQ(IsVirtual("VMware, Inc.", "VMware7,1"), true);
  EXPECT_EQ(IsVirtual("Microsoft Corporation", "Virtual Machine"), true);
  EXPECT_EQ(IsVirtual("Microsoft Corporation", "Surface Laptop 5"), false);
  EXPECT_EQ(IsVirtual("QEMU", "Standard PC (Q35 + ICH9, 2009)"), true);
  EXPECT_EQ(IsVirtual("innotek GmbH", "VirtualBox"), true);
  EXPECT_EQ(IsVirtual("Amazon EC2", "m5.large"), true);
  EXPECT_EQ(IsVirtual("Amazon EC2", "m5.metal"), false);
  EXPECT_EQ(IsVirtual("Google", "Google Compute Engine"), true);
  EXPECT_EQ(IsVirtual("Dell Inc.", "PowerEdge R740"), false);
  EXPECT_EQ(IsVirtual("", ""), std::nullopt);
}

TEST(CaptionOfTest, CallsWindows11ByItsName) {
  EXPECT_EQ(CaptionOf("Windows 10 Enterprise", 22631, false), "Windows 11 Enterprise");
  EXPECT_EQ(CaptionOf("Windows 10 Enterprise", 19045, false), "Windows 10 Enterprise");
  EXPECT_EQ(CaptionOf("Windows Server 2025 Standard", 26100, true), "Windows Server 2025 Standard");
}

TEST(TimeSourceOfTest, ReadsTheTimeServicesSettings) {
  const TimeSource ntp = TimeSourceOf("NTP", "time.windows.com,0x9  ntp.example,0x1");
  EXPECT_FALSE(ntp.domain);
  EXPECT_THAT(ntp.servers, ElementsAre("time.windows.com", "ntp.example"));
  const TimeSource domain = TimeSourceOf("nt5ds", "time.windows.com,0x9");
  EXPECT_TRUE(domain.domain);
  EXPECT_THAT(domain.servers, IsEmpty());
  const TimeSource all = TimeSourceOf("AllSync", "ntp.example");
  EXPECT_TRUE(all.domain);
  EXPECT_THAT(all.servers, ElementsAre("ntp.example"));
  EXPECT_FALSE(TimeSourceOf("NoSync", "ntp.example").domain);
  EXPECT_THAT(TimeSourceOf("", "ntp.example").servers, IsEmpty());
}

TEST(SkewBucketTest, IsTheNearestFiveMinutes) {
  EXPECT_EQ(SkewBucket(absl::Seconds(149)), 0);
  EXPECT_EQ(SkewBucket(absl::Seconds(151)), 5);
  EXPECT_EQ(SkewBucket(absl::Hours(-5)), -300);
}

}  // namespace
}  // namespace keymedic::systems
