// SPDX-License-Identifier: Apache-2.0
//
// Who comes in, is found, and goes for good.
#include "controller/fleet/fleet_testing.h"

namespace keymedic::controller {
namespace {

using testing::Contains;
using testing::IsEmpty;
using testing::SizeIs;

TEST_F(FleetTest, AMachineThatIsRemovedLeavesNothing) {
  Agent one = Connect("m1"), two = Connect("m2");
  v1::KmsClientSection client;
  client.set_client_machine_id("0b2a9c1e-1111-4222-8333-444455556666");
  Update(one, 1, {EnterpriseOs(), RetailLicensing(), MakeSection("kms_client", client)});
  Update(two, 1, {EnterpriseOs(), MakeSection("kms_client", client)});
  v1::AgentMessage message;
  message.mutable_notice()->set_code("AGENT_PLUGIN_QUARANTINED");
  one.session->OnMessage(message);
  message.mutable_events()->add_events()->set_channel("Application");
  one.session->OnMessage(message);
  Settle();
  const std::string tried = MachineKey("m1", "CLIENT_KEY_NOT_GVLK");
  ASSERT_TRUE(store_
                  .Commit({{.table = Table::kTried, .key = tried, .value = "x"},
                           {.table = Table::kSecrets, .key = "host-keys/m1", .value = "x"}})
                  .ok());
  EXPECT_THAT(CodesOf("m2"), Contains("CLIENT_DUPLICATE_CMID"));
  EXPECT_EQ(fleet_->Remove("m1").code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(*fleet_->SectionsOf("m1"), SizeIs(3)) << "it is connected";

  one.session->OnClosed();
  store_.full = true;
  EXPECT_FALSE(fleet_->Remove("m1").ok());
  store_.full = false;
  EXPECT_TRUE(fleet_->DescribeMachine("m1").ok()) << "nothing was removed";
  ASSERT_TRUE(fleet_->Remove("m1").ok());
  EXPECT_EQ(fleet_->Remove("m1").code(), absl::StatusCode::kNotFound);
  for (int restart = 0; restart < 2; ++restart) {
    EXPECT_THAT(fleet_->Machines(), SizeIs(1));
    EXPECT_THAT(CodesOf("m1"), IsEmpty());
    for (const v1::Finding& finding : fleet_->Findings()) EXPECT_NE(finding.machine_id(), "m1");
    EXPECT_THAT(CodesOf("m2"), testing::Not(Contains("CLIENT_DUPLICATE_CMID")));
    for (const Table table :
         {Table::kMachines, Table::kSections, Table::kEvents, Table::kNotices, Table::kTried}) {
      EXPECT_THAT(*store_.Scan(table, "m1", "", 10), IsEmpty());
    }
    EXPECT_THAT(*store_.Scan(Table::kSecrets, "", "", 10), IsEmpty());
    sessions_.clear();
    Settle();
    Restart();
  }
}

TEST_F(FleetTest, AStreamOfAMachineThatWasRemovedMeanwhileBringsNothingBack) {
  Agent late{.link = std::make_shared<FakeLink>()};
  late.session = std::make_shared<Session>(*fleet_, fleet_->FindOrAdd("m1"), late.link);
  ASSERT_TRUE(fleet_->Remove("m1").ok());
  v1::AgentMessage hello;
  hello.mutable_hello();
  late.session->OnMessage(hello);
  Update(late, 1, {EnterpriseOs()});
  late.session->OnClosed();
  Settle();
  EXPECT_TRUE(absl::IsAborted(late.link->closed().value_or(absl::OkStatus())));
  EXPECT_THAT(fleet_->Machines(), IsEmpty());
  EXPECT_THAT(*store_.Scan(Table::kMachines, "", "", 10), IsEmpty());
  EXPECT_THAT(listener_.events, IsEmpty());
}

TEST_F(FleetTest, WhoIsNotAdmittedAtHelloDoesNotComeIn) {
  int asked = 0;
  Agent agent{.link = std::make_shared<FakeLink>()};
  agent.session = std::make_shared<Session>(*fleet_, fleet_->FindOrAdd("m1"), agent.link, [&] {
    // Banned after the first look and before the stream could be found.
    return ++asked == 1 ? absl::OkStatus() : absl::PermissionDeniedError("banned");
  });
  v1::AgentMessage hello;
  hello.mutable_hello();
  agent.session->OnMessage(hello);
  EXPECT_EQ(asked, 2);
  EXPECT_TRUE(absl::IsPermissionDenied(agent.link->closed().value_or(absl::OkStatus())));
  EXPECT_THAT(agent.link->TakeSent(), IsEmpty());
  agent.session->OnClosed();
  EXPECT_FALSE(fleet_->DescribeMachine("m1")->connected());
}

class NoticesTest : public FleetTest {
 protected:
  static v1::AgentNotice Quarantined(const std::string& plugin) {
    v1::AgentNotice notice;
    notice.set_code("AGENT_PLUGIN_QUARANTINED");
    notice.set_subject(plugin);
    notice.set_message(plugin + " crashed 3 times");
    return notice;
  }
  void Say(Agent& agent, const v1::AgentNotice& notice) {
    v1::AgentMessage message;
    *message.mutable_notice() = notice;
    agent.session->OnMessage(message);
  }
  // What the finding's evidence names, of each.
  std::vector<std::string> Subjects() {
    std::vector<std::string> subjects;
    for (const v1::Finding& finding : fleet_->FindingsOf("m1")) {
      if (finding.code() == "AGENT_PLUGIN_QUARANTINED") {
        subjects.push_back(finding.evidence(0).field());
      }
    }
    return subjects;
  }
};

TEST_F(NoticesTest, WhatANewProcessDoesNotTellIsOver) {
  Agent first = Connect("m1");
  Say(first, Quarantined("kms_host"));
  Say(first, Quarantined("kms_client"));
  first.session->OnClosed();
  v1::Hello hello;
  hello.set_tells_notices(true);
  *hello.add_notices() = Quarantined("kms_client");
  *hello.add_notices() = Quarantined("other");
  Connect("m1", hello);
  for (int restart = 0; restart < 2; ++restart) {
    EXPECT_THAT(Subjects(), testing::UnorderedElementsAre("kms_client", "other"));
    Settle();
    sessions_.clear();
    Restart();
  }
}

TEST_F(NoticesTest, AnOlderAgentThatTellsNoneTakesNothingBack) {
  Agent first = Connect("m1");
  Say(first, Quarantined("kms_host"));
  first.session->OnClosed();
  Connect("m1");
  EXPECT_THAT(Subjects(), testing::ElementsAre("kms_host"));
}

TEST_F(FleetTest, TwoAgentsWithOneIdentityAreAFindingUntilTheyAreQuiet) {
  const auto shared = [this] {
    int count = 0;
    for (const v1::Finding& finding : fleet_->Findings()) {
      count += finding.code() == "AGENT_IDENTITY_SHARED";
    }
    return count;
  };
  Connect("m1");
  for (int replaced = 1; replaced <= 5; ++replaced) {
    EXPECT_EQ(shared(), 0) << replaced;
    clock_.seconds += 120;
    Connect("m1");
  }
  EXPECT_EQ(shared(), 1);
  Connect("m2");
  clock_.seconds += 1800;
  Agent last = Connect("m1");
  clock_.seconds += 3590;
  EXPECT_EQ(shared(), 1) << "they are not quiet yet";
  clock_.seconds += 20;
  EXPECT_EQ(shared(), 0);
  Connect("m1");
  EXPECT_EQ(shared(), 0) << "one replacement is nothing, also afterwards";
}

TEST_F(FleetTest, AgentsThatComeBackBeforeTheyWereMissedAreNoClones) {
  Connect("m1");
  for (int i = 0; i < 20; ++i) {
    clock_.seconds += 151;  // four in ten minutes
    Connect("m1");
    EXPECT_THAT(CodesOf("m1"), testing::Not(Contains("AGENT_IDENTITY_SHARED")));
  }
  clock_.seconds += 151;
  for (int i = 0; i < 20; ++i) Connect("m1").session->OnClosed();  // each had ended
  EXPECT_THAT(CodesOf("m1"), testing::Not(Contains("AGENT_IDENTITY_SHARED")));
}

TEST_F(FleetTest, FindsAMachineByIdOrByANameThatIsUnique) {
  Agent one = Connect("m1"), two = Connect("m2");
  EXPECT_EQ(*fleet_->ResolveMachine("m1"), "m1");
  EXPECT_EQ(*fleet_->ResolveMachine("machines/m2"), "m2");
  EXPECT_EQ(*fleet_->ResolveMachine("pc-M2"), "m2");
  EXPECT_EQ(fleet_->ResolveMachine("pc").status().code(), absl::StatusCode::kNotFound);
  fleet_->Enrolled(fleet_->EnrollmentRow("m3", "PC-m1", {}, {}));
  EXPECT_EQ(fleet_->ResolveMachine("pc-m1").status().code(), absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace keymedic::controller
