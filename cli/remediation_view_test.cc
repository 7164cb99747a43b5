// SPDX-License-Identifier: Apache-2.0
#include "cli/remediation_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "absl/strings/str_cat.h"

namespace keymedic::cli {
namespace {

using ::testing::ContainsRegex;
using ::testing::ElementsAre;

// Two remediations on each of three pages.
class Pages final : public v1::RemediationService::Service {
 public:
  grpc::Status ListRemediations(grpc::ServerContext*, const v1::ListRemediationsRequest* request,
                                v1::ListRemediationsResponse* response) override {
    const std::string page = request->page_token().empty() ? "1" : request->page_token();
    response->add_remediations()->set_id(absl::StrCat("r-", page, "a"));
    response->add_remediations()->set_id(absl::StrCat("r-", page, "b"));
    if (page != "3") response->set_next_page_token(page == "1" ? "2" : "3");
    return grpc::Status::OK;
  }
};

TEST(ListRemediationsTest, ReadsAllPages) {
  Pages service;
  grpc::ServerBuilder builder;
  builder.RegisterService(&service);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  Session session;
  session.remediation = v1::RemediationService::NewStub(server->InProcessChannel({}));
  const auto all = ListRemediations(session);
  ASSERT_TRUE(all.ok()) << all.status();
  std::vector<std::string> ids;
  for (const v1::Remediation& remediation : all->remediations()) ids.push_back(remediation.id());
  EXPECT_THAT(ids, ElementsAre("r-1a", "r-1b", "r-2a", "r-2b", "r-3a", "r-3b"));
}

TEST(PrintPlanTest, FoldsMachinesAndCountsThoseThatAreAway) {
  v1::Remediation plan;
  plan.set_id("r-1");
  for (int i = 0; i < 5; ++i) {
    v1::Target& target = *plan.add_targets();
    target.set_display_name(absl::StrCat("pc-", i));
    target.set_wave(i == 0 ? 1 : 2);
    target.set_state(i < 3 ? v1::TARGET_STATE_PENDING : v1::TARGET_STATE_QUEUED_OFFLINE);
    target.add_steps()->set_action("activate");
  }
  std::ostringstream out;
  PrintPlan(plan, out, /*color=*/false, /*details=*/false);
  EXPECT_THAT(out.str(), ContainsRegex("canary +1 +activate +pc-0\n"));
  EXPECT_THAT(out.str(), ContainsRegex("wave 1 +4, 2 away +activate +pc-1, pc-2, pc-3, ...\n"));
}

}  // namespace
}  // namespace keymedic::cli
