// SPDX-License-Identifier: Apache-2.0
#include "absl/strings/str_format.h"
#include "base/times.h"
#include "controller/fleet/fleet_testing.h"

namespace keymedic::controller {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using testing::UnorderedElementsAre;

TEST_F(FleetTest, GreetsAndAsksForWhatDiffers) {
  Agent agent = Connect("m1", {EnterpriseOs(), RetailLicensing()});
  auto sent = agent.link->TakeSent();
  ASSERT_THAT(sent, SizeIs(2));
  EXPECT_EQ(sent[0].welcome().heartbeat_interval().seconds(), 30);
  EXPECT_THAT(sent[1].wanted().names(), ElementsAre("os", "licensing"));
  EXPECT_THAT(listener_.events, ElementsAre("+m1"));
  Update(agent, 1, {EnterpriseOs()});
  Settle();
  Agent again = Connect("m1", {EnterpriseOs(), RetailLicensing()});
  sent = again.link->TakeSent();
  ASSERT_THAT(sent, SizeIs(2));
  EXPECT_THAT(sent[1].wanted().names(), ElementsAre("licensing"));
}

TEST_F(FleetTest, AcknowledgesOnlyWhatIsDurable) {
  Agent agent = Connect("m1");
  Settle();
  std::vector<std::function<void()>> held;
  store_.held = &held;
  Update(agent, 7, {EnterpriseOs(), RetailLicensing()}, "c1");
  EXPECT_THAT(agent.link->acks(), IsEmpty());
  EXPECT_THAT(listener_.collected, IsEmpty());
  store_.held = nullptr;
  for (auto& commit : held) commit();
  Settle();
  EXPECT_THAT(agent.link->acks(), ElementsAre(7));
  EXPECT_THAT(listener_.collected, ElementsAre("m1 c1"));
  EXPECT_THAT(CodesOf("m1"), Contains("CLIENT_KEY_NOT_GVLK"));
}

TEST_F(FleetTest, AStoreThatRefusesClosesTheStreamAndAcknowledgesNothingAfterIt) {
  Agent agent = Connect("m1");
  Settle();
  store_.full = true;
  Update(agent, 1, {EnterpriseOs()});
  ASSERT_TRUE(agent.link->closed().has_value());
  EXPECT_TRUE(absl::IsUnavailable(*agent.link->closed()));
  store_.full = false;
  Update(agent, 2, {RetailLicensing()});
  Settle();
  EXPECT_THAT(agent.link->acks(), IsEmpty());
  Agent again = Connect("m1", {EnterpriseOs()});
  EXPECT_THAT(again.link->TakeSent()[1].wanted().names(), ElementsAre("os"));
}

TEST_F(FleetTest, KeepsEverythingAcrossARestart) {
  Agent agent = Connect("m1");
  Update(agent, 1, {EnterpriseOs(), RetailLicensing()});
  v1::AgentMessage notice;
  notice.mutable_notice()->set_code("AGENT_PLUGIN_QUARANTINED");
  notice.mutable_notice()->set_subject("kms_host");
  notice.mutable_notice()->set_message("kms_host crashed 3 times");
  notice.mutable_notice()->set_sequence(2);
  agent.session->OnMessage(notice);
  Settle();
  EXPECT_THAT(agent.link->acks(), ElementsAre(1, 2));
  const auto before = CodesOf("m1");
  EXPECT_THAT(before, Contains("AGENT_PLUGIN_QUARANTINED"));
  sessions_.clear();
  Restart();
  EXPECT_EQ(CodesOf("m1"), before);
  EXPECT_EQ(fleet_->DescribeMachine("m1")->display_name(), "PC-m1");
  EXPECT_FALSE(fleet_->DescribeMachine("m1")->connected());
  EXPECT_THAT(*fleet_->SectionsOf("m1"), SizeIs(2));
  EXPECT_EQ(fleet_->Summary().reported(), 1u);
  EXPECT_EQ(fleet_->Summary().by_status().at("NOTIFICATION"), 1u);

  Agent again = Connect("m1", {EnterpriseOs(), RetailLicensing()});
  EXPECT_THAT(again.link->TakeSent(), SizeIs(1)) << "nothing is wanted";
  notice.mutable_notice()->set_resolved(true);
  again.session->OnMessage(notice);
  EXPECT_THAT(CodesOf("m1"), testing::Not(Contains("AGENT_PLUGIN_QUARANTINED")));
}

TEST_F(FleetTest, ForgetsSectionsThatAreNoMore) {
  Agent agent = Connect("m1");
  Update(agent, 1, {EnterpriseOs(), RetailLicensing()});
  Update(agent, 2, {}, "", {"licensing"});
  Settle();
  EXPECT_THAT(*fleet_->SectionsOf("m1"), SizeIs(1));
  EXPECT_THAT(CodesOf("m1"), testing::Not(Contains("CLIENT_KEY_NOT_GVLK")));
  Update(agent, 3, {RetailLicensing()});
  Settle();
  Connect("m1", {EnterpriseOs()});  // licensing went away while it was not connected
  Settle();
  EXPECT_THAT(*fleet_->SectionsOf("m1"), SizeIs(1));
}

TEST_F(FleetTest, PassesOverWhatItDoesNotUnderstandAndKeepsUnknownSections) {
  Agent agent = Connect("m1");
  v1::AgentMessage empty;
  agent.session->OnMessage(empty);
  v1::Section unknown = EnterpriseOs();
  unknown.set_name("future");
  unknown.set_type("keymedic.v2.Future");
  v1::Section forged = RetailLicensing();
  forged.set_payload("something else");
  v1::Section nameless = EnterpriseOs();
  nameless.set_name(std::string("o\0s", 3));
  Update(agent, 1, {unknown, forged, nameless});
  Settle();
  EXPECT_THAT(agent.link->acks(), ElementsAre(1));
  const auto sections = *fleet_->SectionsOf("m1");
  ASSERT_THAT(sections, SizeIs(1));
  EXPECT_EQ(sections[0].name(), "future");
  EXPECT_FALSE(agent.link->closed().has_value());
}

TEST_F(FleetTest, WantsHelloFirst) {
  auto link = std::make_shared<FakeLink>();
  Agent agent{link, std::make_shared<Session>(*fleet_, fleet_->FindOrAdd("m1"), link)};
  Update(agent, 1, {EnterpriseOs()});
  ASSERT_TRUE(link->closed().has_value());
  EXPECT_TRUE(absl::IsFailedPrecondition(*link->closed()));
  EXPECT_THAT(*fleet_->SectionsOf("m1"), IsEmpty());
}

TEST_F(FleetTest, ANewStreamReplacesTheFormer) {
  Agent first = Connect("m1"), second = Connect("m1");
  ASSERT_TRUE(first.link->closed().has_value());
  first.session->OnClosed();
  EXPECT_TRUE(fleet_->DescribeMachine("m1")->connected());
  v1::Command command;
  command.set_id("c");
  first.link->TakeSent();
  second.link->TakeSent();
  EXPECT_TRUE(fleet_->Send("m1", command));
  EXPECT_THAT(first.link->TakeSent(), IsEmpty());
  EXPECT_THAT(second.link->TakeSent(), SizeIs(1));
  second.session->OnClosed();
  EXPECT_FALSE(fleet_->Send("m1", command));
  EXPECT_FALSE(fleet_->RequestCollect("nobody", "x"));
  EXPECT_THAT(listener_.events, ElementsAre("+m1", "+m1", "-m1"));
}

TEST_F(FleetTest, AcknowledgesAResultOnceTheListenerHasIt) {
  Agent agent = Connect("m1");
  agent.link->TakeSent();
  v1::AgentMessage message;
  message.mutable_result()->set_command_id("c1");
  agent.session->OnMessage(message);
  ASSERT_THAT(listener_.results, SizeIs(1));
  EXPECT_THAT(agent.link->TakeSent(), IsEmpty());
  listener_.results[0]();
  const auto sent = agent.link->TakeSent();
  ASSERT_THAT(sent, SizeIs(1));
  EXPECT_EQ(sent[0].result_ack().command_id(), "c1");
}

TEST_F(FleetTest, StoresEventsWithTheirBookmarksAndKeepsTheNewest) {
  Agent agent = Connect("m1");
  uint64_t record = 0;
  for (uint64_t batch = 1; batch <= 15; ++batch) {
    v1::AgentMessage message;
    message.mutable_events()->set_sequence(batch);
    for (int i = 0; i < 100; ++i) {
      v1::EventRecord& event = *message.mutable_events()->add_events();
      event.set_channel("Application");
      event.set_record_id(++record);
      event.set_event_id(12288);
      *event.mutable_time() = ToTimestamp(absl::FromUnixSeconds(1'700'000'000 + record));
    }
    agent.session->OnMessage(message);
    Settle();
  }
  EXPECT_EQ(agent.link->acks().back(), 15u);
  const auto rows = *store_.Scan(Table::kEvents, MachineKey("m1", ""), "", 10'000);
  EXPECT_GE(rows.size(), 1000u);
  EXPECT_LE(rows.size(), 1400u);
  EXPECT_EQ(rows.back().key,
            MachineKey("m1", std::string("Application\0", 12) + absl::StrFormat("%020u", record)));
  sessions_.clear();
  Restart();
  const auto sent = Connect("m1").link->TakeSent();
  ASSERT_EQ(sent[0].welcome().stored_size(), 1);
  EXPECT_EQ(sent[0].welcome().stored(0).record_id(), record);
}

// What agents say all day, and what people look at, costs the database no read. (Events are read
// once in some hundreds, when the oldest go.)
TEST_F(FleetTest, AConnectedEstateReadsNothingFromTheStore) {
  Connect("m2", {EnterpriseOs()});
  Settle();
  store_.reads = 0;
  Agent agent = Connect("m1", {EnterpriseOs()});
  v1::AgentMessage message;
  for (int i = 0; i < 100; ++i) {
    message.mutable_heartbeat();
    agent.session->OnMessage(message);
  }
  for (uint64_t i = 1; i <= 20; ++i) {
    Update(agent, i, {EnterpriseOs(), RetailLicensing()}, absl::StrCat("c", i));
  }
  Update(agent, 21, {}, "", {"licensing"});
  for (uint64_t i = 1; i <= 200; ++i) {
    v1::EventRecord& event = *message.mutable_events()->add_events();
    event.set_channel("Application");
    event.set_record_id(i);
  }
  agent.session->OnMessage(message);
  message.mutable_result()->set_command_id("c1");
  agent.session->OnMessage(message);
  message.mutable_notice()->set_code("AGENT_PLUGIN_QUARANTINED");
  agent.session->OnMessage(message);
  Settle();
  agent.session->OnClosed();
  Agent again = Connect("m1", {EnterpriseOs(), RetailLicensing()});
  Settle();
  fleet_->Send("m1", {});
  fleet_->RequestCollect("m1", "c");
  clock_.seconds += 3600;  // everything is looked at again
  EXPECT_FALSE(fleet_->Findings().empty());
  EXPECT_FALSE(fleet_->FindingsOf("m1").empty());
  EXPECT_EQ(fleet_->Summary().machines(), 2u);
  EXPECT_THAT(fleet_->Machines(), SizeIs(2));
  EXPECT_TRUE(fleet_->DescribeMachine("m1").ok());
  EXPECT_EQ(store_.reads, 0);
  EXPECT_THAT(*fleet_->SectionsOf("m1"), SizeIs(1)) << "whole sections stand there alone";
  EXPECT_EQ(store_.reads, 1);
}

TEST_F(FleetTest, SaysWhenAnAgentIsSilentAndWhenItIsBack) {
  Agent agent = Connect("m1");
  Update(agent, 1, {EnterpriseOs()});
  agent.session->OnClosed();
  const auto silent = [&] {
    int count = 0;
    for (const v1::Finding& finding : fleet_->Findings()) count += finding.code() == "AGENT_SILENT";
    return count;
  };
  clock_.seconds += 3590;
  EXPECT_EQ(silent(), 0);
  clock_.seconds += 60;
  EXPECT_EQ(silent(), 1);
  Connect("m1");
  clock_.seconds += 60;
  EXPECT_EQ(silent(), 0);
}

TEST_F(FleetTest, FindingsRememberWhenTheyWereFirstSeen) {
  Agent agent = Connect("m1");
  Update(agent, 1, {EnterpriseOs(), RetailLicensing()});
  const auto first = fleet_->FindingsOf("m1");
  ASSERT_FALSE(first.empty());
  const int64_t began = clock_.seconds;
  EXPECT_EQ(first[0].first_seen_at().seconds(), began);
  clock_.seconds += 3600;
  Update(agent, 2, {EnterpriseOs()});
  EXPECT_EQ(fleet_->FindingsOf("m1")[0].first_seen_at().seconds(), began);
}

TEST_F(FleetTest, LabelsOfTheTokenCannotBeOverruled) {
  fleet_->Enrolled(
      fleet_->EnrollmentRow("m1", "pc", {{"site", "paris"}, {"floor", "2"}}, {{"site", "berlin"}}));
  Agent agent{.link = std::make_shared<FakeLink>()};
  agent.session = std::make_shared<Session>(*fleet_, fleet_->FindOrAdd("m1"), agent.link);
  v1::AgentMessage hello;
  (*hello.mutable_hello()->mutable_labels())["site"] = "rome";
  (*hello.mutable_hello()->mutable_labels())["floor"] = "3";
  agent.session->OnMessage(hello);
  const auto machines = fleet_->Machines();
  ASSERT_THAT(machines, SizeIs(1));
  EXPECT_THAT(machines[0].labels,
              UnorderedElementsAre(testing::Pair("site", "berlin"), testing::Pair("floor", "3")));
}

TEST_F(FleetTest, AnOtherMachineWithTheSameClientIdChangesWhatTheFirstShows) {
  v1::KmsClientSection client;
  client.set_client_machine_id("0b2a9c1e-1111-4222-8333-444455556666");
  Agent one = Connect("m1"), two = Connect("m2");
  Update(one, 1, {EnterpriseOs(), MakeSection("kms_client", client)});
  EXPECT_THAT(CodesOf("m1"), testing::Not(Contains("CLIENT_DUPLICATE_CMID")));
  Update(two, 1, {EnterpriseOs(), MakeSection("kms_client", client)});
  EXPECT_THAT(CodesOf("m1"), Contains("CLIENT_DUPLICATE_CMID"));
  EXPECT_THAT(CodesOf("m2"), Contains("CLIENT_DUPLICATE_CMID"));
  client.set_client_machine_id("0b2a9c1e-1111-4222-8333-777777777777");
  Update(two, 2, {MakeSection("kms_client", client)});
  EXPECT_THAT(CodesOf("m1"), testing::Not(Contains("CLIENT_DUPLICATE_CMID")));
}

}  // namespace
}  // namespace keymedic::controller
