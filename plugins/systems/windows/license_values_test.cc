// SPDX-License-Identifier: Apache-2.0
#include "plugins/systems/windows/license_values.h"

#include <gtest/gtest.h>

namespace keymedic::systems {
namespace {

TEST(StatusOfTest, IsWindowsNumberPlusOneAndKeepsAnUnknownOne) {
  EXPECT_EQ(StatusOf(0), v1::LICENSE_STATUS_UNLICENSED);
  EXPECT_EQ(StatusOf(1), v1::LICENSE_STATUS_LICENSED);
  EXPECT_EQ(StatusOf(6), v1::LICENSE_STATUS_EXTENDED_GRACE);
  EXPECT_EQ(static_cast<int>(StatusOf(7)), 8);
  EXPECT_EQ(StatusOf(std::nullopt), v1::LICENSE_STATUS_UNSPECIFIED);
  EXPECT_EQ(StatusOf(-1), v1::LICENSE_STATUS_UNSPECIFIED);
  EXPECT_EQ(StatusOf(int64_t{1} << 40), v1::LICENSE_STATUS_UNSPECIFIED);
  v1::Product product, read;
  product.set_status(StatusOf(7));
  ASSERT_TRUE(read.ParseFromString(product.SerializeAsString()));
  EXPECT_EQ(static_cast<int>(read.status()), 8) << "it survives the way to the controller";
}

TEST(ActivationTypeOfTest, KnowsFour) {
  EXPECT_EQ(ActivationTypeOf(0), v1::ACTIVATION_TYPE_ALL);
  EXPECT_EQ(ActivationTypeOf(3), v1::ACTIVATION_TYPE_TOKEN);
  EXPECT_EQ(ActivationTypeOf(4), std::nullopt);
  EXPECT_EQ(ActivationTypeOf(std::nullopt), std::nullopt);
}

TEST(ChannelOfTest, IsTheWordBeforeChannel) {
  EXPECT_EQ(ChannelOf("Windows(R) Operating System, VOLUME_KMSCLIENT channel"), "VOLUME_KMSCLIENT");
  EXPECT_EQ(ChannelOf("Windows(R) Operating System, VOLUME-KMSCLIENT channel"), "VOLUME_KMSCLIENT");
  EXPECT_EQ(ChannelOf("Office 16, RETAIL(Grace) channel "), "RETAIL(Grace)");
  EXPECT_EQ(ChannelOf("Windows"), "");
  EXPECT_TRUE(IsKmsHostChannel("VOLUME_KMS_WS22"));
  EXPECT_TRUE(IsKmsHostChannel("VOLUME_KMS"));
  EXPECT_FALSE(IsKmsHostChannel("VOLUME_KMSCLIENT"));
  EXPECT_TRUE(IsMakChannel("VOLUME_MAK"));
}

TEST(PublishDomainTest, LeavesPriorityAndWeight) {
  EXPECT_EQ(PublishDomain("contoso.example, 0, 10"), "contoso.example");
  EXPECT_EQ(PublishDomain(" fabrikam.example "), "fabrikam.example");
  EXPECT_EQ(PublishDomain(", 1"), "");
}

TEST(ExpiryMemoryTest, TellsTheSameInstantWhileTheMinutesRunDown) {
  ExpiryMemory memory;
  const absl::Time start = absl::FromUnixSeconds(1795703041);
  const absl::Time end = start + absl::Minutes(1000) + absl::Seconds(17);
  const absl::Time first = memory.Remember("a", start, 1000);
  EXPECT_EQ(absl::ToUnixSeconds(first) % 60, 0);
  for (int second = 0; second < 3600; second += 7) {
    const absl::Time now = start + absl::Seconds(second);
    const absl::Duration left = end - now;
    EXPECT_EQ(memory.Remember("a", now, absl::ToInt64Minutes(left)), first) << second;
    EXPECT_EQ(memory.Remember("a", now, absl::ToInt64Minutes(left) + 1), first) << second;
  }
}

TEST(ExpiryMemoryTest, ARenewalIsSeen) {
  ExpiryMemory memory;
  const absl::Time now = absl::FromUnixSeconds(1795703040);
  EXPECT_EQ(memory.Remember("a", now, 100), now + absl::Minutes(100));
  EXPECT_EQ(memory.Remember("a", now, 259200), now + absl::Minutes(259200));
  EXPECT_EQ(memory.Remember("b", now, 100), now + absl::Minutes(100));
  EXPECT_EQ(memory.Remember("a", now, 259197), now + absl::Minutes(259197));
}

}  // namespace
}  // namespace keymedic::systems
