// SPDX-License-Identifier: Apache-2.0
#include "cli/score.h"

#include <gmock/gmock.h>

#include "cli/score_view.h"
#include "nlohmann/json.hpp"

namespace keymedic::cli {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

v1::Finding Found(const std::string& code, const std::string& subject,
                  v1::Severity severity = v1::SEVERITY_CRITICAL) {
  v1::Finding finding;
  finding.set_code(code);
  finding.set_subject(subject);
  finding.set_severity(severity);
  finding.add_affected_machines(subject);
  return finding;
}

v1::Finding Under(v1::Finding finding, v1::Finding& cause) {
  finding.set_cause_code(cause.code());
  finding.set_cause_subject(cause.subject());
  finding.clear_affected_machines();
  cause.add_affected_machines(finding.subject());
  return finding;
}

// One host behind a closed firewall, and a client that suffers from it.
lab::Truth Closed() {
  return {.conditions = {{{"CLIENT_HOST_UNREACHABLE", "pc"}, false},
                         {{"HOST_FIREWALL_CLOSED", "kms"}, true}},
          .roots = {{"pc", {{"HOST_FIREWALL_CLOSED", "kms"}}}}};
}

std::vector<std::string> Wrongs(const Score& score) {
  std::vector<std::string> out;
  for (const Disagreement& one : score.disagreements)
    out.push_back((one.wrong == Wrong::kFalsePositive ? "invented "
                   : one.wrong == Wrong::kMiss        ? "missed "
                                                      : "root ") +
                  one.code + " " + one.subject);
  return out;
}

TEST(ScoreTest, WhatIsTrueAndUnderItsCauseIsPerfect) {
  v1::Finding host = Found("HOST_FIREWALL_CLOSED", "kms");
  const v1::Finding client = Under(Found("CLIENT_HOST_UNREACHABLE", "pc"), host);
  const Score score = Compare(Closed(), {host, client});
  EXPECT_THAT(Wrongs(score), IsEmpty());
  EXPECT_EQ(score.precision(), 1);
  EXPECT_EQ(score.recall(), 1);
  EXPECT_EQ(score.root_cause_accuracy(), 1);
  EXPECT_EQ(score.per_code.at("HOST_FIREWALL_CLOSED").true_positives, 1);
  EXPECT_EQ(score.per_code.at("CLIENT_HOST_UNREACHABLE").root_correct, 1);
}

TEST(ScoreTest, AnInventionCostsPrecisionAndSaysWhatMisled) {
  v1::Finding host = Found("HOST_FIREWALL_CLOSED", "kms");
  const v1::Finding client = Under(Found("CLIENT_HOST_UNREACHABLE", "pc"), host);
  v1::Finding invented = Found("HOST_COUNT_STUCK", "kms");
  v1::Evidence& seen = *invented.add_evidence();
  seen.set_source("kms_host");
  seen.set_field("current_count");
  seen.set_value("3");
  const Score score = Compare(Closed(), {host, client, invented});
  EXPECT_THAT(Wrongs(score), ElementsAre("invented HOST_COUNT_STUCK kms"));
  EXPECT_THAT(score.disagreements[0].why, HasSubstr("kms_host current_count = 3"));
  EXPECT_THAT(score.disagreements[0].why, HasSubstr("true: HOST_FIREWALL_CLOSED kms"));
  EXPECT_NEAR(score.precision(), 2.0 / 3, 1e-9);
}

TEST(ScoreTest, OnlyWhatHasToBeFoundIsMissed) {
  const Score score = Compare(Closed(), {});
  EXPECT_THAT(Wrongs(score),
              ElementsAre("missed HOST_FIREWALL_CLOSED kms", "root HOST_FIREWALL_CLOSED pc"));
  EXPECT_EQ(score.recall(), 0);
  EXPECT_EQ(score.precision(), 1) << "who says nothing invents nothing";
  EXPECT_EQ(score.root_cause_accuracy(), 0);
}

TEST(ScoreTest, ASymptomThatStandsAloneOrUnderAnotherCauseHasAWrongRoot) {
  v1::Finding host = Found("HOST_FIREWALL_CLOSED", "kms");
  const v1::Finding alone = Found("CLIENT_HOST_UNREACHABLE", "pc");
  EXPECT_THAT(Wrongs(Compare(Closed(), {host, alone})),
              ElementsAre("root CLIENT_HOST_UNREACHABLE pc"));
  v1::Finding other = Found("HOST_FIREWALL_CLOSED", "kms-2");
  const v1::Finding elsewhere = Under(Found("CLIENT_HOST_UNREACHABLE", "pc"), other);
  lab::Truth truth = Closed();
  truth.conditions.push_back({{"HOST_FIREWALL_CLOSED", "kms-2"}, true});
  EXPECT_THAT(Wrongs(Compare(truth, {host, other, elsewhere})),
              ElementsAre("root CLIENT_HOST_UNREACHABLE pc"));
}

TEST(ScoreTest, TheCauseHasToNameTheMachineAsAffected) {
  v1::Finding host = Found("HOST_FIREWALL_CLOSED", "kms");
  const v1::Finding client = Under(Found("CLIENT_HOST_UNREACHABLE", "pc"), host);
  host.clear_affected_machines();
  EXPECT_THAT(Wrongs(Compare(Closed(), {host, client})),
              ElementsAre("root CLIENT_HOST_UNREACHABLE pc"));
}

TEST(ScoreTest, AnotherTruthAboutTheMachineIsNoClaimAboutItsTrouble) {
  lab::Truth truth = Closed();
  truth.conditions.push_back({{"CLIENT_DUPLICATE_CMID", "pc"}, true});
  truth.conditions.push_back({{"CLIENT_CACHING_OFF", "pc"}, true});
  v1::Finding host = Found("HOST_FIREWALL_CLOSED", "kms");
  const v1::Finding client = Under(Found("CLIENT_HOST_UNREACHABLE", "pc"), host);
  const Score score = Compare(truth, {host, client, Found("CLIENT_DUPLICATE_CMID", "pc"),
                                      Found("CLIENT_CACHING_OFF", "pc", v1::SEVERITY_NOTICE)});
  EXPECT_THAT(Wrongs(score), IsEmpty());
  // Alone it explains nothing.
  EXPECT_THAT(Wrongs(Compare(truth, {host, Found("CLIENT_DUPLICATE_CMID", "pc"),
                                     Found("CLIENT_CACHING_OFF", "pc", v1::SEVERITY_NOTICE)})),
              ElementsAre("root HOST_FIREWALL_CLOSED pc"));
}

TEST(ScoreTest, WhatFollowsTrulyFromAnotherCauseIsNoClaimAboutItsTrouble) {
  lab::Truth truth = Closed();
  truth.conditions.push_back({{"CLIENT_DNS_NO_SRV", "pc"}, false, {{"HOST_SRV_MISSING", "kms"}}});
  truth.conditions.push_back({{"HOST_SRV_MISSING", "kms"}, true});
  v1::Finding host = Found("HOST_FIREWALL_CLOSED", "kms");
  const v1::Finding client = Under(Found("CLIENT_HOST_UNREACHABLE", "pc"), host);
  v1::Finding missing = Found("HOST_SRV_MISSING", "kms");
  const v1::Finding none = Under(Found("CLIENT_DNS_NO_SRV", "pc"), missing);
  EXPECT_THAT(Wrongs(Compare(truth, {host, client, missing, none})), IsEmpty());
  // Under a cause that it does not follow from it is wrong, and alone it explains nothing.
  v1::Finding other = Found("CLIENT_CACHING_OFF", "pc");
  EXPECT_THAT(Wrongs(Compare(truth, {host, client, missing, other,
                                     Under(Found("CLIENT_DNS_NO_SRV", "pc"), other)})),
              Contains("root CLIENT_DNS_NO_SRV pc"));
  EXPECT_THAT(Wrongs(Compare(truth, {host, missing, none})),
              ElementsAre("root HOST_FIREWALL_CLOSED pc"));
}

TEST(ScoreTest, ScoresAddUp) {
  v1::Finding host = Found("HOST_FIREWALL_CLOSED", "kms");
  const v1::Finding client = Under(Found("CLIENT_HOST_UNREACHABLE", "pc"), host);
  Score sum = Compare(Closed(), {host, client});
  sum.Add(Compare(Closed(), {}));
  EXPECT_EQ(sum.recall(), 0.5);
  EXPECT_EQ(sum.root_cause_accuracy(), 0.5);
  EXPECT_EQ(sum.per_code.at("HOST_FIREWALL_CLOSED").misses, 1);
}

TEST(ScoreTest, TheJsonIsOneObject) {
  ScoreReport report;
  report.estates = {{"good", Score()}, {"bad", Compare(Closed(), {})}};
  report.estates[1].score.machines = 2;
  const auto json = nlohmann::json::parse(ScoreAsJson(report, /*verbose=*/true));
  EXPECT_EQ(json["precision"], 1.0);
  EXPECT_EQ(json["recall"], 0.0);
  EXPECT_EQ(json["per_code"]["HOST_FIREWALL_CLOSED"]["misses"], 1);
  EXPECT_EQ(json["machines"], 2);
  ASSERT_EQ(json["worst"].size(), 1u);
  EXPECT_EQ(json["worst"][0]["estate"], "bad");
  EXPECT_EQ(json["wrong"].size(), 2u);
  EXPECT_FALSE(nlohmann::json::parse(ScoreAsJson(report, false)).contains("wrong"));
}

}  // namespace
}  // namespace keymedic::cli
