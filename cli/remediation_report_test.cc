// SPDX-License-Identifier: Apache-2.0
#include "cli/remediation_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace keymedic::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

v1::Remediation Remediation() {
  v1::Remediation r;
  r.set_id("r-1");
  r.set_state(v1::REMEDIATION_STATE_FAILED);
  r.set_selector("finding=A | site=b");
  r.set_planned_by("ann");
  r.mutable_planned_at()->set_seconds(1'800'000'000);
  r.set_plan_hash("0123");
  (*r.mutable_totals())["failed"] = 1;
  v1::Target& target = *r.add_targets();
  target.set_display_name("pc-1");
  target.set_wave(1);
  target.set_state(v1::TARGET_STATE_FAILED);
  target.add_finding_codes("CLIENT_KEY_NOT_GVLK");
  target.set_message("two\nlines | and a bar");
  v1::Step& step = *target.add_steps();
  step.set_action("ensure_client_key");
  v1::Change& change = *step.add_changes();
  change.set_field("key");
  change.set_before("ABCDE");
  change.set_after("2YT43");
  step.mutable_inverse()->set_action("ensure_client_key");
  target.add_steps()->set_action("activate");
  return r;
}

TEST(MarkdownReportTest, SaysWhoWhatAndHowItEnded) {
  const std::string report = MarkdownReport(Remediation());
  EXPECT_THAT(report, HasSubstr("# Remediation r-1: failed\n"));
  EXPECT_THAT(report, HasSubstr("| planned | 2027-01-15 08:00 UTC, ann |"));
  EXPECT_THAT(report, HasSubstr("| ended | - |"));
  EXPECT_THAT(report, HasSubstr("## 1 machines: 1 failed"));
  EXPECT_THAT(report, HasSubstr("| pc-1 | canary | failed | CLIENT_KEY_NOT_GVLK | key: ABCDE -> "
                                "2YT43; activate | activate |"));
  EXPECT_THAT(report, Not(HasSubstr("approved")));
  EXPECT_THAT(report, Not(HasSubstr("only")));
  EXPECT_THAT(report, Not(HasSubstr("Not treated")));
}

TEST(MarkdownReportTest, SaysWhatWasAskedFor) {
  v1::Remediation r = Remediation();
  r.add_treat("reset_machine_id");
  r.add_treat("activate");
  r.add_approve("reset_machine_id");
  const std::string report = MarkdownReport(r);
  EXPECT_THAT(report, HasSubstr("| only | reset_machine_id, activate |"));
  EXPECT_THAT(report, HasSubstr("| approved actions | reset_machine_id |"));
}

TEST(MarkdownReportTest, MarksWhatWasUndone) {
  v1::Remediation r = Remediation();
  v1::Target& target = *r.mutable_targets(0);
  target.set_state(v1::TARGET_STATE_ROLLED_BACK);
  for (v1::Step& step : *target.mutable_steps()) {
    step.set_outcome(v1::OUTCOME_CHANGED);
    step.mutable_inverse()->set_action("back");
    step.set_undone(true);
  }
  EXPECT_THAT(MarkdownReport(r),
              HasSubstr("| pc-1 | canary | rolled-back | CLIENT_KEY_NOT_GVLK | key: ABCDE -> 2YT43 "
                        "(undone); activate (undone) |  |"))
      << "and nothing is said to be there for good";
}

TEST(MarkdownReportTest, NothingBreaksTheTable) {
  const std::string report = MarkdownReport(Remediation());
  EXPECT_THAT(report, HasSubstr("two lines \\| and a bar |"));
  EXPECT_THAT(report, HasSubstr("`finding=A \\| site=b`"));
}

TEST(MarkdownReportTest, SaysWhatWasNotTreated) {
  v1::Remediation r = Remediation();
  v1::Finding& finding = *r.add_untreatable();
  finding.set_code("HOST_KEY_MISMATCH");
  finding.set_subject("kms-1");
  finding.set_why_untreatable("needs a key");
  EXPECT_THAT(MarkdownReport(r), HasSubstr("| HOST_KEY_MISMATCH | kms-1 | needs a key |"));
}

}  // namespace
}  // namespace keymedic::cli
