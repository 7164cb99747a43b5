// SPDX-License-Identifier: Apache-2.0
#include "kms/event_text.h"

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace keymedic::kms {
namespace {

TEST(EventTextTest, HostsAndPorts) {
  const auto split = [](absl::string_view text) {
    const HostPort parsed = SplitHostPort(text);
    return absl::StrCat(parsed.host, "|", parsed.port ? absl::StrCat(*parsed.port) : "none");
  };
  EXPECT_EQ(split("kms.contoso.example:1688"), "kms.contoso.example|1688");
  EXPECT_EQ(split(" 10.0.0.1:80 "), "10.0.0.1|80");
  EXPECT_EQ(split("kms"), "kms|none");
  EXPECT_EQ(split("[2001:db8::1]:1688"), "2001:db8::1|1688");
  EXPECT_EQ(split("[2001:db8::1]"), "2001:db8::1|none");
  EXPECT_EQ(split("2001:db8::1"), "2001:db8::1|none");
  EXPECT_EQ(split("<KMS Host FQDN>:1688"), "|1688");
  EXPECT_EQ(split("kms:0"), "kms|none");
  EXPECT_EQ(split("kms:70000"), "kms|none");
  EXPECT_EQ(split(""), "|none");
}

TEST(EventTextTest, DomainsInEveryLanguage) {
  EXPECT_EQ(FindDomain("in the 'corp' domain failed"), "corp");
  EXPECT_EQ(FindDomain("in der Domäne \"contoso.com\" ist fehlgeschlagen. Info: 0x80072338"),
            "contoso.com");
  EXPECT_EQ(FindDomain("在“contoso.com”域中将密钥管理服务(KMS)发布到 DNS 失败"), "contoso.com");
  EXPECT_EQ(FindDomain("dans le domaine « contoso.com » a échoué."), "contoso.com");
  EXPECT_EQ(FindDomain("on 2025.10.09 in the <domain> domain failed."), "");
  EXPECT_EQ(FindDomain("0x80072338"), "");
}

TEST(EventTextTest, OneLineIsValidAndCutBetweenCharacters) {
  EXPECT_EQ(OneLine("  a \r\n\t b\x01 ", 80), "a b");
  EXPECT_EQ(OneLine("\xC3\xA4\xC3\xA4", 3), "\xC3\xA4");
  EXPECT_EQ(OneLine("\xC3", 3), "?");
  EXPECT_EQ(OneLine("\xED\xA0\x80", 9), "???");
  EXPECT_EQ(OneLine("\xE6\x9F\x90", 9), "\xE6\x9F\x90");
}

TEST(EventTextTest, PayloadStartsAtItsCode) {
  const PayloadFields fields(
      "Info:\n0xC004F06C, 0x8, <gone>, {36F27B39-2FD5-440B-BE67-A09996D27A38}");
  EXPECT_EQ(fields.code(0), 0xC004F06Cu);
  EXPECT_EQ(fields.code(1), 8u);
  EXPECT_EQ(fields.text(2), "");
  EXPECT_EQ(fields.guid(3), "36f27b39-2fd5-440b-be67-a09996d27a38");
  EXPECT_EQ(fields.text(4), "");
  EXPECT_EQ(PayloadFields("nothing here").text(0), "");
}

TEST(EventTextTest, ErrorCodesByShape) {
  EXPECT_EQ(FindErrorCode("hrOffline = 0x00000000, hrOnline =0xC004C4A2"), 0xC004C4A2u);
  EXPECT_EQ(FindErrorCode("state (0x00000000)."), 0u);
  EXPECT_EQ(FindErrorCode("keywords 0x80000000000000 flags 0x8"), std::nullopt);
  EXPECT_EQ(FindErrorCode("hr=-1073418124"), 0xC004F074u);
  EXPECT_EQ(FindErrorCode("port 1688, attempt 3"), std::nullopt);
}

}  // namespace
}  // namespace keymedic::kms
