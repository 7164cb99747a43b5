// SPDX-License-Identifier: Apache-2.0
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "kms/diagnosis/machines_testing.h"

namespace keymedic::kms {
namespace {

using namespace testing;  // NOLINT: the machines of machines_testing.h
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

constexpr char kHost[] = "kms1.contoso.example";

MachineState Unreachable(std::string id, const char* host = kHost) {
  MachineState machine = UnlicensedClient(std::move(id));
  AddProbe(machine, host, v1::PROBE_RESULT_TIMEOUT);
  return machine;
}

std::vector<std::string> Fill(Estate& estate, int clients) {
  std::vector<std::string> ids;
  for (int i = 0; i < clients; ++i) {
    ids.push_back(absl::StrCat("pc-", 100 + i));
    MachineState machine = Unreachable(ids.back());
    AddRecord(AddAnswer(machine), kHost);
    estate.Upsert(std::move(machine));
  }
  return ids;
}

TEST(Fold, AClosedFirewallIsOneProblem) {
  Estate estate;
  std::vector<std::string> ids = Fill(estate, 40);
  MachineState host = HealthyHost("kms1", 0);
  host.firewall->mutable_rules(0)->set_enabled(false);
  estate.Upsert(host);
  ids.push_back("kms1");
  const std::vector<v1::Finding> findings = DiagnoseAll(estate, ids);
  EXPECT_THAT(Problems(findings), ElementsAre("HOST_FIREWALL_CLOSED"));
  EXPECT_EQ(findings[0].subject(), "kms1");
  EXPECT_THAT(findings[0].affected_machines(), SizeIs(41));
  EXPECT_THAT(findings[0].folded_codes(),
              ElementsAre("CLIENT_HOST_UNREACHABLE", "HOST_COUNT_ZERO", "HOST_UNREACHABLE"));
  for (const v1::Finding& finding : findings) {
    if (finding.code() == "HOST_FIREWALL_CLOSED") continue;
    EXPECT_EQ(finding.cause_code(), "HOST_FIREWALL_CLOSED") << finding.code();
    EXPECT_EQ(finding.cause_subject(), "kms1");
    EXPECT_THAT(finding.affected_machines(), IsEmpty());
  }
}

TEST(Fold, AHostThatNobodyReaches) {
  Estate estate;
  std::vector<std::string> ids = Fill(estate, 3);
  estate.Upsert(HealthyHost("kms1", 30));
  ids.push_back("kms1");
  const std::vector<v1::Finding> findings = DiagnoseAll(estate, ids);
  EXPECT_THAT(Problems(findings), ElementsAre("HOST_UNREACHABLE"));
  EXPECT_THAT(findings[0].affected_machines(), SizeIs(4));
}

TEST(Fold, AHostThatIsUpIsNotTheCauseOfOneLostClient) {
  Estate estate;
  estate.Upsert(HealthyHost("kms1", 30));
  MachineState near = HealthyClient("near");
  AddProbe(near, kHost, v1::PROBE_RESULT_KMS);
  estate.Upsert(near);
  estate.Upsert(Unreachable("far"));
  EXPECT_THAT(Problems(DiagnoseAll(estate, {"kms1", "near", "far"})),
              ElementsAre("CLIENT_HOST_UNREACHABLE"));
}

TEST(Fold, APinnedDeadHost) {
  Estate estate;
  MachineState machine = Unreachable("pc", "old.contoso.example");
  machine.client->set_registered_host("old.contoso.example");
  estate.Upsert(machine);
  const std::vector<v1::Finding> findings = DiagnoseAll(estate, {"pc"});
  EXPECT_THAT(Problems(findings), ElementsAre("CLIENT_HOST_OVERRIDE"));
  EXPECT_EQ(findings[0].severity(), v1::SEVERITY_WARNING);
  EXPECT_THAT(findings[0].folded_codes(), ElementsAre("CLIENT_HOST_UNREACHABLE"));
  EXPECT_THAT(findings[0].affected_machines(), ElementsAre("pc"));
}

TEST(Fold, ANoticeHidesNoProblem) {
  Estate estate;
  MachineState machine = Unreachable("pc");
  machine.client->set_registered_host(kHost);
  estate.Upsert(machine);
  estate.Upsert(HealthyHost("kms1", 30));
  const std::vector<v1::Finding> findings = DiagnoseAll(estate, {"pc", "kms1"});
  EXPECT_EQ(FindCode(findings, "CLIENT_HOST_OVERRIDE")->severity(), v1::SEVERITY_NOTICE);
  EXPECT_EQ(FindCode(findings, "CLIENT_HOST_UNREACHABLE")->cause_code(), "HOST_UNREACHABLE");

  MachineState counted = UnlicensedClient("low");
  AddAttempt(counted, 12288, 0xC004F038, kHost);
  Estate fresh;
  fresh.Upsert(counted);
  fresh.Upsert(HealthyHost("kms1", 0));
  EXPECT_THAT(Problems(DiagnoseAll(fresh, {"low", "kms1"})), ElementsAre("CLIENT_COUNT_TOO_LOW"));
}

TEST(Fold, PublishingThatFailed) {
  Estate estate;
  MachineState host = HealthyHost("kms1", 30);
  v1::DnsPublication& publication = *host.host->add_publications();
  publication.set_domain(kDomain);
  publication.set_error(0x80072338);
  AddAnswer(host, 0x8007232B);
  estate.Upsert(host);
  MachineState machine = UnlicensedClient("pc");
  AddAnswer(machine, 0x8007232B);
  estate.Upsert(machine);
  const std::vector<v1::Finding> findings = DiagnoseAll(estate, {"kms1", "pc"});
  EXPECT_THAT(Problems(findings), ElementsAre("HOST_DNS_PUBLISH_FAILED"));
  EXPECT_THAT(findings[0].folded_codes(), ElementsAre("CLIENT_DNS_NO_SRV", "HOST_SRV_MISSING"));
  EXPECT_THAT(findings[0].affected_machines(), ElementsAre("kms1", "pc"));
}

// A host with this count, which servers alone ask, three of them with one id; and who waits for it.
std::vector<std::string> FillClones(Estate& estate, int count) {
  std::vector<std::string> ids = {"pc-1", "pc-2", "pc-3"};
  for (const std::string& id : ids) {
    MachineState machine = HealthyClient(id);
    machine.client->set_client_machine_id("same");
    estate.Upsert(std::move(machine));
  }
  MachineState host = HealthyHost("kms1", count);
  v1::RequestSummary& request = *host.host->add_requests();
  request.set_client_machine_id("SAME");
  request.set_required_count(5);
  for (const std::string& id : ids) request.add_machine_names(id);
  estate.Upsert(host);
  MachineState waiting = UnlicensedClient("waiting");
  AddAttempt(waiting, 12288, 0xC004F038, kHost);
  estate.Upsert(waiting);
  ids.insert(ids.end(), {"kms1", "waiting"});
  return ids;
}

TEST(Fold, ClonesAreOneCause) {
  Estate estate;
  const std::vector<std::string> ids = FillClones(estate, 3);
  const std::vector<v1::Finding> findings = DiagnoseAll(estate, ids);
  EXPECT_THAT(Problems(findings), ElementsAre("CLIENT_DUPLICATE_CMID"));
  EXPECT_EQ(findings[0].subject(), "pc-1");
  EXPECT_THAT(Treatments(findings[0]), ElementsAre("reset_machine_id@pc-2", "activate@pc-2",
                                                   "reset_machine_id@pc-3", "activate@pc-3"));
  EXPECT_THAT(findings[0].affected_machines(),
              ElementsAre("kms1", "pc-1", "pc-2", "pc-3", "waiting"));
  EXPECT_THAT(findings[0].folded_codes(),
              ElementsAre("CLIENT_COUNT_TOO_LOW", "HOST_COUNT_STUCK", "HOST_COUNT_TOO_LOW"));
}

TEST(Fold, ClonesThatWouldNotFillACountAreNotWhatItLacks) {
  Estate estate;
  const std::vector<v1::Finding> findings = DiagnoseAll(estate, FillClones(estate, 2));
  EXPECT_THAT(Problems(findings),
              UnorderedElementsAre("CLIENT_DUPLICATE_CMID", "HOST_COUNT_TOO_LOW"));
  EXPECT_EQ(FindCode(findings, "HOST_COUNT_STUCK")->cause_code(), "CLIENT_DUPLICATE_CMID");
  EXPECT_EQ(FindCode(findings, "CLIENT_COUNT_TOO_LOW")->cause_code(), "HOST_COUNT_TOO_LOW");
}

TEST(Fold, AsManyClonesAsARequestNamesMayBeMore) {
  Estate estate;
  MachineState host = HealthyHost("kms1", 1);
  v1::RequestSummary& request = *host.host->add_requests();
  request.set_client_machine_id("same");
  request.set_required_count(25);
  for (int i = 0; i < 16; ++i) request.add_machine_names(absl::StrCat("pc-", i));
  estate.Upsert(host);
  EXPECT_THAT(Problems(DiagnoseAll(estate, {"kms1"})), ElementsAre("HOST_COUNT_STUCK"));
  request.mutable_machine_names()->RemoveLast();
  estate.Upsert(host);
  EXPECT_THAT(Problems(DiagnoseAll(estate, {"kms1"})),
              UnorderedElementsAre("HOST_COUNT_STUCK", "HOST_COUNT_TOO_LOW"));
}

TEST(Fold, OnlyWhoAsksAWrongPortSuffersFromIt) {
  Estate estate;
  estate.Upsert(HealthyHost("kms1", 30));
  MachineState wrong = UnlicensedClient("wrong");
  AddProbe(wrong, kHost, v1::PROBE_RESULT_TIMEOUT, 1700);
  wrong.client->set_registered_host(kHost);
  wrong.client->set_registered_port(1700);
  estate.Upsert(wrong);
  EXPECT_THAT(Problems(DiagnoseAll(estate, {"kms1", "wrong"})), ElementsAre("HOST_PORT_MISMATCH"));

  MachineState right = Unreachable("right");
  right.client->set_discovered_host(kHost);
  right.client->set_discovered_port(1688);
  estate.Upsert(right);
  const std::vector<v1::Finding> findings = DiagnoseAll(estate, {"kms1", "right", "wrong"});
  EXPECT_THAT(Problems(findings), UnorderedElementsAre("HOST_PORT_MISMATCH", "HOST_UNREACHABLE"));
  for (const v1::Finding& finding : findings) {
    if (finding.code() != "CLIENT_HOST_UNREACHABLE") continue;
    EXPECT_EQ(finding.cause_code(),
              finding.subject() == "right" ? "HOST_UNREACHABLE" : "HOST_PORT_MISMATCH");
  }
}

TEST(Fold, ACountExplainsOnlyWhoNeedsMore) {
  Estate estate;
  MachineState host = HealthyHost("kms1", 12);
  host.host->add_requests()->set_required_count(25);
  estate.Upsert(host);
  estate.Upsert(UnlicensedClient("desktop", 0xC004F056));
  MachineState server = UnlicensedClient("server", 0xC004F056);
  server.os->set_is_server(true);
  estate.Upsert(server);
  const std::vector<v1::Finding> findings = DiagnoseAll(estate, {"desktop", "kms1", "server"});
  EXPECT_THAT(Problems(findings), ElementsAre("CLIENT_NEVER_ACTIVATED", "HOST_COUNT_TOO_LOW"));
  EXPECT_EQ(findings[0].subject(), "server");
  EXPECT_THAT(findings[1].affected_machines(), ElementsAre("desktop", "kms1"));
}

TEST(Fold, WrongHostKey) {
  Estate estate;
  MachineState host = HealthyHost("kms1", 30);
  v1::RequestSummary& request = *host.host->add_requests();
  request.set_last_error(0xC004F015);
  host.host->set_failed_requests(500);
  estate.Upsert(host);
  MachineState machine = UnlicensedClient("pc");
  AddAttempt(machine, 12288, 0xC004F042, kHost);
  estate.Upsert(machine);
  const std::vector<v1::Finding> findings = DiagnoseAll(estate, {"kms1", "pc"});
  EXPECT_THAT(Problems(findings), ElementsAre("HOST_KEY_MISMATCH"));
  EXPECT_THAT(findings[0].folded_codes(),
              ElementsAre("CLIENT_HOST_KEY_MISMATCH", "HOST_REQUESTS_FAILING"));
}

TEST(Fold, ASplitPool) {
  Estate estate;
  for (const char* id : {"kms1", "kms2"}) estate.Upsert(HealthyHost(id, 15));
  MachineState machine = UnlicensedClient("pc");
  v1::SrvAnswer& answer = AddAnswer(machine);
  AddRecord(answer, kHost);
  AddRecord(answer, "kms2.contoso.example");
  AddAttempt(machine, 12288, 0xC004F038, kHost);
  estate.Upsert(machine);
  for (const char* id : {"kms1", "kms2"}) {
    MachineState host = HealthyHost(id, 15);
    host.host->add_requests()->set_required_count(25);
    estate.Upsert(host);
  }
  const std::vector<v1::Finding> findings = DiagnoseAll(estate, {"kms1", "kms2", "pc"});
  EXPECT_THAT(Problems(findings), ElementsAre("HOST_COUNT_SPLIT"));
  EXPECT_THAT(findings[0].affected_machines(), ElementsAre("kms1", "kms2", "pc"));
}

TEST(Fold, ARecordOfAHostThatIsGone) {
  Estate estate;
  MachineState machine = Unreachable("pc", "old.contoso.example");
  AddRecord(AddAnswer(machine), "old.contoso.example");
  estate.Upsert(machine);
  const std::vector<v1::Finding> findings = DiagnoseAll(estate, {"pc"});
  EXPECT_THAT(Problems(findings), ElementsAre("DNS_SRV_STALE"));
  EXPECT_THAT(findings[0].affected_machines(), ElementsAre("pc"));
}

TEST(Fold, ARogueRecordDrawsItsClients) {
  Estate estate;
  MachineState machine = HealthyClient("pc");
  machine.client->set_discovered_host("rogue.contoso.example");
  AddRecord(AddAnswer(machine), "rogue.contoso.example");
  AddProbe(machine, "rogue.contoso.example", v1::PROBE_RESULT_KMS);
  estate.Upsert(machine);
  v1::Policy policy;
  policy.add_kms_hosts(kHost);
  const std::vector<v1::Finding> findings = DiagnoseAll(estate, {"pc"}, policy);
  EXPECT_THAT(Problems(findings), ElementsAre("DNS_SRV_UNSANCTIONED"));
  EXPECT_THAT(findings[0].folded_codes(), ElementsAre("CLIENT_HOST_UNSANCTIONED"));
}

TEST(Fold, AHostWhoseCountIsImpossibleIsKnownByWhatItAnswers) {
  Estate estate;
  estate.Upsert(HealthyHost("kms1", 1207));
  std::vector<std::string> ids = {"kms1"};
  for (const char* id : {"pc-1", "pc-2"}) {
    MachineState machine = UnlicensedClient(id);
    AddAttempt(machine, 12288, 0xC004F038, kHost);
    estate.Upsert(machine);
    ids.push_back(id);
  }
  const std::vector<v1::Finding> findings = DiagnoseAll(estate, ids);
  EXPECT_THAT(Problems(findings), ElementsAre("HOST_COUNT_TOO_LOW"));
  EXPECT_NE(FindCode(findings, "EVIDENCE_CONTRADICTORY"), nullptr);
  EXPECT_THAT(FindCode(findings, "HOST_COUNT_TOO_LOW")->affected_machines(),
              ElementsAre("kms1", "pc-1", "pc-2"));
}

TEST(Fold, ASettingThatLeadsToADeadHostIsOneProblemOnAnyList) {
  Estate estate;
  MachineState machine = HealthyClient("pc");
  machine.client->set_registered_host("gone.contoso.example");
  AddProbe(machine, "gone.contoso.example", v1::PROBE_RESULT_UNRESOLVED);
  estate.Upsert(machine);
  v1::Policy policy;
  policy.add_kms_hosts(kHost);
  const std::vector<v1::Finding> findings = DiagnoseAll(estate, {"pc"}, policy);
  EXPECT_THAT(Problems(findings), ElementsAre("CLIENT_HOST_OVERRIDE"));
  EXPECT_THAT(findings[0].folded_codes(),
              ElementsAre("CLIENT_HOST_UNREACHABLE", "CLIENT_HOST_UNSANCTIONED"));
}

// Two hosts by DNS, of which the one counts enough and the other is short, whether it answers or
// not.
TEST(Fold, WhoIsServedElsewhereDoesNotWaitForAShortHost) {
  for (const auto answers : {v1::PROBE_RESULT_REFUSED, v1::PROBE_RESULT_KMS}) {
    Estate estate;
    estate.Upsert(HealthyHost("kms1", 30));
    estate.Upsert(HealthyHost("kms2", 3));
    MachineState machine = UnlicensedClient("pc", 0xC004F009);
    v1::SrvAnswer& answer = AddAnswer(machine);
    AddRecord(answer, kHost);
    AddRecord(answer, "kms2.contoso.example");
    AddProbe(machine, kHost, v1::PROBE_RESULT_KMS);
    AddProbe(machine, "kms2.contoso.example", answers);
    estate.Upsert(machine);
    const std::vector<v1::Finding> findings = DiagnoseAll(estate, {"kms1", "kms2", "pc"});
    EXPECT_NE(FindCode(findings, "HOST_COUNT_TOO_LOW"), nullptr);
    EXPECT_EQ(FindCode(findings, "CLIENT_NOT_LICENSED")->cause_code(), "") << answers;
  }
}

TEST(Fold, WithoutANameServerNoHostHasAnAddress) {
  Estate estate;
  MachineState machine = UnlicensedClient("pc");
  machine.client->set_registered_host("gone.contoso.example");
  machine.names.emplace().set_no_name_server(true);
  AddProbe(machine, "gone.contoso.example", v1::PROBE_RESULT_UNRESOLVED);
  estate.Upsert(machine);
  EXPECT_THAT(Problems(DiagnoseAll(estate, {"pc"})), ElementsAre("CLIENT_DNS_NO_SERVER"));
}

TEST(Fold, AFewThatAreToldAWrongPortDoNotEmptyACount) {
  Estate estate;
  std::vector<std::string> ids = {"kms1"};
  MachineState host = HealthyHost("kms1", 10);
  AddRequest(host, "x", {"pc"});
  estate.Upsert(host);
  for (int i = 0; i < 30; ++i) {
    MachineState machine = UnlicensedClient(absl::StrCat("pc-", i));
    machine.client->set_registered_host(kHost);
    machine.client->set_registered_port(i < 3 ? 1699 : 1688);
    AddAttempt(machine, 12288, i < 3 ? 0xC004F074 : 0xC004F038, kHost);
    ids.push_back(machine.id);
    estate.Upsert(std::move(machine));
  }
  const std::vector<v1::Finding> findings = DiagnoseAll(estate, ids);
  EXPECT_EQ(FindCode(findings, "HOST_COUNT_TOO_LOW")->cause_code(), "");
  EXPECT_NE(FindCode(findings, "HOST_PORT_MISMATCH"), nullptr);
}

TEST(Fold, WhatIsLeftIsOneProblem) {
  Estate estate;
  estate.Upsert(UnlicensedClient("pc", 0xC004F056));
  const std::vector<v1::Finding> findings = DiagnoseAll(estate, {"pc"});
  EXPECT_THAT(Problems(findings), ElementsAre("CLIENT_NEVER_ACTIVATED"));
  EXPECT_THAT(findings[0].folded_codes(), ElementsAre("CLIENT_NOT_LICENSED"));
}

TEST(Fold, WidestFirstAmongEquals) {
  Estate estate;
  std::vector<std::string> ids = Fill(estate, 2);
  estate.Upsert(HealthyHost("kms1", 30));
  estate.Upsert(UnlicensedClient("a", 0xC004F00F));
  ids.insert(ids.end(), {"kms1", "a"});
  EXPECT_THAT(Problems(DiagnoseAll(estate, ids)),
              ElementsAre("HOST_UNREACHABLE", "CLIENT_HARDWARE_CHANGED"));
}

TEST(Fold, FindingsOfOthersPassThrough) {
  v1::Finding silent;
  silent.set_code("AGENT_SILENT");
  silent.set_subject("gone");
  silent.set_machine_id("gone");
  const std::vector<v1::Finding> findings = Fold(Estate(), {silent});
  ASSERT_THAT(findings, SizeIs(1));
  EXPECT_THAT(findings[0].affected_machines(), ElementsAre("gone"));
  EXPECT_THAT(findings[0].cause_code(), IsEmpty());
}

}  // namespace
}  // namespace keymedic::kms
