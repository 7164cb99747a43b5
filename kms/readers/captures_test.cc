// SPDX-License-Identifier: Apache-2.0
//
// tests/captures holds published outputs; EXPECTED.tsv says what each must give.
#include "kms/readers/captures.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "kms/readers/text.h"

namespace keymedic::kms {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const absl::Time kNow = absl::FromUnixSeconds(1790000000);

std::string CapturesFolder() {
  const char* source = std::getenv("KEYMEDIC_SOURCE_DIR");
  return absl::StrCat(source == nullptr ? "." : source, "/tests/captures/");
}

std::string ReadAll(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream all;
  all << file.rdbuf();
  return all.str();
}

struct Expected {
  std::string file, expected;
};

std::vector<Expected> ExpectedRows(const std::string& file = "EXPECTED.tsv") {
  std::vector<Expected> rows;
  const std::string table = ReadAll(CapturesFolder() + file);
  for (absl::string_view line : absl::StrSplit(table, '\n')) {
    const std::vector<std::string> columns = absl::StrSplit(line, '\t');
    if (columns.size() == 3 && columns[0][0] != '#') rows.push_back({columns[0], columns[2]});
  }
  return rows;
}

std::string Describe(const v1::DiagnoseCapturesResponse& response) {
  std::string text = v1::Verdict_Name(response.verdict());
  for (const v1::Finding& f : response.findings()) {
    absl::StrAppend(&text, "\n  ", v1::Severity_Name(f.severity()), " ", f.code(), " ",
                    f.subject());
  }
  for (const v1::Unread& u : response.unread()) {
    absl::StrAppend(&text, "\n  unread ", u.file(), ":", u.line(), ": ", u.reason());
  }
  return text;
}

void ExpectAnswer(const v1::DiagnoseCapturesResponse& response, const std::string& expected) {
  SCOPED_TRACE(Describe(response));
  std::set<std::string> codes;
  for (const v1::Finding& finding : response.findings()) codes.insert(finding.code());
  if (expected == "HEALTHY") {
    EXPECT_EQ(response.verdict(), v1::VERDICT_HEALTHY);
  } else if (expected == "INCONCLUSIVE") {
    EXPECT_EQ(response.verdict(), v1::VERDICT_INCONCLUSIVE);
  } else {
    for (absl::string_view code : absl::StrSplit(expected, ',')) {
      EXPECT_TRUE(codes.contains(std::string(code))) << "no " << code;
    }
  }
}

TEST(CapturesTest, EachPublishedCaptureGivesWhatIsExpected) {
  const std::vector<Expected> rows = ExpectedRows();
  ASSERT_GE(rows.size(), 20u) << CapturesFolder();
  for (const Expected& row : rows) {
    SCOPED_TRACE(row.file);
    CaptureSet set;
    set.Add(row.file, ReadAll(CapturesFolder() + row.file));
    ExpectAnswer(set.Diagnose(v1::Policy(), kNow), row.expected);
    EXPECT_TRUE(set.unread().empty());
  }
}

// Ours are held to more: a fault that is there must be all that is found.
TEST(CapturesTest, EachCaptureOfOurOwnGivesThatAndNothingElse) {
  const std::vector<Expected> rows = ExpectedRows("own/OWN_EXPECTED.tsv");
  ASSERT_GE(rows.size(), 27u) << CapturesFolder();
  for (const Expected& row : rows) {
    SCOPED_TRACE(row.file);
    CaptureSet set;
    set.Add(row.file, ReadAll(CapturesFolder() + "own/" + row.file));
    const v1::DiagnoseCapturesResponse response = set.Diagnose(v1::Policy(), kNow);
    ExpectAnswer(response, row.expected);
    const std::vector<std::string> codes = absl::StrSplit(row.expected, ',');
    for (const v1::Finding& finding : response.findings()) {
      EXPECT_TRUE(!IsProblem(finding) || testing::Matches(testing::Contains(finding.code()))(codes))
          << finding.code();
    }
  }
}

// The same text as other programs save it.
std::string Utf16(const std::string& ascii, bool big_endian, bool mark) {
  std::string out = !mark ? "" : big_endian ? "\xFE\xFF" : "\xFF\xFE";
  for (char c : ascii) {
    if (big_endian) out += '\0';
    out += c;
    if (!big_endian) out += '\0';
  }
  return out;
}

TEST(CapturesTest, EncodingsAndLineEndsMakeNoDifference) {
  const std::string file = "26_dlv_win7ent_client_en_notification_0xC004F200.txt";
  const std::string plain = ReadAll(CapturesFolder() + file);
  const std::string crlf = absl::StrJoin(absl::StrSplit(plain, '\n'), "\r\n");
  for (const std::string& bytes :
       {crlf, "\xEF\xBB\xBF" + plain, Utf16(crlf, false, true), Utf16(crlf, true, true),
        Utf16(plain, false, false), Utf16(plain, true, false), "\xFC\xE4\x81\n" + plain}) {
    CaptureSet set;
    set.Add(file, bytes);
    ExpectAnswer(set.Diagnose(v1::Policy(), kNow), "CLIENT_NON_GENUINE");
    EXPECT_TRUE(set.unread().empty());
  }
}

TEST(CapturesTest, AllCapturesAtOnceStayApart) {
  CaptureSet set;
  for (const Expected& row : ExpectedRows()) {
    set.Add(row.file, ReadAll(CapturesFolder() + row.file));
  }
  const v1::DiagnoseCapturesResponse response = set.Diagnose(v1::Policy(), kNow);
  EXPECT_EQ(response.verdict(), v1::VERDICT_PROBLEMS);
  for (const char* code : {"CLIENT_CLOCK_SKEW", "HOST_DNS_PUBLISH_FAILED", "CLIENT_NON_GENUINE"}) {
    ExpectAnswer(response, code);
  }
}

// --- what is no evidence ---

void ExpectNoEvidence(const std::string& content, const std::string& reason) {
  CaptureSet set;
  set.Add("x.bin", content);
  ASSERT_EQ(set.unread().size(), 1u);
  EXPECT_TRUE(set.unread()[0].whole_file());
  EXPECT_THAT(set.unread()[0].reason(), HasSubstr(reason));
  const v1::DiagnoseCapturesResponse response = set.Diagnose(v1::Policy(), kNow);
  EXPECT_EQ(response.verdict(), v1::VERDICT_INCONCLUSIVE);
  EXPECT_EQ(response.findings_size(), 0);
}

std::string Noise(size_t size, bool printable) {
  std::string noise(size, '\0');
  uint64_t x = 88172645463325252ull;
  for (char& c : noise) {
    x ^= x << 13, x ^= x >> 7, x ^= x << 17;
    c = printable ? static_cast<char>(x % 40 == 0 ? '\n' : ' ' + x % 95)
                  : static_cast<char>(x >> 24);
  }
  return noise;
}

TEST(CapturesTest, WhatIsNoEvidenceIsSaidToBeNone) {
  ExpectNoEvidence("", "empty");
  ExpectNoEvidence(" \r\n\t\n", "blank");
  ExpectNoEvidence(Noise(1 << 16, false), "binary");
  ExpectNoEvidence(Noise(1 << 20, true), "nothing in it");
  ExpectNoEvidence("ElfFile" + std::string(100, '\0'), "cut off");
  ExpectNoEvidence("Dear all,\nthe canteen is closed on Friday.\nName: Bob\n", "nothing in it");
  ExpectNoEvidence("{\"servers\": [{\"Id\": \"x\"}]}", "nothing in it");
  ExpectNoEvidence(std::string(readers::kMaxBytes + 1, 'a'), "64 MB");
  ExpectNoEvidence("{\"Id\": 8198, ", "cut off");
  ExpectNoEvidence(std::string(1 << 20, '['), "nothing in it");
  ExpectNoEvidence("{\"a\":" + std::string(1 << 20, '{'), "cut off");
}

TEST(CapturesTest, EveryCutOfEveryCaptureIsRead) {
  for (const Expected& row : ExpectedRows()) {
    const std::string whole = ReadAll(CapturesFolder() + row.file);
    for (size_t size = 0; size < whole.size(); size += 7) {
      CaptureSet set;
      set.Add(row.file, whole.substr(0, size));
      set.Add(row.file, whole.substr(size));
      set.Diagnose(v1::Policy(), kNow);
    }
  }
}

TEST(CapturesTest, ABrokenValueIsReportedWithItsLine) {
  CaptureSet set;
  set.Add("dlv.txt",
          "Name: Windows(R), Enterprise edition\n"
          "Description: Windows(R) Operating System, VOLUME_KMSCLIENT channel\n"
          "Partial Product Key: 3V66TX\n"
          "License Status: Licensed\n"
          "Volume activation expiration: soon\n");
  ASSERT_EQ(set.unread().size(), 2u);
  EXPECT_EQ(set.unread()[0].line(), 3u);
  EXPECT_EQ(set.unread()[1].line(), 5u);
  EXPECT_FALSE(set.unread()[0].whole_file());
  EXPECT_EQ(set.Machines().size(), 1u);
}

TEST(CapturesTest, KeysComeOutRedacted) {
  CaptureSet set;
  set.Add("NPPR9-FWDCX-D2C8J-H872K-2YT43.txt",
          "Error: 0xC004F050 key NPPR9-FWDCX-D2C8J-H872K-2YT43\n"
          "Current count: NPPR9-FWDCX-D2C8J-H872K-2YT43\n");
  EXPECT_THAT(set.Diagnose(v1::Policy(), kNow).DebugString(), Not(HasSubstr("FWDCX")));
}

}  // namespace
}  // namespace keymedic::kms
