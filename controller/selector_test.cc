// SPDX-License-Identifier: Apache-2.0
#include "controller/selector.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace keymedic::controller {
namespace {

using ::testing::HasSubstr;

FleetPort::MachineInfo Pc017() {
  return {.id = "7f3a",
          .display_name = "pc-017",
          .labels = {{"site", "berlin"}, {"machine.owner", "finance"}},
          .connected = true,
          .roles = {"kms_client"}};
}

v1::Finding MakeFinding(std::string code, v1::Severity severity, std::string cause = "") {
  v1::Finding finding;
  finding.set_code(code);
  finding.set_severity(severity);
  finding.set_cause_code(cause);
  return finding;
}

std::vector<v1::Finding> Pc017Findings() {
  return {MakeFinding("CLIENT_KEY_NOT_GVLK", v1::SEVERITY_CRITICAL),
          MakeFinding("CLIENT_HOST_UNREACHABLE", v1::SEVERITY_CRITICAL, "HOST_FIREWALL_CLOSED"),
          MakeFinding("CLIENT_CACHING_OFF", v1::SEVERITY_NOTICE)};
}

bool Selects(absl::string_view text) {
  absl::StatusOr<Selector> selector = Selector::Parse(text);
  EXPECT_TRUE(selector.ok()) << text << ": " << selector.status();
  return selector.ok() && selector->Matches(Pc017(), Pc017Findings());
}

std::string ErrorOf(absl::string_view text) {
  absl::StatusOr<Selector> selector = Selector::Parse(text);
  EXPECT_FALSE(selector.ok()) << text;
  EXPECT_TRUE(absl::IsInvalidArgument(selector.status())) << text;
  return std::string(selector.status().message());
}

TEST(SelectorTest, TermsHoldByField) {
  EXPECT_TRUE(Selects("all"));
  EXPECT_TRUE(Selects("finding=CLIENT_KEY_NOT_GVLK"));
  EXPECT_TRUE(Selects("finding=client_key_not_gvlk"));
  EXPECT_FALSE(Selects("finding=CLIENT_CLOCK_SKEW"));
  EXPECT_TRUE(Selects("finding!=CLIENT_CLOCK_SKEW"));
  EXPECT_FALSE(Selects("finding!=CLIENT_KEY_NOT_GVLK"));
  EXPECT_TRUE(Selects("machine=pc-017"));
  EXPECT_TRUE(Selects("machine=7F3A"));
  EXPECT_TRUE(Selects("machine=pc-*7"));
  EXPECT_FALSE(Selects("machine=pc-*8"));
  EXPECT_FALSE(Selects("machine=pc"));
  EXPECT_TRUE(Selects("role=kms_client"));
  EXPECT_FALSE(Selects("role=kms_host"));
  EXPECT_TRUE(Selects("severity=notice"));
  EXPECT_FALSE(Selects("severity=info"));
  EXPECT_TRUE(Selects("connected=true"));
  EXPECT_FALSE(Selects("connected=false"));
  EXPECT_TRUE(Selects("site=berlin"));
  EXPECT_TRUE(Selects("label.site = 'berlin'"));
  EXPECT_TRUE(Selects("label.machine.owner=fin*"));
  EXPECT_FALSE(Selects("site=hamburg"));
  EXPECT_TRUE(Selects("site!=hamburg"));
  EXPECT_FALSE(Selects("rack=4"));
}

TEST(SelectorTest, AMachineSuffersFromTheCauseOfItsFindings) {
  EXPECT_TRUE(Selects("finding=HOST_FIREWALL_CLOSED"));
}

TEST(SelectorTest, AndBindsTighterThanOr) {
  EXPECT_TRUE(Selects("site=berlin or site=hamburg and role=kms_host"));
  EXPECT_FALSE(Selects("(site=berlin or site=hamburg) and role=kms_host"));
  EXPECT_TRUE(Selects("not site=hamburg and role=kms_client"));
  EXPECT_FALSE(Selects("not (site=hamburg or role=kms_client)"));
  EXPECT_TRUE(Selects("NOT NOT site=berlin"));
}

TEST(SelectorTest, NothingIsNeverEverything) {
  EXPECT_THAT(ErrorOf(""), HasSubstr("write 'all'"));
  EXPECT_THAT(ErrorOf("  \n"), HasSubstr("write 'all'"));
  EXPECT_THAT(ErrorOf("()"), HasSubstr("column 2"));
  EXPECT_THAT(ErrorOf("site="), HasSubstr("value for 'site' is missing"));
  EXPECT_THAT(ErrorOf("finding=''"), HasSubstr("empty value"));
}

TEST(SelectorTest, ErrorsNameThePlaceAndWhatWasMeant) {
  EXPECT_THAT(ErrorOf("fnding=X"), HasSubstr("did you mean 'finding'"));
  EXPECT_THAT(ErrorOf("site=berlin and rolle=kms_host"), HasSubstr("column 17"));
  EXPECT_THAT(ErrorOf("severity=bad"), HasSubstr("info, notice, warning, critical"));
  EXPECT_THAT(ErrorOf("berlin"), HasSubstr("'berlin' needs = or !="));
  EXPECT_THAT(ErrorOf("site=berlin site=ulm"), HasSubstr("join terms"));
  EXPECT_THAT(ErrorOf("site=berlin and"), HasSubstr("ends where a term"));
  EXPECT_THAT(ErrorOf("(site=berlin"), HasSubstr("never closed"));
  EXPECT_THAT(ErrorOf("site=berlin)"), HasSubstr("closes nothing"));
  EXPECT_THAT(ErrorOf("site='berlin"), HasSubstr("never closed"));
  EXPECT_THAT(ErrorOf("site!berlin"), HasSubstr("column 5"));
  EXPECT_THAT(ErrorOf("connected=yes"), HasSubstr("true, false"));
}

TEST(SelectorTest, ALabelThatNobodyCarriesIsFoundAlsoBehindANegation) {
  const std::set<std::string> known = {"machine.owner", "rack", "site"};
  auto check = [&](absl::string_view text) { return Selector::Parse(text)->CheckLabels(known); };
  for (absl::string_view text : {"sit=berlin", "sit!=berlin", "not sit=berlin", "label.sit=berlin",
                                 "site=ulm and (machine=pc-* or not sit=berlin)", "SITE=berlin"}) {
    const absl::Status status = check(text);
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << text;
    EXPECT_THAT(std::string(status.message()), HasSubstr("did you mean 'site'?")) << text;
  }
  EXPECT_THAT(std::string(check("rack=4 and not sit=berlin").message()),
              HasSubstr("column 16: no machine carries a label 'sit'"));
  EXPECT_THAT(std::string(check("floor=3").message()), HasSubstr("keymedic machines list"));
  for (absl::string_view text : {"all", "site=nowhere", "not (rack=4 or label.machine.owner=x)",
                                 "finding=X and machine!=y"}) {
    EXPECT_TRUE(check(text).ok()) << text;
  }
}

TEST(SelectorTest, HostileTextIsRefusedWithoutHarm) {
  EXPECT_THAT(ErrorOf(std::string(3000, '(')), HasSubstr("nested too deeply"));
  EXPECT_THAT(ErrorOf(std::string(5000, 'a')), HasSubstr("at most 4096"));
  std::string nots;
  for (int i = 0; i < 900; ++i) nots += "not ";
  EXPECT_THAT(ErrorOf(nots + "all"), HasSubstr("nested too deeply"));
}

TEST(SelectorTest, NamesTellsWhichFindingsAreMeant) {
  const Selector selector = *Selector::Parse("finding=A and not finding=B and severity!=info");
  EXPECT_TRUE(selector.Names(MakeFinding("A", v1::SEVERITY_NOTICE)));
  EXPECT_TRUE(selector.Names(MakeFinding("C", v1::SEVERITY_NOTICE, "A")));
  EXPECT_FALSE(selector.Names(MakeFinding("B", v1::SEVERITY_NOTICE)));
  EXPECT_FALSE(selector.Names(MakeFinding("C", v1::SEVERITY_INFO)));
  EXPECT_FALSE(Selector::Parse("all")->Names(MakeFinding("A", v1::SEVERITY_CRITICAL)));
}

}  // namespace
}  // namespace keymedic::controller
