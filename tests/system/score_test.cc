// SPDX-License-Identifier: Apache-2.0
//
// `keymedic lab score` claims to run the real pipeline in one process. Here is the real one: a
// controller, agents with certificates and streams, sections over the network, the store. The same
// estate must show the same findings, under the same causes.
#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/files.h"
#include "keymedic/lab/v1/estate.pb.h"
#include "keymedic/v1/policy_service.grpc.pb.h"
#include "tests/system/harness.h"

namespace keymedic::testing {
namespace {

constexpr int kMachines = 45;

// "CODE subject <- CAUSE subject". Which of several clones speaks for all of them follows from the
// ids that machines are given when they are enrolled, so of clones the subject of the cause is left
// out. What agents are silent or crash is not played by a lab's own agents.
std::set<std::string> Lines(const nlohmann::json& findings) {
  std::set<std::string> lines;
  for (const auto& finding : findings.value("findings", nlohmann::json::array())) {
    const std::string code = finding["code"];
    if (absl::StartsWith(code, "AGENT_")) continue;
    const std::string cause = finding.value("cause_code", "");
    const bool of_clones = cause == "CLIENT_DUPLICATE_CMID" || code == "CLIENT_DUPLICATE_CMID";
    lines.insert(absl::StrCat(code, " ", finding["subject"].get<std::string>(), " <- ",
                              of_clones ? "clones" : cause, " ",
                              of_clones ? "" : finding.value("cause_subject", "")));
  }
  return lines;
}

// The estate's policy becomes the controller's.
void SetPolicy(const Workspace& workspace, const std::string& address,
               const std::string& estate_file) {
  lab::v1::Estate estate;
  ASSERT_TRUE(google::protobuf::TextFormat::ParseFromString(*ReadFile(estate_file), &estate));
  const auto file = [&](const char* name) {
    return ReadFile(workspace.environment.at(name)).value_or("");
  };
  const auto stub = v1::PolicyService::NewStub(grpc::CreateChannel(
      address, grpc::SslCredentials({.pem_root_certs = file("KEYMEDIC_CA"),
                                     .pem_private_key = file("KEYMEDIC_KEY"),
                                     .pem_cert_chain = file("KEYMEDIC_CERT")})));
  v1::Policy now;
  grpc::ClientContext get, update;
  ASSERT_TRUE(stub->GetPolicy(&get, {}, &now).ok());
  v1::UpdatePolicyRequest request;
  *request.mutable_policy() = estate.policy();
  request.mutable_policy()->set_etag(now.etag());
  const grpc::Status status = stub->UpdatePolicy(&update, request, &now);
  ASSERT_TRUE(status.ok()) << status.error_message();
}

TEST(Score, TheSameIsFoundByARealControllerAndItsAgents) {
  Workspace workspace;
  const std::string estate = workspace.Path("estate.textproto");
  const Output generated = workspace.Keymedic(
      {"lab", "generate", "--machines", absl::StrCat(kMachines), "--seed", "4", "-o", estate});
  ASSERT_EQ(generated.exit_code, 0) << generated.err;
  const Output scored =
      workspace.Keymedic({"lab", "score", "--estate", estate, "--findings", "--output", "json"});
  ASSERT_EQ(scored.exit_code, 0) << scored.err;
  const std::set<std::string> expected = Lines(scored.Json());
  ASSERT_GT(expected.size(), 5u) << scored.out;

  ControllerUnderTest controller(workspace);
  ASSERT_NO_FATAL_FAILURE(SetPolicy(workspace, controller.address(), estate));
  ASSERT_TRUE(WriteFileAtomically(workspace.Path("token"), controller.Token(kMachines)).ok());
  const auto lab = workspace.Start(
      {Bin("keymedic"), "lab", "serve", estate, "--controller", controller.address(),
       "--token-file", workspace.Path("token"), "--state-dir", workspace.Path("agents")},
      "lab.log");
  std::set<std::string> found;
  EXPECT_TRUE(Eventually([&] {
    found = Lines(workspace.Keymedic({"findings", "list", "--all", "--output", "json"}).Json());
    return found == expected;
  })) << workspace.Log("lab.log");
  EXPECT_THAT(found, ::testing::ElementsAreArray(expected));
}

}  // namespace
}  // namespace keymedic::testing
