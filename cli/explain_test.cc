// SPDX-License-Identifier: Apache-2.0
#include "cli/explain.h"

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "cli/catalogue.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "kms/tables.h"
#include "lab/faults.h"

namespace keymedic::cli {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(Explain, TakesACodeAsItIsPasted) {
  for (const char* text :
       {"0xC004F074", "0xc004f074", "C004F074", " 0xC004F074 ", "0xc004f074,", "(0xC004F074)",
        "0xC004F074.", "0xC004F074:", "\"0xC004F074\"", "hr=0xC004F074", "[0xC004F074];",
        "3221549172", "-1073418124", "-1073418124."}) {
    EXPECT_EQ(PastedErrorCode(text), 0xC004F074u) << text;
  }
  EXPECT_EQ(PastedErrorCode("-1073422220"), 0xC004E074u);
  for (const char* text :
       {"", "()", "0x", "CLIENT_KEY", "0xC004F074F", "99999999999", "--1", "0xC004 F074", "-"}) {
    EXPECT_EQ(PastedErrorCode(text), std::nullopt) << text;
  }
}

TEST(Explain, FindingsAreThoseThatTheRulesGive) {
  EXPECT_THAT(FindingsOnError(0xC004F074), Contains("CLIENT_HOST_UNREACHABLE"));
  EXPECT_THAT(FindingsOnError(0x8007232B), Contains("CLIENT_DNS_NO_SRV"));
  EXPECT_THAT(FindingsOnError(0xC004F06C), Contains("CLIENT_CLOCK_SKEW"));
  EXPECT_THAT(FindingsOnError(0xC004F069), Contains("CLIENT_KEY_WRONG_EDITION"));
  EXPECT_THAT(FindingsOnError(0xC004F042),
              AllOf(Contains("CLIENT_HOST_KEY_MISMATCH"), Contains("HOST_KEY_MISMATCH")));
  EXPECT_THAT(FindingsOnError(0xC004C008), Contains("HOST_ACTIVATION_LIMIT"));
  EXPECT_THAT(FindingsOnError(0xC0DE1234), IsEmpty()) << "nobody knows that one";
}

TEST(Explain, WhatIsNotInTheTableIsDecodedAndNotInvented) {
  struct Case {
    uint32_t code;
    const char *kind, *suggestion;
  };
  for (const Case& c :
       {Case{1722, "Windows error 1722", "0x800706BA"},
        Case{0x800706C1, "Windows error 1729, of RPC", "TCP 1688"},
        Case{0x80072399, "of DNS", "_vlmcs._tcp"},
        Case{0x80072F99, "the Windows error 12185", "proxy"},
        Case{0x80070C99, "the Windows error 3225", "net helpmsg 3225"},
        Case{0xC004A001, "an error of the Software Protection service", "slui.exe"},
        Case{0x4004A001, "no error, a message, of the Software", "slui.exe"},
        Case{0x80090399, "facility 9, security", "clocks"},
        Case{0x81230001, "an error of facility 291", "Windows events"}, Case{0, "no error", ""}}) {
    ASSERT_EQ(kms::FindError(c.code), nullptr) << std::hex << c.code;
    const Decoded decoded = DecodeError(c.code);
    EXPECT_THAT(decoded.kind, HasSubstr(c.kind)) << std::hex << c.code;
    EXPECT_THAT(decoded.suggestion, HasSubstr(c.suggestion)) << std::hex << c.code;
  }
}

TEST(Catalogue, EveryFindingIsInTheDocumentOnce) {
  const std::string document = CatalogueDocument();
  for (const kms::FindingRow& row : kms::FindingRows()) {
    const std::string heading =
        absl::StrCat("\n### ", absl::StrJoin(absl::StrSplit(row.code, '_'), "\\_"), "\n");
    const size_t at = document.find(heading);
    ASSERT_NE(at, std::string::npos) << row.code;
    EXPECT_EQ(document.find(heading, at + 1), std::string::npos) << row.code;
  }
}

TEST(Catalogue, ItsFaultsAreFaultsOfTheLabAndItsFindingsFindings) {
  for (const ShownBy& shown : LabFaults()) {
    EXPECT_NE(kms::FindFinding(shown.finding), nullptr) << shown.finding;
    for (absl::string_view fault : absl::StrSplit(shown.faults, ','))
      EXPECT_NE(lab::FindFaultKind(fault), nullptr) << fault;
  }
}

TEST(Catalogue, TheDocumentIsAsNewAsTheTables) {
  const char* source = std::getenv("KEYMEDIC_SOURCE_DIR");
  ASSERT_NE(source, nullptr);
  std::ifstream file(absl::StrCat(source, "/docs/findings.md"));
  std::stringstream text;
  text << file.rdbuf();
  EXPECT_TRUE(text.str() == CatalogueDocument())
      << "docs/findings.md is not what the tables say; `./dev docs` makes it anew";
}

}  // namespace
}  // namespace keymedic::cli
