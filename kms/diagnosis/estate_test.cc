// SPDX-License-Identifier: Apache-2.0
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "kms/diagnosis/index.h"
#include "kms/diagnosis/machines_testing.h"

namespace keymedic::kms {
namespace {

using namespace testing;  // NOLINT: the machines of machines_testing.h
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

constexpr char kHost[] = "kms1.contoso.example";

// A machine that says something of everything that is indexed.
MachineState Talkative(std::string id) {
  MachineState machine = HealthyHost(std::move(id), 7);
  machine.os->add_addresses("10.1.2.3");
  AddProduct(machine, "VOLUME_MAK", "AB2CD", v1::LICENSE_STATUS_LICENSED);
  Set(kNow, machine.licensing->mutable_products(0)->mutable_expires_at());
  v1::KmsClientSection& client = machine.client.emplace();
  client.set_client_machine_id("SAME");
  client.set_registered_host(kHost);
  client.set_activation_object("Contoso volume");
  AddAttempt(machine, 12288, 0xC004F074, "Kms2.contoso.example.");
  AddProbe(machine, kHost, v1::PROBE_RESULT_TIMEOUT);
  AddProbe(machine, kHost, v1::PROBE_RESULT_KMS, 1700);
  AddProbe(machine, "kms3", v1::PROBE_RESULT_TIMEOUT);
  for (const char* zone : {"contoso.example", "child.contoso.example"}) {
    v1::SrvAnswer& answer = AddAnswer(machine, 0, zone);
    AddRecord(answer, "KMS4.contoso.example.");
    AddRecord(answer, "kms4.contoso.example").clear_addresses();
  }
  return machine;
}

void ExpectNothingLeft(const Estate::Index& index) {
  EXPECT_THAT(index.by_cmid, IsEmpty());
  EXPECT_THAT(index.targets, IsEmpty());
  EXPECT_THAT(index.hosts, IsEmpty());
  EXPECT_THAT(index.directory_users, IsEmpty());
  EXPECT_THAT(index.mak_users, IsEmpty());
  EXPECT_THAT(index.without_srv, IsEmpty());
  EXPECT_THAT(index.expiries, IsEmpty());
  EXPECT_EQ(index.pool, Pool());
}

TEST(Estate, LeavesNothingBehind) {
  Estate estate;
  estate.Upsert(Talkative("m"));
  EXPECT_THAT(estate.index().targets, SizeIs(4));
  EXPECT_THAT(estate.index().hosts, ElementsAre("m"));
  estate.Upsert(Machine("m"));
  ExpectNothingLeft(estate.index());
  EXPECT_THAT(estate.index().by_name, SizeIs(1));

  estate.Upsert(Talkative("m"));
  estate.Remove("m");
  ExpectNothingLeft(estate.index());
  EXPECT_THAT(estate.index().by_name, IsEmpty());
  EXPECT_EQ(estate.size(), 0u);
}

TEST(Estate, WhatOthersSayStays) {
  Estate estate;
  estate.Upsert(Talkative("a"));
  estate.Upsert(Talkative("b"));
  estate.Upsert(Talkative("b"));
  estate.Remove("a");
  const Estate::Index& index = estate.index();
  EXPECT_THAT(index.by_cmid.at("same"), ElementsAre("b"));
  EXPECT_THAT(index.targets.at("kms4.contoso.example").listed_by, ElementsAre("b"));
  EXPECT_EQ(index.targets.at("kms4.contoso.example").srv_ports.at(1688), 4u);
  EXPECT_THAT(index.targets.at(kHost).failing, ElementsAre("b"));
  EXPECT_THAT(index.targets.at("kms2.contoso.example").unanswered, ElementsAre("b"));
}

TEST(Estate, RemovingWhatIsNotThereIsNoMistake) {
  Estate estate;
  EXPECT_THAT(estate.Remove("nobody"), ElementsAre("nobody"));
}

TEST(Estate, FindsByName) {
  Estate estate;
  estate.Upsert(HealthyHost("kms1"));
  MachineState other = HealthyHost("twin-a");
  other.os->set_computer_name("twin");
  estate.Upsert(other);
  other = HealthyHost("twin-b");
  other.os->set_computer_name("TWIN");
  other.os->set_dns_domain("fabrikam.example");
  estate.Upsert(other);
  estate.Upsert(Machine("workgroup"));  // domain not known

  const auto id = [&](const char* name) {
    const MachineState* machine = estate.FindByHostName(name);
    return machine == nullptr ? "" : machine->id;
  };
  EXPECT_EQ(id("KMS1"), "kms1");
  EXPECT_EQ(id("kms1.Contoso.example."), "kms1");
  EXPECT_EQ(id("kms1.fabrikam.example"), "");
  EXPECT_EQ(id("twin"), "");
  EXPECT_EQ(id("twin.fabrikam.example"), "twin-b");
  EXPECT_EQ(id("workgroup.contoso.example"), "workgroup");
  EXPECT_EQ(id(""), "");
}

class LargeEstate : public ::testing::Test {
 protected:
  static constexpr int kMachines = 10'000;

  void SetUp() override {
    estate_.Upsert(HealthyHost("kms1"));
    for (int i = 0; i < kMachines; ++i) {
      MachineState machine = HealthyClient(absl::StrCat("pc-", i));
      AddProbe(machine, kHost, v1::PROBE_RESULT_TIMEOUT);
      AddRecord(AddAnswer(machine), kHost);
      largest_ = std::max(largest_, estate_.Upsert(std::move(machine)).size());
    }
  }

  Estate estate_;
  size_t largest_ = 0;
};

TEST_F(LargeEstate, TouchesOnlyWhatItSpeaksOf) {
  EXPECT_EQ(largest_, 2u);  // itself, and the host that it probed
  MachineState machine = HealthyClient("pc-17");
  AddProbe(machine, kHost, v1::PROBE_RESULT_KMS);
  EXPECT_THAT(estate_.Upsert(machine), ElementsAre("pc-17", "kms1"));
  EXPECT_THAT(estate_.Remove("pc-18"), ElementsAre("pc-18", "kms1"));
  // A new word of the host itself is no news for its clients,
  EXPECT_THAT(estate_.Upsert(HealthyHost("kms1", 30)), ElementsAre("kms1"));
  // but that it is no host any more is.
  EXPECT_THAT(estate_.Remove("kms1"), SizeIs(kMachines));
}

TEST_F(LargeEstate, ClonesTouchTheFirstOfThem) {
  size_t all = 0;
  for (int i = 0; i < 400; ++i) {
    MachineState machine = HealthyClient(absl::StrCat("clone-", 1000 + i));
    machine.client->set_client_machine_id("same");
    const std::vector<std::string> touched = estate_.Upsert(std::move(machine));
    all += touched.size();
    if (i == 0) continue;
    EXPECT_THAT(touched, ElementsAre(absl::StrCat("clone-", 1000 + i), "clone-1000"));
  }
  EXPECT_LE(all, 800u);
  // When the first goes, another one is the first for all.
  EXPECT_THAT(estate_.Remove("clone-1000"), SizeIs(400));
}

TEST(Estate, TouchesThoseWhoWatchThePool) {
  Estate estate;
  MachineState mak = Machine("mak");
  AddProduct(WithOs(mak), "VOLUME_MAK", "AB2CD", v1::LICENSE_STATUS_LICENSED);
  estate.Upsert(mak);
  MachineState lost = HealthyClient("lost");
  AddAnswer(lost, 0x8007232B);
  estate.Upsert(lost);
  estate.Upsert(HealthyClient("quiet"));
  EXPECT_THAT(estate.Upsert(HealthyHost("kms1", 7)), UnorderedElementsAre("kms1", "mak", "lost"));
  EXPECT_THAT(estate.Upsert(HealthyHost("kms1", 8)), UnorderedElementsAre("kms1", "mak"));
  EXPECT_THAT(estate.Upsert(HealthyHost("kms1", 30)), UnorderedElementsAre("kms1", "mak"));
  EXPECT_THAT(estate.Upsert(HealthyHost("kms1", 50)), UnorderedElementsAre("kms1"));
  MachineState member = HealthyClient("member");
  member.client->set_activation_object("Contoso volume");
  EXPECT_THAT(estate.Upsert(member), UnorderedElementsAre("member", "kms1"));
  EXPECT_THAT(estate.Upsert(HealthyHost("kms2")), UnorderedElementsAre("kms2", "lost"));
}

// Whatever is touched is enough: after any change, what was diagnosed before and not touched since
// is still what is found.
TEST(Estate, TouchesThoseWhomAHostOnceRefused) {
  Estate estate;
  estate.Upsert(HealthyHost("kms1", 20));
  MachineState machine = UnlicensedClient("pc");
  Set(kNow - absl::Hours(48), AddAttempt(machine, 12288, 0xC004F038, kHost).mutable_at());
  estate.Upsert(machine);
  EXPECT_THAT(Codes(Diagnose(estate, "pc")), ElementsAre("CLIENT_COUNT_TOO_LOW"));
  EXPECT_THAT(estate.Upsert(HealthyHost("kms1", 30)), UnorderedElementsAre("kms1", "pc"));
  EXPECT_THAT(Codes(Diagnose(estate, "pc")), ElementsAre("CLIENT_NOT_LICENSED"));
}

TEST(Estate, TouchesThoseWhomANewMachineActivated) {
  Estate estate;
  v1::Policy policy;
  policy.add_kms_hosts(kHost);
  policy.add_kms_hosts("kms2.contoso.example");
  MachineState machine = HealthyClient("pc");
  machine.client->set_discovered_host(kHost);
  v1::ActivationAttempt& by = AddAttempt(machine, 12288, 0, "10.0.0.7");
  by.set_bound(true);
  Set(kNow - absl::Hours(24), by.mutable_at());
  estate.Upsert(machine);
  EXPECT_THAT(Codes(Diagnose(estate, "pc", policy)), ElementsAre("CLIENT_HOST_UNSANCTIONED"));
  MachineState host = HealthyHost("kms2");
  host.os->add_addresses("10.0.0.7");
  EXPECT_THAT(estate.Upsert(host), UnorderedElementsAre("kms2", "pc"));
  EXPECT_THAT(Codes(Diagnose(estate, "pc", policy)), IsEmpty());
}

TEST(Estate, WhatIsNotTouchedHasNotChanged) {
  std::vector<MachineState> states;
  for (const char* id : {"a", "b", "kms1", "kms2"}) {
    states.push_back(HealthyClient(id));
    states.push_back(Talkative(id));
    states.push_back(HealthyHost(id, 30));
    states.push_back(UnlicensedClient(id, 0xC004F042));
    states.back().client->set_client_machine_id("same");
    AddAnswer(states.back(), 0x8007232B);
    states.push_back(Machine(id));
    AddProduct(WithOs(states.back()), "VOLUME_MAK", "AB2CD", v1::LICENSE_STATUS_LICENSED);
    states.push_back(HealthyClient(id));
    states.back().client->set_registered_host("kms1");
    AddProbe(states.back(), "kms1", v1::PROBE_RESULT_TIMEOUT);
    states.push_back(UnlicensedClient(id));
    states.back().client->set_registered_host("kms2");
    AddAttempt(states.back(), 8198, 0xC004F074);
  }
  const auto text = [](const std::vector<v1::Finding>& findings) {
    std::string out;
    for (const v1::Finding& finding : findings) absl::StrAppend(&out, finding.DebugString());
    return out;
  };
  Estate estate;
  absl::flat_hash_map<std::string, std::string> known;
  uint32_t random = 1;
  for (int step = 0; step < 3000; ++step) {
    random = random * 1664525 + 1013904223;
    const MachineState& state = states[(random >> 8) % states.size()];
    const bool remove = (random >> 28) == 0;
    for (const std::string& id : remove ? estate.Remove(state.id) : estate.Upsert(state))
      known[id] = text(Diagnose(estate, id));
    for (const auto& [id, findings] : known) {
      ASSERT_EQ(findings, text(Diagnose(estate, id)))
          << id << " changed unseen in step " << step << " by " << state.id;
    }
  }
}

}  // namespace
}  // namespace keymedic::kms
