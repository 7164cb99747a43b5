// SPDX-License-Identifier: Apache-2.0
#include "kms/tables.h"

#include <set>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "base/product_key.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "kms/tables_csv.h"

namespace keymedic::kms {
namespace {

using ::testing::HasSubstr;

bool IsGuid(absl::string_view text) {
  if (text.size() != 36) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash ? text[i] != '-' : !absl::ascii_isxdigit(text[i])) return false;
  }
  return true;
}

std::string PartialFor(absl::string_view edition, uint32_t build) {
  const Gvlk* key = GvlkForEdition(edition, build);
  return key == nullptr ? "none" : std::string(key->partial_key);
}

TEST(CsvTest, ReadsQuotesCommasAndLineEnds) {
  auto table = CsvTable::Parse("a,b\r\n\"x, \"\"y\"\"\",2\n,\"two\nlines\"");
  ASSERT_TRUE(table.ok()) << table.status();
  ASSERT_EQ(table->size(), 2u);
  EXPECT_EQ(table->at(0, 0), "x, \"y\"");
  EXPECT_EQ(table->at(0, 1), "2");
  EXPECT_EQ(table->at(1, 0), "");
  EXPECT_EQ(table->at(1, 1), "two\nlines");
  EXPECT_EQ(*table->Column("b"), 1u);
  EXPECT_FALSE(table->Column("c").ok());
}

TEST(CsvTest, NamesTheRowThatIsWrong) {
  EXPECT_THAT(std::string(CsvTable::Parse("a,b\n1,2\n3\n").status().message()),
              HasSubstr("row 3 has 1 fields"));
  EXPECT_THAT(std::string(CsvTable::Parse("a\n\"open").status().message()),
              HasSubstr("does not end"));
  EXPECT_THAT(std::string(CsvTable::Parse("a\n\"x\"y\n").status().message()),
              HasSubstr("behind a closing quote"));
  EXPECT_FALSE(CsvTable::Parse("").ok());
}

TEST(GvlkTest, EveryKeyHasItsShapeAndEndsInItsPartial) {
  ASSERT_GE(Gvlks().size(), 160u);
  std::set<absl::string_view> partials;
  for (const Gvlk& row : Gvlks()) {
    auto key = ProductKey::Parse(row.key);
    ASSERT_TRUE(key.ok()) << row.product << " " << row.edition << " " << row.partial_key;
    EXPECT_EQ(key->partial(), row.partial_key);
    EXPECT_TRUE(partials.insert(row.partial_key).second) << row.partial_key << " twice";
    EXPECT_EQ(FindGvlkByPartial(row.partial_key), &row);
  }
  EXPECT_EQ(FindGvlkByPartial("2yt43"), FindGvlkByPartial("2YT43"));
  EXPECT_EQ(FindGvlkByPartial("00000"), nullptr);
  EXPECT_EQ(FindGvlkByPartial(""), nullptr);
}

TEST(SkuTest, LooksUpByActivationIdAndByKey) {
  const Sku* sku = FindSku("C052F164-CDF6-409A-A0CB-853BA0F0F55A");
  ASSERT_NE(sku, nullptr);
  EXPECT_EQ(sku->product, "Windows Server 2025 Datacenter");
  EXPECT_EQ(sku->role, SkuRole::kClient);
  EXPECT_EQ(sku->required_count, 5u);
  EXPECT_EQ(FindSku("{c052f164-cdf6-409a-a0cb-853ba0f0f55a}"), sku);
  EXPECT_EQ(FindSkuByGvlkPartial("YP6DF"), sku);
  EXPECT_EQ(FindSku("4de7cb65-cdf1-4de9-8ae8-e3cce27b9f2c")->role, SkuRole::kRetail);
  EXPECT_EQ(FindSku("2b1f36bb-c1cd-4306-bf5c-a0367c2d97d8")->role, SkuRole::kNoVolumeKey);
  EXPECT_EQ(FindSku("00000000-0000-0000-0000-000000000000"), nullptr);
  EXPECT_EQ(FindSkuByGvlkPartial(""), nullptr);
}

TEST(SkuTest, EveryRowHasIdsThatAreGuidsAndIsFoundByThem) {
  constexpr char kText[] =
#include "kms/data/sku_ids.inc"
      ;
  auto table = CsvTable::Parse(kText);
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_GE(table->size(), 240u);
  for (size_t row = 0; row < table->size(); ++row) {
    absl::string_view id = table->at(row, *table->Column("activation_id"));
    EXPECT_TRUE(IsGuid(id)) << id;
    EXPECT_TRUE(IsGuid(table->at(row, *table->Column("application_id")))) << id;
    ASSERT_NE(FindSku(id), nullptr) << id;
    EXPECT_EQ(FindSku(id)->product, table->at(row, *table->Column("product"))) << id;
    absl::string_view partial = table->at(row, *table->Column("gvlk_partial"));
    if (!partial.empty()) {
      EXPECT_NE(FindGvlkByPartial(partial), nullptr) << partial;
    }
  }
}

TEST(SkuTest, EveryKeyOfASkuIsAKnownKey) {
  int with_sku = 0;
  for (const Gvlk& key : Gvlks()) {
    const Sku* sku = FindSkuByGvlkPartial(key.partial_key);
    if (sku == nullptr) continue;
    ++with_sku;
    EXPECT_TRUE(IsGuid(sku->activation_id)) << sku->activation_id;
    EXPECT_TRUE(IsGuid(sku->application_id)) << sku->application_id;
    EXPECT_EQ(sku->role, SkuRole::kClient);
    EXPECT_TRUE(sku->required_count == 5 || sku->required_count == 25) << sku->product;
  }
  EXPECT_GE(with_sku, 140);
}

TEST(EditionTest, KeyOfTheInstalledEditionByBuild) {
  EXPECT_EQ(PartialFor("Enterprise", 19045), "2YT43");
  EXPECT_EQ(PartialFor("enterprise", 26100), "2YT43");
  EXPECT_EQ(PartialFor("Enterprise", 7601), "HVTHH");
  EXPECT_EQ(PartialFor("Enterprise", 9600), "MKKG7");
  EXPECT_EQ(PartialFor("EnterpriseS", 10240), "76DF9");
  EXPECT_EQ(PartialFor("EnterpriseS", 14393), "QJ4BJ");
  EXPECT_EQ(PartialFor("EnterpriseS", 17763), "J462D");
  EXPECT_EQ(PartialFor("EnterpriseSN", 26100), "7CG2H");
  EXPECT_EQ(PartialFor("IoTEnterpriseS", 26100), "PDQGT");
  EXPECT_EQ(PartialFor("Professional", 7601), "GPDD4");
  EXPECT_EQ(PartialFor("Professional", 22631), "T83GX");
  EXPECT_EQ(PartialFor("ServerStandard", 20348), "VMK7H");
  EXPECT_EQ(PartialFor("ServerStandard", 17763), "J464C");
  EXPECT_EQ(PartialFor("ServerStandard", 14393), "KHKQY");
  EXPECT_EQ(PartialFor("ServerStandard", 9600), "MDVJX");
  EXPECT_EQ(PartialFor("ServerStandard", 6003), "BFGM2");
  EXPECT_EQ(PartialFor("ServerEnterprise", 7601), "CPX3Y");
  EXPECT_EQ(PartialFor("ServerDatacenter", 26100), "YP6DF");
  EXPECT_EQ(PartialFor("ServerTurbine", 20348), "KHMXV");
  EXPECT_EQ(PartialFor("ServerDatacenterACor", 17134), "7FVDG");
}

TEST(EditionTest, NoKeyAndNotKnownAreDifferentThings) {
  for (absl::string_view edition : {"Core", "CoreSingleLanguage", "HomePremium", "Ultimate"}) {
    const Edition* row = FindEdition(edition, 19045);
    ASSERT_NE(row, nullptr) << edition;
    EXPECT_FALSE(row->has_volume_key);
    EXPECT_FALSE(row->note.empty());
    EXPECT_EQ(GvlkForEdition(edition, 19045), nullptr);
  }
  const Edition* multi_session = FindEdition("ServerRdsh", 22631);
  ASSERT_NE(multi_session, nullptr);
  EXPECT_TRUE(multi_session->has_volume_key);
  EXPECT_EQ(GvlkForEdition("ServerRdsh", 22631), nullptr);
  EXPECT_EQ(FindEdition("Enterprise", 0), nullptr);
  EXPECT_EQ(FindEdition("NoSuchEdition", 19045), nullptr);
  EXPECT_TRUE(FindEdition("ServerStandard", 20348)->is_server);
  EXPECT_FALSE(FindEdition("Enterprise", 19045)->is_server);
}

TEST(ErrorTest, CodesInEveryWayTheyAreWritten) {
  for (absl::string_view text : {"0xC004F074", "0XC004F074", "0xc004f074", "c004f074", "C004F074",
                                 "3221549172", "-1073418124", " 0xC004F074\r\n"}) {
    EXPECT_EQ(ParseErrorCode(text), 0xC004F074u) << text;
  }
  EXPECT_EQ(ParseErrorCode("80072338"), 0x80072338u);
  EXPECT_EQ(ParseErrorCode("0x0"), 0u);
  EXPECT_EQ(ParseErrorCode("0"), 0u);
  EXPECT_EQ(ParseErrorCode("12288"), 12288u);
}

TEST(ErrorTest, WhatIsNoCodeIsRefused) {
  for (absl::string_view text :
       {"", "0x", "-", "0xC004F0741", "C004F07", "0x-1", "0x 12", "-0xC004F074", "4294967296",
        "-2147483649", "12 34", "hr=0xC004F074", "--1", "0xG"}) {
    EXPECT_EQ(ParseErrorCode(text), std::nullopt) << text;
  }
}

TEST(ErrorTest, KnownCodesHaveAMeaning) {
  for (uint32_t code : {0xC004F074u, 0xC004F038u, 0xC004F042u, 0xC004F06Cu, 0x8007232Bu,
                        0xC004F069u, 0xC004F00Fu, 0xC004F200u, 0x80072338u, 0xC004C008u}) {
    ASSERT_NE(FindError(code), nullptr) << std::hex << code;
    EXPECT_FALSE(ErrorMeaning(code).empty());
  }
  EXPECT_EQ(FindError(0x12345678), nullptr);
  EXPECT_EQ(ErrorMeaning(0x12345678), "");
}

const std::vector<absl::string_view>& Catalogue() {
  static const auto& codes = *new std::vector<absl::string_view>{
      "CLIENT_EDITION_NOT_VOLUME",
      "CLIENT_KEY_NOT_GVLK",
      "CLIENT_KEY_WRONG_EDITION",
      "CLIENT_MAK_UNTIL_COUNT",
      "CLIENT_NEVER_ACTIVATED",
      "CLIENT_NOT_LICENSED",
      "CLIENT_GRACE_EXPIRING",
      "CLIENT_RENEWAL_OVERDUE",
      "CLIENT_HARDWARE_CHANGED",
      "CLIENT_NON_GENUINE",
      "CLIENT_DNS_NO_SRV",
      "CLIENT_DNS_NO_SERVER",
      "CLIENT_HOST_UNREACHABLE",
      "CLIENT_HOST_OVERRIDE",
      "CLIENT_HOST_UNSANCTIONED",
      "CLIENT_CACHING_OFF",
      "CLIENT_CLOCK_SKEW",
      "CLIENT_COUNT_TOO_LOW",
      "CLIENT_HOST_KEY_MISMATCH",
      "CLIENT_DUPLICATE_CMID",
      "CLIENT_ACTIVATION_TYPE_LIMITED",
      "CLIENT_ACTIVATED_BY_DIRECTORY",
      "HOST_NOT_LICENSED",
      "HOST_KEY_MISMATCH",
      "HOST_EDITION_CANNOT_HOST",
      "HOST_SERVICE_OUTDATED",
      "HOST_COUNT_ZERO",
      "HOST_COUNT_TOO_LOW",
      "HOST_COUNT_STUCK",
      "HOST_COUNT_SPLIT",
      "HOST_COUNT_SATURATED",
      "HOST_FIREWALL_CLOSED",
      "HOST_PORT_MISMATCH",
      "HOST_UNREACHABLE",
      "HOST_REQUEST_NOT_SEEN",
      "HOST_DNS_PUBLISH_FAILED",
      "HOST_DNS_PUBLISHING_OFF",
      "HOST_SRV_MISSING",
      "HOST_EVENT_LOG_FULL",
      "HOST_REQUESTS_FAILING",
      "HOST_ACTIVATION_LIMIT",
      "HOST_SERVICE_STOPPED",
      "DNS_SRV_STALE",
      "DNS_SRV_UNSANCTIONED",
      "ESTATE_EXPIRY_AHEAD",
      "AGENT_IDENTITY_SHARED",
      "AGENT_PLUGIN_QUARANTINED",
      "AGENT_SILENT",
      "AGENT_STATE_UNREADABLE",
  };
  return codes;
}

TEST(FindingTest, EveryCodeIsThereOnce) {
  for (absl::string_view code : Catalogue()) {
    EXPECT_NE(FindFinding(code), nullptr) << code;
  }
  std::set<absl::string_view> codes;
  for (const FindingRow& row : FindingRows()) {
    EXPECT_TRUE(codes.insert(row.code).second) << row.code << " twice";
    EXPECT_FALSE(row.title.empty()) << row.code;
    EXPECT_FALSE(row.explanation.empty()) << row.code;
    EXPECT_FALSE(row.looks_at.empty()) << row.code;
    EXPECT_FALSE(row.reference.empty()) << row.code;
  }
  EXPECT_EQ(FindFinding("HOST_FIREWALL_CLOSED")->severity, v1::SEVERITY_CRITICAL);
  EXPECT_EQ(FindFinding("CLIENT_ACTIVATED_BY_DIRECTORY")->severity, v1::SEVERITY_INFO);
  EXPECT_EQ(FindFinding("NO_SUCH_CODE"), nullptr);
}

TEST(FindingTest, EitherATreatmentOrWhatAPersonMustDo) {
  for (const FindingRow& row : FindingRows()) {
    EXPECT_NE(row.treatments.empty(), row.why_untreatable.empty()) << row.code;
    if (row.treatments.empty()) continue;
    for (absl::string_view action : absl::StrSplit(row.treatments, ';')) {
      EXPECT_NE(FindTreatment(action), nullptr) << row.code << ": " << action;
    }
  }
}

TEST(TreatmentTest, HostsComeFirstAndARestartNeedsApproval) {
  EXPECT_EQ(TreatmentRows().size(), 14u);
  uint32_t last_order = 0;
  for (const TreatmentRow& row : TreatmentRows()) {
    EXPECT_GT(row.order, last_order) << row.action;
    last_order = row.order;
    EXPECT_EQ(row.plugin, row.on_host ? "kms_host" : "kms_client") << row.action;
    EXPECT_EQ(row.needs_approval, row.action == "reset_machine_id") << row.action;
    EXPECT_FALSE(row.title.empty());
  }
  EXPECT_EQ(TreatmentRows().back().action, "activate");
  EXPECT_EQ(FindTreatment("activate")->adds, "after");
  EXPECT_EQ(FindTreatment("ensure_dns_publishing")->adds, "") << "enabled=false is the opposite";
  EXPECT_EQ(FindTreatment("format_disk"), nullptr);
}

TEST(CoverageTest, AHostKeyCoversItsOwnGenerationAndOlder) {
  const std::pair<absl::string_view, bool> of_2022[] = {
      {"Windows 10/11 2015 (Volume)", true},
      {"Windows 10 2019 (Volume)", true},
      {"Windows 7", true},
      {"Windows Server 2008 C (Datacenter and Itanium)", true},
      {"Windows Server 2019", true},
      {"windows server 2022", true},
      {"Windows Server 2025", false},
      {"Windows 10 ServerRdsh (Volume)", false},
      {"Office 2021", false},
      {"", false},
  };
  for (const auto& [client, covered] : of_2022) {
    EXPECT_EQ(HostKeyCovers("Windows Server 2022", client), covered) << client;
  }
  EXPECT_TRUE(HostKeyCovers("Windows Server 2025", "Windows Server 2025"));
  EXPECT_TRUE(HostKeyCovers("Windows Server 2016", "Windows 10 2016 (Volume)"));
  EXPECT_FALSE(HostKeyCovers("Windows Server 2016", "Windows 10 2019 (Volume)"));
  EXPECT_FALSE(HostKeyCovers("Windows Server 2012 R2", "Windows 10/11 2015 (Volume)"));
  EXPECT_TRUE(HostKeyCovers("Windows Server 2012 R2 With Win 10", "Windows 10/11 2015 (Volume)"));
  EXPECT_TRUE(HostKeyCovers("Windows Server 2022 (Azure-only)", "Windows 10 ServerRdsh (Volume)"));
}

TEST(CoverageTest, ClientKeysServeNoServersAndGroupsBuildOnEachOther) {
  EXPECT_TRUE(HostKeyCovers("Windows 10 2019", "Windows 10/11 2015 (Volume)"));
  EXPECT_FALSE(HostKeyCovers("Windows 10 2019", "Windows Server 2019"));
  EXPECT_TRUE(HostKeyCovers("Windows Server 2008 R2 B (Standard & Enterprise)",
                            "Windows Server 2008 R2 A (Web and HPC)"));
  EXPECT_FALSE(HostKeyCovers("Windows Server 2008 R2 B (Standard & Enterprise)",
                             "Windows Server 2008 R2 C (Datacenter and Itanium)"));
  EXPECT_TRUE(HostKeyCovers("Office 2016 VL", "Office 2016"));
  EXPECT_FALSE(HostKeyCovers("Office LTSC 2021", "Office 2016"));
  EXPECT_TRUE(HostKeyCovers("Office LTSC 2024", "Office 2024"));
}

TEST(CloudTest, KnowsTheCloudsOwnHosts) {
  EXPECT_EQ(CloudOfHost("azkms.core.windows.net"), "Azure");
  EXPECT_EQ(CloudOfHost("KMS.CORE.WINDOWS.NET."), "Azure");
  EXPECT_EQ(CloudOfHost("35.190.247.13"), "Google Cloud");
  EXPECT_EQ(CloudOfHost("169.254.169.250"), "AWS");
  EXPECT_EQ(CloudOfHost("169.254.169.253"), "Oracle Cloud");
  EXPECT_EQ(CloudOfHost("kms.contoso.example"), "");
  EXPECT_EQ(CloudOfHost(""), "");
}

}  // namespace
}  // namespace keymedic::kms
