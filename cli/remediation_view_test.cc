// SPDX-License-Identifier: Apache-2.0
#include "cli/remediation_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace keymedic::cli {
namespace {

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

}  // namespace
}  // namespace keymedic::cli
