// SPDX-License-Identifier: Apache-2.0
#include "kms/readers/own_labels.h"

#include <gtest/gtest.h>

#include "kms/readers/captures.h"

namespace keymedic::kms {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1790000000);

std::string Utf16(absl::string_view ascii) {
  std::string out = "\xFF\xFE";
  for (char c : ascii) out += {c, '\0'};
  return out;
}

// Invented words in the form of slmgr.ini: no language that any table knows.
constexpr char kIni[] =
    "[Strings]\r\n"
    "L_MsgProductName=\"Nimo: \"\r\n"
    "L_MsgProductDesc=\"Kuvo: \"\r\n"
    "L_MsgPartialPKey=\"Avaimo: \"\r\n"
    "L_MsgLicenseStatusLicensed_1=\"Tilo: Kunno\"\r\n"
    "L_MsgLicenseStatusUnlicensed_1=\"Tilo: Kunnoton\"\r\n"
    "L_MsgLicenseStatusVL_1=\"Vanheno (%DAY% paivo): %MINUTE% minuuto\"\r\n"
    "L_MsgKmsEnabled=\"Palvelo kaytosso\"\r\n"
    "L_MsgKmsCurrentCount=\"Luko: \"\r\n"
    "L_MsgKmsListeningOnPort=\"Porto: \"\r\n"
    "L_MsgKmsDnsPublishingDisabled=\"DNS-julkaiso pois\"\r\n"
    "L_MsgLicenseStatusTBL=\"%ENDDATE% loppu\"\r\n";

TEST(OwnLabelsTest, AReportInAnUnknownLanguageIsReadByItsOwnWords) {
  CaptureSet set;
  ASSERT_TRUE(set.AddLabels(Utf16(kIni)));
  set.Add("dlv.txt",
          "Nimo: Windows(R), Enterprise edition\n"
          "Kuvo: Windows(R) Operating System, VOLUME_KMSCLIENT channel\n"
          "Avaimo: 2YT43\n"
          "Tilo: Kunnoton\n");
  ASSERT_EQ(set.Machines().size(), 1u);
  EXPECT_EQ(set.Machines()[0].licensing->products(0).status(), v1::LICENSE_STATUS_UNLICENSED);
  EXPECT_TRUE(set.unread().empty());
}

TEST(OwnLabelsTest, ValuesAreFoundWhereverTheLanguagePutsThem) {
  CaptureSet set;
  ASSERT_TRUE(set.AddLabels(kIni));
  set.Add("dlv.txt",
          "Nimo: Windows(R), Enterprise edition\n"
          "Kuvo: Windows(R) Operating System, VOLUME_KMSCLIENT channel\n"
          "Tilo: Kunno\n"
          "Vanheno (180 paivo): 259200 minuuto\n");
  EXPECT_EQ(set.Diagnose(v1::Policy(), kNow).verdict(), v1::VERDICT_HEALTHY);
  EXPECT_TRUE(set.unread().empty());
}

TEST(OwnLabelsTest, AHostInAnUnknownLanguage) {
  CaptureSet set;
  ASSERT_TRUE(set.AddLabels(kIni));
  set.Add("dlv.txt",
          "Kuvo: Windows(R) Operating System, VOLUME_KMS_WS22 channel\n"
          "Tilo: Kunno\n\nPalvelo kaytosso\n    Luko: 12\n    Porto: 1689\n"
          "    DNS-julkaiso pois\n");
  const auto machines = set.Machines();
  ASSERT_EQ(machines.size(), 1u);
  ASSERT_TRUE(machines[0].host);
  EXPECT_EQ(machines[0].host->current_count(), 12);
  EXPECT_EQ(machines[0].host->listening_port(), 1689u);
  EXPECT_FALSE(machines[0].host->dns_publishing());
  EXPECT_TRUE(machines[0].host->has_dns_publishing());
}

TEST(OwnLabelsTest, WhatIsNoLabelFileIsRefused) {
  CaptureSet set;
  EXPECT_FALSE(set.AddLabels(""));
  EXPECT_FALSE(set.AddLabels("L_MsgProductName=\"\"\nname=value\n%%%=%%%\n"));
}

TEST(OwnLabelsTest, LinesThatAreNoMessagesStayAsTheyAre) {
  readers::OwnLabels labels;
  ASSERT_TRUE(labels.Add(kIni));
  readers::Document document;
  readers::Decode("# Tilo: Kunno\n  Tilo: Kunno\r\nTilo: Kunno!\nlast", document);
  labels.Translate(document);
  ASSERT_EQ(document.lines.size(), 4u);
  EXPECT_EQ(document.lines[0].text, "# Tilo: Kunno");
  EXPECT_EQ(document.lines[1].text, "  License Status: Licensed");
  EXPECT_EQ(document.lines[2].text, "Tilo: Kunno!");
  EXPECT_EQ(document.lines[3].text, "last");
}

}  // namespace
}  // namespace keymedic::kms
