// SPDX-License-Identifier: Apache-2.0
#include "kms/events.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "kms/events_testing.h"

namespace keymedic::kms {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using v1::EventRecord;

TEST(IsLicensingEventTest, KnowsIdsAndProviders) {
  EXPECT_TRUE(IsLicensingEvent(Pasted(12288, {})));
  EventRecord event = Pasted(12290, {});
  event.set_provider("Microsoft-Windows-Security-Licensing-SLC");
  EXPECT_TRUE(IsLicensingEvent(event));
  event.set_provider("Software Protection Platform Service");
  EXPECT_TRUE(IsLicensingEvent(event));
  event.clear_provider();
  EXPECT_TRUE(IsLicensingEvent(event));
  event.set_provider("Service Control Manager");
  EXPECT_FALSE(IsLicensingEvent(event));
  EXPECT_FALSE(IsLicensingEvent(Pasted(1003, {})));
}

TEST(IsLicensingEventTest, ThirteenIsOfOneProviderOnly) {
  EventRecord event = Pasted(13, {"hrOffline = 0x00000000, hrOnline =0xC004C4A2"});
  EXPECT_FALSE(IsLicensingEvent(event));
  event.set_provider("Windows Activation Technologies");
  EXPECT_TRUE(IsLicensingEvent(event));
  event.clear_provider();
  EXPECT_TRUE(IsLicensingEvent(event));
  event.clear_data();
  EXPECT_FALSE(IsLicensingEvent(event));
}

TEST(ClientEventsTest, RequestWithItsAnswer) {
  Client c;
  c.Fold({Logged(12288, kNoon, RequestText("0x00000000")), Logged(12289, kNoon + 1, kBound)});
  ASSERT_THAT(c.client.attempts(), SizeIs(1));
  const auto& attempt = c.newest();
  EXPECT_EQ(attempt.source_event(), 12288u);
  EXPECT_EQ(attempt.at().seconds(), kNoon);
  EXPECT_EQ(attempt.error(), 0u);
  EXPECT_EQ(attempt.host(), "kms.contoso.example");
  EXPECT_EQ(attempt.port(), 1688u);
  EXPECT_EQ(attempt.client_machine_id(), kCmid);
  EXPECT_EQ(attempt.activation_id(), kSku);
  EXPECT_EQ(attempt.required_count(), 25u);
  EXPECT_TRUE(attempt.answered());
  EXPECT_TRUE(attempt.bound());
  EXPECT_EQ(attempt.count(), 30u);
  EXPECT_EQ(c.client.client_machine_id(), kCmid);
  EXPECT_EQ(c.client.activation_interval_minutes(), 120u);
  EXPECT_EQ(c.client.renewal_interval_minutes(), 10080u);
  EXPECT_EQ(c.client.last_activation_at().seconds(), kNoon);
}

TEST(ClientEventsTest, AnswerThatCountsTooFew) {
  Client c;
  c.Fold({Logged(12288, kNoon, RequestText("0x00000000")), Logged(12289, kNoon, kTooFew)});
  ASSERT_THAT(c.client.attempts(), SizeIs(1));
  EXPECT_TRUE(c.newest().has_bound());
  EXPECT_FALSE(c.newest().bound());
  EXPECT_EQ(c.newest().count(), 4u);
  EXPECT_EQ(c.newest().flags(), 0x4000008u);
  EXPECT_FALSE(c.client.has_last_activation_at());
}

TEST(ClientEventsTest, ARequestOutOfALogWithoutAnswerWasNotAnswered) {
  Client c;
  c.Fold({Logged(12288, kNoon, RequestText("0x8007232B"))});
  EXPECT_TRUE(c.newest().has_answered());
  EXPECT_FALSE(c.newest().answered());
}

TEST(ClientEventsTest, APastedRequestAloneDoesNotTellWhetherItWasAnswered) {
  Client c;
  c.Fold({Pasted(12288, {"The client has sent an activation request to the key management service "
                         "machine.\nInfo:\n0xC004F06C, 0x00000000, <KMS Host FQDN>:1688, "
                         "36f27b39-2fd5-440b-be67-a09996d27a38, 2010/09/29 17:52, 0, 2, 41760, "
                         "68531fb9-5511-4989-97be-d11a0f55633f, 5"})});
  ASSERT_THAT(c.client.attempts(), SizeIs(1));
  EXPECT_EQ(c.newest().error(), 0xC004F06Cu);
  EXPECT_FALSE(c.newest().has_answered());
  EXPECT_FALSE(c.newest().has_host());
  EXPECT_EQ(c.newest().port(), 1688u);
  EXPECT_EQ(c.newest().client_machine_id(), kCmid);
  EXPECT_EQ(c.newest().required_count(), 5u);
  EXPECT_FALSE(c.newest().has_at());
}

TEST(ClientEventsTest, APastedRequestBesideOthersAnswersWasNotAnswered) {
  Client c;
  c.Fold({Pasted(12288, {RequestText("0x00000000")}), Pasted(12289, {kBound}),
          Pasted(12288, {RequestText("0x800706BA")})});
  ASSERT_THAT(c.client.attempts(), SizeIs(2));
  EXPECT_EQ(c.newest().error(), 0x800706BAu);
  EXPECT_TRUE(c.newest().has_answered());
  EXPECT_FALSE(c.newest().answered());
  EXPECT_TRUE(c.client.attempts(1).answered());
}

TEST(ClientEventsTest, FieldsAsSeparateStrings) {
  Client c;
  c.Fold({Pasted(12288, {"0xC004F06C", "0x00000000", "[fe80::1]:1689", kCmid, "2010/09/29 17:52",
                         "0", "2", "41760", kSku, "25"})});
  EXPECT_EQ(c.newest().error(), 0xC004F06Cu);
  EXPECT_EQ(c.newest().host(), "fe80::1");
  EXPECT_EQ(c.newest().port(), 1689u);
  EXPECT_EQ(c.newest().activation_id(), kSku);
}

TEST(ClientEventsTest, FewerAndMoreFieldsThanKnown) {
  Client c;
  c.Fold({Pasted(12288, {"0xC004F06C, 0x00000000, azkms.core.windows.net:1688, <cmid>, <time>, 1, "
                         "5, 0, 34e1ae55-27f8-4950-8877-7a03be5fb181,"})});
  EXPECT_EQ(c.newest().host(), "azkms.core.windows.net");
  EXPECT_FALSE(c.newest().has_client_machine_id());
  EXPECT_EQ(c.newest().activation_id(), "34e1ae55-27f8-4950-8877-7a03be5fb181");
  EXPECT_FALSE(c.newest().has_required_count());

  Client more;
  more.Fold({Pasted(12288, {RequestText("0x0") + ", 55c92734-d682-4d71-983e-d6ec3f16059f, x"})});
  EXPECT_EQ(more.newest().required_count(), 25u);

  Client only_code;
  only_code.Fold({Pasted(12288, {"0xC004F06C"})});
  EXPECT_EQ(only_code.newest().error(), 0xC004F06Cu);
  EXPECT_FALSE(only_code.newest().has_host());

  Client decimal;
  decimal.Fold({Pasted(12288, {"-1073418132, 0, kms:1688"})});
  EXPECT_EQ(decimal.newest().error(), 0xC004F06Cu);
  EXPECT_EQ(decimal.newest().host(), "kms");
}

TEST(ClientEventsTest, AnswersGoToTheRequestBeforeThem) {
  const std::string office = "d450596f-894d-49e0-966a-fd39ed4c4c64";
  Client c;
  c.Fold({Logged(12288, kNoon, RequestText("0x00000000")), Logged(12289, kNoon + 3, kBound),
          Logged(12288, kNoon + 4, RequestText("0x00000000", "kms:1688", office)),
          Logged(12289, kNoon + 6, kTooFew)});
  ASSERT_THAT(c.client.attempts(), SizeIs(2));
  EXPECT_EQ(c.client.attempts(0).activation_id(), office);
  EXPECT_EQ(c.client.attempts(0).count(), 4u);
  EXPECT_EQ(c.client.attempts(1).count(), 30u);
}

TEST(ClientEventsTest, AnAnswerSkipsARequestThatGotNone) {
  Client c;
  c.Fold({Logged(12288, kNoon, RequestText("0x800706BA", "dead:1688")),
          Logged(12288, kNoon + 20, RequestText("0x00000000")), Logged(12289, kNoon + 21, kBound)});
  EXPECT_TRUE(c.client.attempts(0).answered());
  EXPECT_EQ(c.client.attempts(1).host(), "dead");
  EXPECT_FALSE(c.client.attempts(1).answered());
}

TEST(ClientEventsTest, AnAnswerOfAnotherTimeIsNoAnswer) {
  Client c;
  c.Fold({Logged(12288, kNoon, RequestText("0x00000000")), Logged(12289, kNoon + 61, kBound)});
  ASSERT_THAT(c.client.attempts(), SizeIs(2));
  EXPECT_EQ(c.client.attempts(0).source_event(), 12289u);
  EXPECT_FALSE(c.client.attempts(1).answered());
}

TEST(ClientEventsTest, NewestFirstTextsAreUnderstood) {
  Client c;
  c.Fold({Pasted(12289, {kBound}), Pasted(12288, {RequestText("0x00000000")})});
  ASSERT_THAT(c.client.attempts(), SizeIs(1));
  EXPECT_TRUE(c.newest().bound());

  const auto request = Logged(12288, kNoon, RequestText("0x00000000"));
  const auto answer = Logged(12289, kNoon, kBound);
  Client timed;
  timed.Fold({Logged(12288, kNoon + 7200, RequestText("0x8007232B")), answer, request});
  ASSERT_THAT(timed.client.attempts(), SizeIs(2));
  EXPECT_EQ(timed.newest().error(), 0x8007232Bu);
  EXPECT_TRUE(timed.client.attempts(1).bound());
}

TEST(ClientEventsTest, AnAnswerMayComeInALaterPiece) {
  const auto request = Logged(12288, kNoon, RequestText("0x00000000"));
  const auto answer = Logged(12289, kNoon + 1, kBound);
  Client whole, pieces, reversed;
  whole.Fold({request, answer});
  pieces.Fold({request}).Fold({answer});
  reversed.Fold({answer}).Fold({request});
  EXPECT_EQ(pieces.Text(), whole.Text());
  EXPECT_EQ(reversed.Text(), whole.Text());
}

TEST(ClientEventsTest, FoldingTheSameAgainChangesNothing) {
  std::vector<EventRecord> events;
  for (int i = 0; i < 12; ++i) {
    events.push_back(Logged(12288, kNoon + 7200 * i, RequestText("0x00000000")));
    if (i % 3 != 0) events.push_back(Logged(12289, kNoon + 7200 * i + 1, kTooFew));
    if (i % 4 == 0) events.push_back(Logged(8198, kNoon + 7200 * i + 2, "hr=0xC004F074"));
    events.push_back(Logged(8208, kNoon + 7200 * i, absl::StrCat("(hr=0x80072E", 10 + i, ")")));
  }
  Client once;
  once.Fold(events);
  const std::string expected = once.Text();
  EXPECT_THAT(once.client.attempts(), SizeIs(8));
  EXPECT_EQ(once.Fold(events).Text(), expected);
  for (size_t cut = 1; cut < events.size(); ++cut) {
    Client c;
    const size_t overlap = cut > 3 ? cut - 3 : 0;
    c.Fold({events.begin(), events.begin() + cut}).Fold({events.begin() + overlap, events.end()});
    EXPECT_EQ(c.Text(), expected) << cut;
    EXPECT_EQ(c.Fold({events.begin(), events.begin() + cut}).Text(), expected) << cut;
  }
}

TEST(ClientEventsTest, FoldingTextsWithoutTimesAgainChangesNothing) {
  std::vector<EventRecord> events;
  for (int i = 0; i < 12; ++i) {
    events.push_back(Pasted(12288, {RequestText("0x00000000", absl::StrCat("kms", i, ":1688"))}));
    events.push_back(Pasted(12289, {kTooFew}));
  }
  Client c;
  const std::string expected = c.Fold(events).Text();
  ASSERT_THAT(c.client.attempts(), SizeIs(8));
  EXPECT_EQ(c.newest().host(), "kms11");
  EXPECT_EQ(c.client.attempts(7).host(), "kms4");
  EXPECT_EQ(c.Fold(events).Text(), expected);
}

TEST(ClientEventsTest, KeepsTheNewestEight) {
  Client c;
  for (int i = 0; i < 20; ++i) c.Fold({Logged(12288, kNoon + 7200 * i, RequestText("0x8007232B"))});
  ASSERT_THAT(c.client.attempts(), SizeIs(8));
  EXPECT_EQ(c.newest().at().seconds(), kNoon + 7200 * 19);
  c.Fold({Logged(12288, kNoon - 5, RequestText("0x8007232B"))});
  EXPECT_EQ(c.client.attempts(7).at().seconds(), kNoon + 7200 * 12);
}

TEST(ClientEventsTest, AFloodOfEventsIsReadInLinearTime) {
  std::vector<EventRecord> events;
  for (int i = 0; i < 200000; ++i) {
    events.push_back(Pasted(i % 3 == 0   ? 12288
                            : i % 3 == 1 ? 8208
                                         : 12293,
                            {absl::StrCat("0x", absl::Hex(0x80000000u + i), ", 0, h", i, ".x")}));
  }
  Client c;
  c.Fold(events);
  EXPECT_EQ(c.newest().error(), 0x80000000u + 199998);
  EXPECT_EQ(c.licensing.observations(0).error(), 0x80000000u + 199999);
  EXPECT_GT(FoldHost(events).publications_size(), 60000);
}

TEST(ClientEventsTest, FailuresInEveryTextThatIsSeen) {
  struct Case {
    uint32_t id;
    std::string text;
    uint32_t error;
    std::string sku;
  };
  const Case cases[] = {
      {8198, "Error code: 0xC0020017", 0xC0020017, ""},
      {8198,
       "hr=0x803F7001, RuleId=31e71c49-8da7-4a2f-ad92-45d98a1c79ba;Action=AutoActivate;AppId="
       "55c92734-d682-4d71-983e-d6ec3f16059f;SkuId=4de7cb65-cdf1-4de9-8ae8-e3cce27b9f2c;"
       "NotificationInterval=1440;Trigger=TimerEvent",
       0x803F7001, "4de7cb65-cdf1-4de9-8ae8-e3cce27b9f2c"},
      {8198,
       "License Activation (slui.exe) failed with the following error code:\nhr=0x8007232B\n"
       "Command-line arguments:\nRuleId=eeba1977-569e-4571-b639-7623d8bfecc0;SkuId="
       "EF6CFC9F-8C5D-44AC-9AAD-DE6A2EA0AE03;Trigger=TimerEvent",
       0x8007232B, "ef6cfc9f-8c5d-44ac-9aad-de6a2ea0ae03"},
      {8198, "hr=-1073418124", 0xC004F074, ""},
      {8196,
       "License Activation Scheduler (sppuinotify.dll) was not able to automatically activate. "
       "Error code: 0xC004F200",
       0xC004F200, ""},
  };
  for (const Case& each : cases) {
    Client c;
    c.Fold({Pasted(each.id, {each.text})});
    ASSERT_THAT(c.client.attempts(), SizeIs(1)) << each.text;
    EXPECT_EQ(c.newest().source_event(), 8198u);
    EXPECT_EQ(c.newest().error(), each.error) << each.text;
    EXPECT_EQ(c.newest().activation_id(), each.sku);
    EXPECT_EQ(c.licensing.observations_size(), each.id == 8196 ? 1 : 0);
  }
}

TEST(ClientEventsTest, TheInnerCodeOfARequestReplacesTheWrapper) {
  Client c;
  c.Fold({Logged(12288, kNoon, RequestText("0x8007232B")), Logged(8198, kNoon + 2, "hr=0xC004F074"),
          Logged(8198, kNoon + 7200, "hr=0xC004F074")});
  ASSERT_THAT(c.client.attempts(), SizeIs(2));
  EXPECT_EQ(c.client.attempts(0).at().seconds(), kNoon + 7200);
  EXPECT_EQ(c.client.attempts(1).error(), 0x8007232Bu);

  Client pasted;
  pasted.Fold({Pasted(12288, {RequestText("0x8007232B")}), Pasted(8198, {"hr=0xC004F074"})});
  ASSERT_THAT(pasted.client.attempts(), SizeIs(1));
  EXPECT_EQ(pasted.newest().error(), 0x8007232Bu);

  Client different;
  different.Fold({Pasted(12288, {RequestText("0x8007232B")}), Pasted(8198, {"hr=0xC004F069"})});
  EXPECT_THAT(different.client.attempts(), SizeIs(2));
}

TEST(ClientEventsTest, WhatTheLicensingServiceSaysOfItselfStands) {
  Client c;
  c.client.set_client_machine_id(kOtherCmid);
  c.client.set_renewal_interval_minutes(60);
  c.client.mutable_last_activation_at()->set_seconds(kNoon + 1000);
  c.Fold({Logged(12288, kNoon, RequestText("0x0")), Logged(12289, kNoon, kBound)});
  EXPECT_EQ(c.client.client_machine_id(), kOtherCmid);
  EXPECT_EQ(c.client.renewal_interval_minutes(), 60u);
  EXPECT_EQ(c.client.last_activation_at().seconds(), kNoon + 1000);
}

TEST(ClientEventsTest, OfficeSaysNothingAboutTheActivationOfWindows) {
  const std::string office =
      "d450596f-894d-49e0-966a-fd39ed4c4c64";  // Office 2016 Professional Plus
  Client c;
  c.Fold(
      {Logged(12288, kNoon, RequestText("0x0", "kms:1688", office)), Logged(12289, kNoon, kBound)});
  EXPECT_TRUE(c.newest().bound());
  EXPECT_FALSE(c.client.has_last_activation_at());
}

TEST(ObservationTest, NewestOfEachEventAndError) {
  Client c;
  EventRecord online = Logged(13, kNoon, "hrOffline = 0x00000000, hrOnline =0xC004C4A2");
  online.set_provider("Windows Activation Technologies");
  c.Fold({online, Logged(8208, kNoon + 5, "Acquisition failed (hr=0x80072EE7)"),
          Logged(8208, kNoon + 90, "Acquisition of genuine ticket failed (hr=0x80072EE7)"),
          Logged(12321, kNoon + 20, "HR=0xC004F011"),
          Logged(8209, kNoon + 30, "Genuine state set to non-genuine (0x00000000)")});
  const auto& seen = c.licensing.observations();
  ASSERT_THAT(seen, SizeIs(4));
  EXPECT_EQ(seen[0].event_id(), 8208u);
  EXPECT_EQ(seen[0].at().seconds(), kNoon + 90);
  EXPECT_EQ(seen[1].event_id(), 8209u);
  EXPECT_EQ(seen[1].error(), 0u);
  EXPECT_THAT(seen[1].detail(), HasSubstr("non-genuine"));
  EXPECT_EQ(seen[2].error(), 0xC004F011u);
  EXPECT_EQ(seen[3].error(), 0xC004C4A2u);
  EXPECT_THAT(c.client.attempts(), IsEmpty());
}

TEST(ObservationTest, AtMostSixteenAndNoProductKeys) {
  Client c;
  for (int i = 0; i < 40; ++i) {
    c.Fold({Logged(8208, kNoon + i, absl::StrCat("hr=0x800700", 10 + i))});
  }
  ASSERT_THAT(c.licensing.observations(), SizeIs(16));
  EXPECT_EQ(c.licensing.observations(0).error(), 0x80070049u);

  Client key;
  key.Fold(
      {Pasted(8209, {"key AAAAA-BBBBB-CCCCC-DDDDD-EEEEE\xff\x01\n " + std::string(500, 'x')})});
  const std::string detail = key.licensing.observations(0).detail();
  EXPECT_THAT(detail, Not(HasSubstr("AAAAA")));
  EXPECT_THAT(detail, HasSubstr("EEEEE? x"));
  EXPECT_LE(detail.size(), 200u);
}

TEST(ObservationTest, DirectoryActivation) {
  Client c;
  c.Fold({Logged(12308, kNoon,
                 absl::StrCat(kSku,
                              ", Contoso AO, CN=Contoso AO,CN=Activation Objects,"
                              "CN=Microsoft SPP,CN=Services,DC=contoso,DC=example"))});
  EXPECT_EQ(c.client.activation_object(), "Contoso AO");
  EXPECT_EQ(c.client.last_activation_type(), v1::ACTIVATION_TYPE_DIRECTORY);
  EXPECT_EQ(c.licensing.observations(0).event_id(), 12308u);
}

TEST(GarbageTest, IsSurvivedAndInventsNothing) {
  std::string bytes;
  for (int i = 0; i < 100000; ++i) bytes.push_back(static_cast<char>((i * 7919) >> 3));
  const std::vector<std::string> texts = {
      "",
      ",,,,,,,,,,,",
      "0x",
      "0x,0x,[,",
      bytes,
      std::string(100000, ','),
      "0xC004F06C,0,[::1",
      "0xC004F06C,0,host:99999999999,not-a-guid,99999/99/99 99:99,,,,,"};
  for (const std::string& text : texts) {
    for (uint32_t id : {12288u, 12289u, 12290u, 12293u, 12294u, 8198u, 8196u, 8208u, 12308u}) {
      Client c;
      c.Fold({Pasted(id, {text}), Pasted(id, {text, text})});
      const v1::KmsHostSection host = FoldHost({Pasted(id, {text})});
      for (const auto& attempt : c.client.attempts()) {
        EXPECT_FALSE(attempt.has_client_machine_id());
        EXPECT_FALSE(attempt.bound());
        EXPECT_LE(attempt.port(), 65535u);
      }
      v1::KmsHostSection again;
      EXPECT_TRUE(again.ParseFromString(host.SerializeAsString()));
    }
  }
}

}  // namespace
}  // namespace keymedic::kms
