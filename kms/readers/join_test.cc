// SPDX-License-Identifier: Apache-2.0
#include "kms/readers/join.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "kms/readers/captures.h"

namespace keymedic::kms {
namespace {

constexpr char kCmid[] = "2ffcfc30-6a6a-49ec-92b8-f6150c7df211";

std::string LicensedClient(absl::string_view cmid, absl::string_view partial = "2YT43") {
  return absl::StrCat(
      "Software licensing service version: 10.0.22621.1\n\n"
      "Name: Windows(R), Enterprise edition\n"
      "Description: Windows(R) Operating System, VOLUME_KMSCLIENT channel\n"
      "Application ID: 55c92734-d682-4d71-983e-d6ec3f16059f\n"
      "Partial Product Key: ",
      partial,
      "\n"
      "License Status: Licensed\n"
      "Volume activation expiration: 259200 minute(s) (180 day(s))\n\n"
      "Key Management Service client information\n"
      "    Client Machine ID (CMID): ",
      cmid,
      "\n"
      "    KMS machine name from DNS: kms01.contoso.com:1688\n");
}

constexpr char kHost[] =
    "Name: Windows(R), ServerStandard edition\n"
    "Description: Windows(R) Operating System, VOLUME_KMS_WS22 channel\n"
    "Partial Product Key: PYWKV\n"
    "License Status: Licensed\n\n"
    "Key Management Service is enabled on this machine\n"
    "    Current count: 30\n"
    "    Listening on Port: 1688\n";

std::string Request(absl::string_view cmid, absl::string_view code = "0xC004F074") {
  return absl::StrCat(
      "Event ID: 12288\nSource: Microsoft-Windows-Security-SPP\nDescription:\nInfo:\n", code,
      ", 0x00000000, kms01.contoso.com:1688, ", cmid,
      ", 2024/02/16 17:52, 0, 2, 41760, 73111121-5638-40f6-bc11-f1d7b0d64300, 25\n");
}

std::vector<MachineState> Machines(std::vector<std::string> files) {
  CaptureSet set;
  for (size_t i = 0; i < files.size(); ++i) set.Add(absl::StrCat("f", i, ".txt"), files[i]);
  EXPECT_TRUE(set.unread().empty());
  return set.Machines();
}

TEST(JoinTest, ReportAndEventsInOneFileAreOneMachine) {
  const auto machines = Machines({LicensedClient(kCmid) + "\n" + Request(kCmid)});
  ASSERT_EQ(machines.size(), 1u);
  EXPECT_EQ(machines[0].client->attempts_size(), 1);
  EXPECT_EQ(machines[0].licensing->products_size(), 1);
}

TEST(JoinTest, ClientAndHostInOneFileAreTwo) {
  const auto machines = Machines({std::string(kHost) + "\n" + Request(kCmid)});
  ASSERT_EQ(machines.size(), 2u);
  EXPECT_TRUE(machines[0].host.has_value());
  EXPECT_TRUE(machines[1].client.has_value());
}

TEST(JoinTest, FilesJoinByClientMachineId) {
  const auto machines = Machines({LicensedClient(kCmid), Request(kCmid),
                                  LicensedClient("11111111-6a6a-49ec-92b8-f6150c7df211"),
                                  Request("22222222-6a6a-49ec-92b8-f6150c7df211")});
  ASSERT_EQ(machines.size(), 3u);
  EXPECT_EQ(machines[0].client->attempts_size(), 1);
  EXPECT_EQ(machines[1].client->attempts_size(), 0);
}

TEST(JoinTest, FilesJoinByComputerName) {
  const auto machines = Machines({"Computer: PC-017\n" + LicensedClient("<removed>"),
                                  "Event ID: 8198\nSource: Microsoft-Windows-Security-SPP\n"
                                  "Computer: pc-017.contoso.com\nDescription:\nhr=0xC004F074\n",
                                  "Event ID: 8198\nSource: Microsoft-Windows-Security-SPP\n"
                                  "Computer: pc-018.contoso.com\nDescription:\nhr=0xC004F074\n"});
  ASSERT_EQ(machines.size(), 2u);
  EXPECT_EQ(machines[0].client->attempts_size(), 1);
  EXPECT_EQ(machines[0].name, "pc-017.contoso.com");
}

TEST(JoinTest, TheOnlyMachineOfItsRoleTakesWhatHasNoName) {
  EXPECT_EQ(Machines({LicensedClient("<removed>"), Request(kCmid)}).size(), 1u);
  EXPECT_EQ(Machines({LicensedClient("<removed>"), LicensedClient("<removed>", "3V66T"),
                      "Source: Security-SPP\nEvent ID: 8198\nhr=0xC004F074\n"})
                .size(),
            3u);
}

TEST(JoinTest, SeveralReportsInOneFileAreSeveralMachines) {
  const auto machines = Machines({LicensedClient(kCmid) + LicensedClient(kCmid)});
  ASSERT_EQ(machines.size(), 2u);  // clones: one id on two machines
  EXPECT_EQ(machines[1].client->client_machine_id(), kCmid);
  EXPECT_NE(machines[0].id, machines[1].id);
  EXPECT_EQ(
      Machines({"Computer: a\n" + LicensedClient(kCmid) + "Computer: b\n" + LicensedClient(kCmid)})
          .size(),
      2u);
}

TEST(JoinTest, ThousandsOfClonesInOneFileStayApart) {
  constexpr int kClones = 3000;
  std::string unnamed, named;
  for (int i = 0; i < kClones; ++i) {
    absl::StrAppend(&unnamed, LicensedClient(kCmid), "\n");
    absl::StrAppend(&named, "Computer: pc-", i, "\n", LicensedClient(kCmid), "\n");
  }
  EXPECT_EQ(Machines({unnamed}).size(), kClones);
  EXPECT_EQ(Machines({named}).size(), kClones);
}

TEST(JoinTest, AnIdJoinsAReportWithoutANameToTheFirstThatFits) {
  const auto machines =
      Machines({"Computer: pc-1\n" + LicensedClient(kCmid, "T83GX"),
                "Computer: pc-2\n" + LicensedClient(kCmid), LicensedClient(kCmid)});
  ASSERT_EQ(machines.size(), 2u);
  EXPECT_EQ(machines[0].licensing->products(0).partial_key(), "T83GX");
  EXPECT_EQ(machines[1].source, "f1.txt");
}

TEST(JoinTest, ManyProductsOfOneRunAreOneMachine) {
  const auto machines =
      Machines({LicensedClient(kCmid) + "\nName: Office 16, OfficeKMSHostVL_KMS_Host edition\n"
                                        "Description: Office 16, VOLUME_KMS channel\n"
                                        "Partial Product Key: KDQ2G\n"
                                        "License Status: Licensed\n\n"
                                        "Key Management Service is enabled on this machine\n"
                                        "    Current count: 7\n"});
  ASSERT_EQ(machines.size(), 1u);
  EXPECT_EQ(machines[0].licensing->products_size(), 2);
  EXPECT_EQ(machines[0].host->current_count(), 7);
}

TEST(JoinTest, DnsAnswersBelongToTheClients) {
  const auto machines =
      Machines({kHost, LicensedClient(kCmid),
                "_vlmcs._tcp.contoso.com\tSRV service location:\n  priority = 0\n  weight = 0\n"
                "  port = 1688\n  svr hostname = kms01.contoso.com\n"});
  ASSERT_EQ(machines.size(), 2u);
  EXPECT_FALSE(machines[0].names.has_value());
  ASSERT_TRUE(machines[1].names.has_value());
  EXPECT_EQ(machines[1].names->answers(0).records(0).target(), "kms01.contoso.com");
}

TEST(JoinTest, TheSameAnswerOfOneFileCountsOnce) {
  const std::string answer =
      "C:\\> nslookup -type=srv _vlmcs._tcp.contoso.com\n"
      "*** dc01.contoso.com can't find _vlmcs._tcp.contoso.com: Non-existent domain\n";
  const auto machines = Machines({LicensedClient(kCmid) + "\n" + answer + answer});
  ASSERT_EQ(machines.size(), 1u);
  EXPECT_EQ(machines[0].names->answers_size(), 1);
}

TEST(JoinTest, AHostTakesTheNameThatItsClientUsed) {
  const auto machines =
      Machines({"# client, Application log\n" + Request(kCmid) +
                "# host, Key Management Service log\nEvent ID: 12290\nInfo:\n"
                "0x00000000,25,pc-017," +
                kCmid + ",2024/2/16 17:52,0,2,41760,73111121-5638-40f6-bc11-f1d7b0d64300\n"});
  ASSERT_EQ(machines.size(), 2u);
  EXPECT_EQ(machines[1].name, "kms01.contoso.com");
}

TEST(JoinTest, TimeLeftCountsFromTheReportsOwnPresent) {
  const auto dated = Machines({LicensedClient(kCmid) + "Trusted time: 10/26/2016 9:58:33 AM\n"});
  const absl::Time taken =
      absl::FromCivil(absl::CivilSecond(2016, 10, 26, 9, 58, 33), absl::UTCTimeZone());
  EXPECT_EQ(dated[0].licensing->products(0).expires_at().seconds(),
            absl::ToUnixSeconds(taken + absl::Hours(24 * 180)));
  EXPECT_EQ(dated[0].client->last_activation_at().seconds(), absl::ToUnixSeconds(taken));
  EXPECT_FALSE(Machines({LicensedClient(kCmid)})[0].licensing->products(0).has_expires_at());
}

std::string PinnedClient(absl::string_view host, absl::string_view more = "") {
  return absl::StrCat(
      "Computer: PC-017\nName: Windows(R), Enterprise edition\n"
      "Description: Windows(R) Operating System, VOLUME_KMSCLIENT channel\n"
      "Partial Product Key: 2YT43\nLicense Status: Licensed\n"
      "Volume activation expiration: 259200 minute(s) (180 day(s))\n",
      more, "\nKey Management Service client information\n    Registered KMS machine name: ", host,
      "\n    KMS host caching is enabled\n");
}

TEST(JoinTest, TwoValuesOfOneSettingWithoutTimesAreAContradiction) {
  const auto machines = Machines({PinnedClient("kms01:1688"), PinnedClient("kms02:1688")});
  ASSERT_EQ(machines.size(), 1u);
  ASSERT_EQ(machines[0].contradictions.size(), 1u);
  const Contradiction& contradiction = machines[0].contradictions[0];
  EXPECT_EQ(contradiction.field, "kms_client.registered_host");
  EXPECT_EQ(contradiction.one, "kms01");
  EXPECT_EQ(contradiction.other, "kms02");
  EXPECT_THAT(contradiction.one_source, testing::HasSubstr("f0.txt"));
  EXPECT_THAT(contradiction.other_source, testing::HasSubstr("f1.txt"));
  EXPECT_FALSE(machines[0].client->has_registered_host());
  EXPECT_TRUE(machines[0].client->host_caching());
}

TEST(JoinTest, TheNewerOfTwoReportsCounts) {
  const std::string older = PinnedClient("kms01:1688", "Trusted time: 2/11/2024 8:14:02 AM\n");
  const std::string newer = PinnedClient("kms02:1688", "Trusted time: 2/11/2024 8:31:40 AM\n");
  for (const auto& files : {std::vector{older, newer}, std::vector{newer, older}}) {
    const auto machines = Machines(files);
    ASSERT_EQ(machines.size(), 1u);
    EXPECT_TRUE(machines[0].contradictions.empty());
    EXPECT_EQ(machines[0].client->registered_host(), "kms02");
  }
}

TEST(JoinTest, StatesThatContradictAreNotGuessed) {
  std::string other = PinnedClient("kms01:1688");
  other.replace(other.find("License Status: Licensed"), 24, "License Status: Notification");
  other.replace(other.find("Volume activation expiration"), 59, "Notification Reason: 0xC004F074.");
  const auto machines = Machines({PinnedClient("kms01:1688"), other});
  ASSERT_EQ(machines.size(), 1u);
  ASSERT_EQ(machines[0].contradictions.size(), 1u);
  EXPECT_EQ(machines[0].contradictions[0].field, "licensing.status");
  EXPECT_EQ(machines[0].licensing->products(0).status(), v1::LICENSE_STATUS_UNSPECIFIED);
}

TEST(JoinTest, WhatACommandAsksAnotherMachineIsThatMachines) {
  const auto machines =
      Machines({"C:\\>slmgr.vbs pc-101 /dlv\n" + LicensedClient(kCmid) + "C:\\>slmgr.vbs /dlv\n" +
                LicensedClient("11111111-6a6a-49ec-92b8-f6150c7df211")});
  ASSERT_EQ(machines.size(), 2u);
  EXPECT_EQ(machines[0].name, "pc-101");
  EXPECT_NE(machines[1].name, "pc-101");
}

}  // namespace
}  // namespace keymedic::kms
