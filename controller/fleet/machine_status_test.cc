// SPDX-License-Identifier: Apache-2.0
//
// What a machine is told of itself, and when.
#include "base/times.h"
#include "controller/fleet/fleet_testing.h"

namespace keymedic::controller {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

std::vector<v1::MachineStatus> Told(FakeLink& link) {
  std::vector<v1::MachineStatus> told;
  for (const v1::ControllerMessage& message : link.TakeSent()) {
    if (message.has_status()) told.push_back(message.status());
  }
  return told;
}

std::vector<std::string> Codes(const v1::MachineStatus& status) {
  std::vector<std::string> codes;
  for (const v1::MachineFinding& finding : status.findings()) codes.push_back(finding.code());
  return codes;
}

v1::Hello WantsStatus() {
  v1::Hello hello;
  hello.set_wants_status(true);
  return hello;
}

v1::Section ClientWithCmid() {
  v1::KmsClientSection client;
  client.set_client_machine_id("0b2a9c1e-1111-4222-8333-444455556666");
  return MakeSection("kms_client", client);
}

void Beat(Session& session) {
  v1::AgentMessage message;
  message.mutable_heartbeat();
  session.OnMessage(message);
}

TEST_F(FleetTest, AMachineIsToldWhatIsMadeOfItOnceAndWhenItChanges) {
  Agent agent = Connect("m1", WantsStatus());
  auto told = Told(*agent.link);
  ASSERT_THAT(told, SizeIs(1));
  EXPECT_EQ(told[0].license_status(), v1::LICENSE_STATUS_UNSPECIFIED);
  EXPECT_THAT(told[0].findings(), IsEmpty());

  Update(agent, 1, {EnterpriseOs(), RetailLicensing(), ClientWithCmid()});
  Settle();
  told = Told(*agent.link);
  ASSERT_THAT(told, SizeIs(1));
  EXPECT_EQ(told[0].machine_id(), "m1");
  EXPECT_EQ(FromTimestamp(told[0].told_at()), clock_.Now());
  EXPECT_THAT(told[0].roles(), ElementsAre("kms_client"));
  EXPECT_EQ(told[0].license_status(), v1::LICENSE_STATUS_NOTIFICATION);
  EXPECT_EQ(told[0].product(), "Windows(R), Enterprise edition");
  EXPECT_THAT(Codes(told[0]), testing::Contains("CLIENT_KEY_NOT_GVLK"));
  EXPECT_EQ(told[0].findings(0).severity(), v1::SEVERITY_CRITICAL);
  EXPECT_NE(told[0].findings(0).title(), "");

  clock_.seconds += 60;
  Beat(*agent.session);
  Update(agent, 2, {EnterpriseOs()});
  Settle();
  EXPECT_THAT(Told(*agent.link), IsEmpty()) << "nothing is new";
}

TEST_F(FleetTest, WhatAnotherMachineChangedComesWithTheNextHeartbeat) {
  Agent one = Connect("m1", WantsStatus()), two = Connect("m2");
  Update(one, 1, {EnterpriseOs(), ClientWithCmid()});
  Settle();
  Told(*one.link);
  Update(two, 1, {EnterpriseOs(), ClientWithCmid()});
  Settle();
  EXPECT_THAT(Told(*one.link), IsEmpty());
  Beat(*one.session);
  const auto told = Told(*one.link);
  ASSERT_THAT(told, SizeIs(1));
  EXPECT_THAT(Codes(told[0]), testing::Contains("CLIENT_DUPLICATE_CMID"));
  EXPECT_THAT(Told(*two.link), IsEmpty()) << "an agent that did not ask for it is told nothing";
}

// With thousands of machines there is always one that looks again.
TEST_F(FleetTest, ALookThatFindsNothingNewKeepsTheViewOfTheEstate) {
  Agent agent = Connect("m1", WantsStatus());
  Update(agent, 1, {EnterpriseOs(), RetailLicensing()});
  Settle();
  fleet_->View();  // looks at all
  clock_.seconds += 599;
  const auto view = fleet_->View();
  clock_.seconds += 2;
  Beat(*agent.session);  // older than what may be told
  EXPECT_EQ(fleet_->View(), view);
  Update(agent, 2, {ClientWithCmid()});
  Settle();
  EXPECT_NE(fleet_->View(), view);
}

TEST_F(FleetTest, ANewConnectionIsToldAgainAlsoAfterARestart) {
  Agent agent = Connect("m1", WantsStatus());
  Update(agent, 1, {EnterpriseOs(), RetailLicensing()});
  Settle();
  const std::vector<std::string> codes = Codes(Told(*agent.link).back());
  Agent again = Connect("m1", WantsStatus());
  auto told = Told(*again.link);
  ASSERT_THAT(told, SizeIs(1));
  EXPECT_EQ(Codes(told[0]), codes);
  sessions_.clear();
  Settle();
  Restart();
  Agent after = Connect("m1", WantsStatus());
  told = Told(*after.link);
  ASSERT_THAT(told, SizeIs(1));
  EXPECT_EQ(Codes(told[0]), codes) << "not yet diagnosed is not healthy";
}

}  // namespace
}  // namespace keymedic::controller
