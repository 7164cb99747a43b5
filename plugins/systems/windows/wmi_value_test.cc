// SPDX-License-Identifier: Apache-2.0
#include "plugins/systems/windows/wmi_value.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace keymedic::systems {
namespace {

using testing::ElementsAre;

TEST(WmiRowTest, ReadsWhatIsThereInAnyType) {
  const WmiRow row({{"Text", std::string("kms.example")},
                    {"Number", int64_t{0xFFFFFFFF}},
                    {"Flag", true},
                    {"Wide", std::string("18446744073709551615")},
                    {"Null", std::monostate()},
                    {"List", std::vector<std::string>{"1688", "Any"}}});
  EXPECT_EQ(row.Text("Text"), "kms.example");
  EXPECT_EQ(row.Text("Number"), "4294967295");
  EXPECT_EQ(row.Number("Number"), 0xFFFFFFFF);
  EXPECT_EQ(row.Number("Flag"), 1);
  EXPECT_EQ(row.Number("Wide"), -1) << "all its bits";
  EXPECT_EQ(row.Flag("Number"), true);
  EXPECT_THAT(row.List("List"), ElementsAre("1688", "Any"));
  EXPECT_THAT(row.List("Text"), ElementsAre("kms.example"));
}

TEST(WmiRowTest, NullIsKnownAndMissingIsNot) {
  const WmiRow row({{"Null", std::monostate()}, {"Word", std::string("many")}});
  EXPECT_TRUE(row.Has("Null"));
  EXPECT_FALSE(row.Has("Missing"));
  for (const std::string name : {"Null", "Missing"}) {
    EXPECT_EQ(row.Text(name), std::nullopt);
    EXPECT_EQ(row.Number(name), std::nullopt);
    EXPECT_EQ(row.Flag(name), std::nullopt);
    EXPECT_TRUE(row.List(name).empty());
  }
  EXPECT_EQ(row.Number("Word"), std::nullopt);
}

TEST(QueryTextTest, IsWql) {
  EXPECT_EQ(QueryText({.class_name = "C", .columns = {"A", "B"}, .where = "A <> null"}),
            "SELECT A, B FROM C WHERE A <> null");
  EXPECT_EQ(QueryText({.class_name = "C", .columns = {}}), "SELECT * FROM C");
}

// A class that has A and C, asked for more.
class ColumnFallbackTest : public testing::Test {
 protected:
  WmiAnswer Ask(std::vector<std::string> columns) {
    return fallback_.Query(
        {.class_name = "C", .columns = std::move(columns)},
        [this](const WmiQuery& query) {
          asked_.push_back(QueryText(query));
          for (const std::string& column : query.columns) {
            if (column != "A" && column != "C") return WmiAnswer{.hresult = kWmiInvalidQuery};
          }
          return WmiAnswer{.rows = {WmiRow({{"A", int64_t{1}}})}};
        },
        [this](const std::string&) {
          ++listed_;
          return list_;
        });
  }

  ColumnFallback fallback_;
  WmiNames list_{.names = {"a", "C", "D"}};
  std::vector<std::string> asked_;
  int listed_ = 0;
};

TEST_F(ColumnFallbackTest, AsksForTheColumnsThatTheClassHasAndRemembersThem) {
  EXPECT_EQ(Ask({"A", "B", "C"}).rows.size(), 1u);
  EXPECT_EQ(Ask({"C", "B"}).rows.size(), 1u);
  EXPECT_THAT(asked_,
              ElementsAre("SELECT A, B, C FROM C", "SELECT A, C FROM C", "SELECT C FROM C"));
  EXPECT_EQ(listed_, 1);
}

TEST_F(ColumnFallbackTest, AQueryThatIsInvalidForAnotherReasonStaysSo) {
  list_.names = {"A", "B"};
  EXPECT_EQ(Ask({"A", "B"}).hresult, kWmiInvalidQuery);
  list_.names = {"X"};
  EXPECT_EQ(Ask({"B"}).hresult, kWmiInvalidQuery);
  list_ = {.hresult = 0x80041010};
  EXPECT_EQ(Ask({"B"}).hresult, 0x80041010u);
}

TEST(WhoFailedTest, KnowsTheServicesRefusalsFromWmisOwn) {
  for (const uint32_t refusal :
       {0xC004F069u, 0xC004F050u, 0xC0020017u, 0xC004D307u, 0x8004E101u, 0u}) {
    EXPECT_EQ(WhoFailed(refusal), FailureOf::kService) << std::hex << refusal;
  }
  for (const uint32_t of_wmi : {0x80041003u, 0x80070005u, 0x80010108u, 0x80004005u, 0x8007000Eu}) {
    EXPECT_EQ(WhoFailed(of_wmi), FailureOf::kWmi) << std::hex << of_wmi;
  }
  for (const uint32_t either : {0x800706BAu, 0x8007232Bu, 0x8007139Fu, 0x80070057u}) {
    EXPECT_EQ(WhoFailed(either), FailureOf::kAskAgain) << std::hex << either;
  }
}

TEST(ParseWmiTimeTest, TakesTheOffsetOffAndKnowsNever) {
  EXPECT_EQ(ParseWmiTime("20261126142401.000000+060"), absl::FromUnixSeconds(1795699441));
  EXPECT_EQ(ParseWmiTime("20261126142401.000000-060"), absl::FromUnixSeconds(1795706641));
  EXPECT_EQ(ParseWmiTime("20261126142401.000000+***"), absl::FromUnixSeconds(1795703041));
  for (const std::string never : {"", "16010101000000.000000-000", "2026", "2026**26142401.0"}) {
    EXPECT_EQ(ParseWmiTime(never), std::nullopt) << never;
  }
}

}  // namespace
}  // namespace keymedic::systems
