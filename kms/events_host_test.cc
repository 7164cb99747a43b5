// SPDX-License-Identifier: Apache-2.0
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "kms/events.h"
#include "kms/events_testing.h"

namespace keymedic::kms {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using v1::EventRecord;

TEST(HostEventsTest, RequestsAreSummedUpByClientMachineId) {
  const auto request = [](int64_t at, std::string error, std::string name, std::string cmid) {
    return Logged(12290, at,
                  absl::StrCat(error, ",25,", name, ",", cmid, ",2025/10/9 8:53,0,2,41520,", kSku));
  };
  const auto host = FoldHost({request(kNoon, "0x00000000", "pc-1", kCmid),
                              request(kNoon + 60, "0xC004F042", "PC-2.contoso.example", kCmid),
                              request(kNoon + 30, "0x00000000", "PC-1", kCmid),
                              request(kNoon + 10, "0x00000000", "pc-3", kOtherCmid)});
  ASSERT_THAT(host.requests(), SizeIs(2));
  EXPECT_EQ(host.requests(0).client_machine_id(), kOtherCmid);
  const auto& twins = host.requests(1);
  EXPECT_THAT(twins.machine_names(), ElementsAre("pc-1", "PC-2.contoso.example"));
  EXPECT_EQ(twins.last_error(), 0xC004F042u);
  EXPECT_EQ(twins.last_at().seconds(), kNoon + 60);
  EXPECT_EQ(twins.activation_id(), kSku);
  EXPECT_EQ(twins.required_count(), 25u);
}

TEST(HostEventsTest, RealPayloadsAndRemovedValues) {
  auto host = FoldHost({Pasted(12290, {"An activation request has been processed.\nInfo:\n"
                                       "0xC004F06C,5,<KMS Client name>,"
                                       "36f27b39-2fd5-440b-be67-a09996d27a38,2010/9/29 21:46,0,2,"
                                       "41520,68531fb9-5511-4989-97be-d11a0f55633f"})});
  ASSERT_THAT(host.requests(), SizeIs(1));
  EXPECT_EQ(host.requests(0).client_machine_id(), kCmid);
  EXPECT_THAT(host.requests(0).machine_names(), IsEmpty());
  EXPECT_EQ(host.requests(0).last_error(), 0xC004F06Cu);
  EXPECT_EQ(host.requests(0).required_count(), 5u);

  host = FoldHost({Pasted(12290, {"0xC004F015"})});
  ASSERT_THAT(host.requests(), SizeIs(1));
  EXPECT_EQ(host.requests(0).client_machine_id(), "");
  EXPECT_EQ(host.requests(0).last_error(), 0xC004F015u);
}

TEST(HostEventsTest, LimitsNamesAndForgetsAfterThirtyDays) {
  std::vector<EventRecord> events;
  for (int i = 0; i < 40; ++i) {
    events.push_back(
        Logged(12290, kNoon + i,
               absl::StrCat("0x0,25,pc-", i, ",", kCmid, ",2025/10/9 8:53,0,2,1,", kSku)));
  }
  const int64_t later = kNoon + 31 * 24 * 3600;
  v1::KmsHostSection host = FoldHost(events);
  EXPECT_THAT(host.requests(0).machine_names(), SizeIs(16));
  const std::string before = host.DebugString();
  FoldHostEvents(events, host);
  EXPECT_EQ(host.DebugString(), before);
  const std::vector<EventRecord> newer = {
      Logged(12290, later, absl::StrCat("0x0,25,pc,", kOtherCmid))};
  FoldHostEvents(newer, host);
  ASSERT_THAT(host.requests(), SizeIs(1));
  EXPECT_EQ(host.requests(0).client_machine_id(), kOtherCmid);
  FoldHostEvents(events, host);
  EXPECT_THAT(host.requests(), SizeIs(1));
}

TEST(HostEventsTest, PublicationsByDomainNewestStands) {
  auto host = FoldHost({Pasted(12293, {"Publishing the Key Managment Service (KMS) to DNS in the "
                                       "'contoso.com' domain failed.\nInfo:\n0x80072338"})});
  ASSERT_THAT(host.publications(), SizeIs(1));
  EXPECT_EQ(host.publications(0).domain(), "contoso.com");
  EXPECT_EQ(host.publications(0).error(), 0x80072338u);

  const std::vector<EventRecord> events = {
      Logged(12293, kNoon, "0x80072338, Contoso.com"),
      Logged(12294, kNoon + 86400, "contoso.com"),
      Logged(12294, kNoon, "fabrikam.example"),
      Logged(12293, kNoon + 50, "0x8007232D, fabrikam.example"),
      Logged(12293, kNoon, "0x80072338, corp"),
  };
  host = FoldHost(events);
  ASSERT_THAT(host.publications(), SizeIs(3));
  EXPECT_EQ(host.publications(0).error(), 0u);
  EXPECT_EQ(host.publications(1).domain(), "corp");
  EXPECT_EQ(host.publications(2).error(), 0x8007232Du);
  const std::string before = host.DebugString();
  FoldHostEvents(events, host);
  EXPECT_EQ(host.DebugString(), before);
}

TEST(HostEventsTest, AFailureWithoutACodeIsStillAFailure) {
  const auto host = FoldHost({Pasted(12293, {"failed"})});
  ASSERT_THAT(host.publications(), SizeIs(1));
  EXPECT_NE(host.publications(0).error(), 0u);
}

}  // namespace
}  // namespace keymedic::kms
