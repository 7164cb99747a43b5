// SPDX-License-Identifier: Apache-2.0
#include "controller/remediation/remediation_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "absl/strings/str_cat.h"
#include "controller/remediation/simulated_fleet.h"
#include "keymedic/v1/remediation_service.grpc.pb.h"

namespace keymedic::controller {
namespace {

using ::testing::HasSubstr;

// The service in process, over a fleet whose machines act when the test lets them.
class RemediationServiceTest : public ::testing::Test {
 protected:
  RemediationServiceTest() {
    manager_ = *RemediationManager::Open({fleet_, store_, *executor_, clock_, random_,
                                          [this](const std::vector<AuditRecord>& records) {
                                            for (const AuditRecord& record : records) {
                                              if (record.act == "remediation.plan")
                                                planned_by_ = record.actor;
                                            }
                                            return absl::OkStatus();
                                          },
                                          kTestTreatments,
                                          [] { return absl::StatusOr<v1::Policy>(v1::Policy()); }});
    service_ = MakeRemediationService(
        *manager_, [](const grpc::CallbackServerContext&) { return "spiffe://keymedic/test"; });
    grpc::ServerBuilder builder;
    builder.RegisterService(service_.get());
    server_ = builder.BuildAndStart();
    stub_ = v1::RemediationService::NewStub(server_->InProcessChannel({}));
  }
  ~RemediationServiceTest() override {
    server_->Shutdown();
    server_.reset();
    manager_.reset();
  }

  grpc::Status Plan(std::string selector, v1::Remediation& plan) {
    grpc::ClientContext context;
    v1::PlanRemediationRequest request;
    request.set_selector(selector);
    return stub_->PlanRemediation(&context, request, &plan);
  }
  std::unique_ptr<grpc::ClientReader<v1::RemediationProgress>> Watch(const v1::Remediation& plan,
                                                                     grpc::ClientContext& context) {
    v1::GetRemediationRequest request;
    request.set_name(plan.name());
    return stub_->WatchRemediation(&context, request);
  }

  const bool dead_ = false;
  SimulatedFleet fleet_{dead_};
  MemoryStore store_;
  SystemClock clock_;
  SeededRandom random_{1};
  std::unique_ptr<Executor> executor_ = MakeThreadPool(2);
  std::string planned_by_;
  std::unique_ptr<RemediationManager> manager_;
  std::unique_ptr<grpc::Service> service_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<v1::RemediationService::Stub> stub_;
};

TEST_F(RemediationServiceTest, ErrorsKeepTheirCodeAndMessage) {
  v1::Remediation plan;
  const grpc::Status status = Plan("", plan);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("write 'all'"));
  EXPECT_THAT(Plan("all", plan).error_details(), HasSubstr("NOTHING_TO_TREAT"));
  grpc::ClientContext context;
  v1::GetRemediationRequest request;
  request.set_name("remediations/none");
  EXPECT_EQ(stub_->GetRemediation(&context, request, &plan).error_code(),
            grpc::StatusCode::NOT_FOUND);
}

TEST_F(RemediationServiceTest, AWatchTellsThePresentStateAndEndsWithTheRemediation) {
  fleet_.Add("c1", "kms_client", "CLIENT_KEY_NOT_GVLK", {"ensure_client_key"}).info.connected =
      false;
  v1::Remediation plan;
  ASSERT_TRUE(Plan("all", plan).ok());
  EXPECT_EQ(planned_by_, "spiffe://keymedic/test");

  grpc::ClientContext watch_context;
  auto stream = Watch(plan, watch_context);
  v1::RemediationProgress progress;
  ASSERT_TRUE(stream->Read(&progress));
  EXPECT_EQ(progress.state(), v1::REMEDIATION_STATE_PLANNED);
  EXPECT_EQ(progress.changed_size(), 1);

  grpc::ClientContext abort_context;
  v1::ControlRemediationRequest abort;
  abort.set_name(plan.name());
  ASSERT_TRUE(stub_->AbortRemediation(&abort_context, abort, &plan).ok());
  while (stream->Read(&progress)) {
  }
  EXPECT_TRUE(stream->Finish().ok());
  EXPECT_EQ(progress.state(), v1::REMEDIATION_STATE_ABORTED);
  EXPECT_EQ(progress.totals().at("cancelled"), 1u);
}

TEST_F(RemediationServiceTest, AWatcherMayLeave) {
  fleet_.Add("c1", "kms_client", "CLIENT_KEY_NOT_GVLK", {"ensure_client_key"}).info.connected =
      false;
  v1::Remediation plan;
  ASSERT_TRUE(Plan("all", plan).ok());
  grpc::ClientContext context;
  auto stream = Watch(plan, context);
  v1::RemediationProgress progress;
  ASSERT_TRUE(stream->Read(&progress));
  context.TryCancel();
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::CANCELLED);
}

TEST_F(RemediationServiceTest, AWatcherThatReadsNothingUntilTheEndMissesNoTarget) {
  constexpr int kTargets = 300, kSkipped = 250;
  for (int i = 0; i < kTargets; ++i) {
    const std::string id = absl::StrCat("c", i);
    fleet_.Add(id, "kms_client", "CLIENT_KEY_NOT_GVLK", {"ensure_client_key"}).info.connected =
        false;
  }
  v1::Remediation plan;
  ASSERT_TRUE(Plan("all", plan).ok());
  grpc::ClientContext watch_context;
  auto stream = Watch(plan, watch_context);

  grpc::ClientContext start_context;
  v1::StartRemediationRequest start;
  start.set_name(plan.name());
  start.set_plan_hash(plan.plan_hash());
  v1::Remediation now;
  ASSERT_TRUE(stub_->StartRemediation(&start_context, start, &now).ok());
  v1::ControlRemediationRequest control;
  control.set_name(plan.name());
  for (int i = 0; i < kSkipped; ++i) {
    grpc::ClientContext context;
    control.set_machine(absl::StrCat("c", i));
    const grpc::Status status = stub_->SkipTarget(&context, control, &now);
    ASSERT_TRUE(status.ok()) << status.error_message();
  }
  grpc::ClientContext abort_context;
  ASSERT_TRUE(stub_->AbortRemediation(&abort_context, control, &now).ok());
  ASSERT_TRUE(now.has_ended_at());

  std::map<std::string, v1::TargetState> seen, ended;
  v1::RemediationProgress progress;
  while (stream->Read(&progress)) {
    for (const v1::Target& target : progress.changed()) seen[target.machine_id()] = target.state();
  }
  EXPECT_TRUE(stream->Finish().ok());
  EXPECT_EQ(progress.totals().at("skipped"), 250u);
  EXPECT_EQ(progress.totals().at("cancelled"), 50u);
  for (const v1::Target& target : now.targets()) ended[target.machine_id()] = target.state();
  EXPECT_EQ(ended.size(), 300u);
  EXPECT_EQ(seen, ended);
}

}  // namespace
}  // namespace keymedic::controller
