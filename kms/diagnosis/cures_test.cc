// SPDX-License-Identifier: Apache-2.0
//
// What findings ask to be done, and with which parameters: what makes a treatment checkable, keeps
// two findings from asking for different things, and lets its finding go when it worked.
#include <map>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "kms/diagnosis/client_cases_testing.h"
#include "kms/diagnosis/machines_testing.h"
#include "kms/tables.h"

namespace keymedic::kms {
namespace {

using namespace testing;  // NOLINT: the machines of machines_testing.h
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// "action key=value ...@machine", in order.
std::vector<std::string> Cures(const v1::Finding& finding) {
  std::vector<std::string> out;
  for (const v1::Treatment& treatment : finding.treatments()) {
    std::string text = treatment.action();
    const std::map<std::string, std::string> params(treatment.params().begin(),
                                                    treatment.params().end());
    for (const auto& [key, value] : params) absl::StrAppend(&text, " ", key, "=", value);
    if (!treatment.machine_id().empty()) absl::StrAppend(&text, "@", treatment.machine_id());
    out.push_back(std::move(text));
  }
  return out;
}

std::vector<std::string> CuresOf(const std::vector<v1::Finding>& findings, const char* code) {
  const v1::Finding* finding = FindCode(findings, code);
  return finding == nullptr ? std::vector<std::string>{"not found"} : Cures(*finding);
}

MachineState Clone(const char* id, const char* cmid) {
  MachineState clone = HealthyClient(id);
  clone.client->set_client_machine_id(cmid);
  return clone;
}

TEST(Cures, TheHostAndTheClonesAskForTheSame) {
  Estate estate;
  MachineState host = HealthyHost("kms1", 1);
  AddRequest(host, "AB-12", {"pc-3", "pc-2", "pc-1"});
  estate.Upsert(host);
  for (const char* id : {"pc-1", "pc-2", "pc-3"}) estate.Upsert(Clone(id, "Ab-12"));
  const auto cures = ElementsAre("reset_machine_id client_machine_id=ab-12@pc-2", "activate@pc-2",
                                 "reset_machine_id client_machine_id=ab-12@pc-3", "activate@pc-3");
  EXPECT_THAT(CuresOf(Diagnose(estate, "kms1"), "HOST_COUNT_STUCK"), cures);
  EXPECT_THAT(CuresOf(Diagnose(estate, "pc-1"), "CLIENT_DUPLICATE_CMID"), cures);
}

TEST(Cures, WhoHasNoRearmLeftIsNotRearmedForTheCount) {
  Estate estate;
  MachineState host = HealthyHost("kms1", 1);
  AddRequest(host, "x", {"pc-1", "pc-2", "pc-3"});
  estate.Upsert(host);
  for (const char* id : {"pc-1", "pc-2", "pc-3"}) estate.Upsert(Clone(id, "x"));
  MachineState spent = Clone("pc-2", "x");
  spent.licensing->set_windows_rearms_left(0);
  EXPECT_THAT(estate.Upsert(spent), Contains("kms1"));
  EXPECT_THAT(CuresOf(Diagnose(estate, "kms1"), "HOST_COUNT_STUCK"),
              ElementsAre("reset_machine_id client_machine_id=x@pc-3", "activate@pc-3"));
}

TEST(Cures, OfARogueHostGoesForGoodAndItsActivationDoesNotCount) {
  v1::Policy policy;
  Sanctions(policy);
  Estate estate;
  estate.Upsert(Pinned(HealthyClient("pc"), "rogue.example"));
  std::vector<v1::Finding> findings = Diagnose(estate, "pc", policy);
  const std::string again =
      "activate after=" +
      absl::FormatTime(absl::RFC3339_sec, kNow - absl::Hours(24), absl::UTCTimeZone());
  EXPECT_THAT(CuresOf(findings, "CLIENT_HOST_UNSANCTIONED"),
              ElementsAre("ensure_discovery undo=false", again));
  EXPECT_THAT(CuresOf(findings, "CLIENT_HOST_OVERRIDE"),
              ElementsAre("ensure_discovery undo=false"));

  estate.Upsert(Pinned(UnlicensedClient("pc"), "rogue.example"));
  EXPECT_THAT(CuresOf(Diagnose(estate, "pc", policy), "CLIENT_HOST_UNSANCTIONED"),
              ElementsAre("ensure_discovery undo=false", "activate"));

  // Only once, by a host that it does not ask any more.
  MachineState machine = Pinned(HealthyClient("pc"), "kms1.contoso.example");
  AddAttempt(machine, 12288, 0, "rogue.example").set_bound(true);
  estate.Upsert(machine);
  findings = Diagnose(estate, "pc", policy);
  EXPECT_THAT(CuresOf(findings, "CLIENT_HOST_UNSANCTIONED"), ElementsAre(again));
  EXPECT_THAT(CuresOf(findings, "CLIENT_HOST_OVERRIDE"), ElementsAre("ensure_discovery"));
}

TEST(Cures, AFirewallThatIsClosedForAWrongPortIsOpenedForTheRightOne) {
  MachineState host = HealthyHost("kms1", 30);
  host.host->set_listening_port(1699);
  Estate estate;
  estate.Upsert(host);
  EXPECT_THAT(Problems(DiagnoseAll(estate, {"kms1"})), ElementsAre("HOST_FIREWALL_CLOSED"));
  AddRecord(AddAnswer(host), "kms1.contoso.example", 1688);
  estate.Upsert(host);
  const std::vector<v1::Finding> findings = DiagnoseAll(estate, {"kms1"});
  EXPECT_THAT(Problems(findings), ElementsAre("HOST_PORT_MISMATCH"));
  EXPECT_EQ(FindCode(findings, "HOST_FIREWALL_CLOSED")->cause_code(), "HOST_PORT_MISMATCH");
  EXPECT_THAT(
      CuresOf(findings, "HOST_PORT_MISMATCH"),
      ElementsAre("ensure_listening_port port=1688", "ensure_firewall_exception port=1688"));
}

TEST(Cures, AClientThatAsksAWrongPortDoesNotHideAClosedFirewall) {
  MachineState host = HealthyHost("kms1", 30);
  host.firewall->mutable_rules(0)->set_enabled(false);
  Estate estate;
  estate.Upsert(host);
  MachineState pc = Pinned(HealthyClient("pc"), "kms1.contoso.example");
  pc.client->set_registered_port(1700);
  estate.Upsert(pc);
  const std::vector<v1::Finding> findings = DiagnoseAll(estate, {"kms1", "pc"});
  EXPECT_EQ(FindCode(findings, "HOST_FIREWALL_CLOSED")->cause_code(), "");
  EXPECT_NE(FindCode(findings, "HOST_PORT_MISMATCH"), nullptr);
}

TEST(Cures, WhatAHostRejectedBeforeItsNewKeyTellsNothing) {
  constexpr char kServer2025[] = "7dc26449-db21-4e09-ba37-28f2958506a6";
  ASSERT_NE(FindSku(kServer2025), nullptr);
  MachineState host = HealthyHost("kms1", 30);  // of Windows Server 2022
  AddRequest(host, "x", {"srv-1"}, 0xC004F042, 5).set_activation_id(kServer2025);
  Estate estate;
  estate.Upsert(host);
  EXPECT_NE(FindCode(Diagnose(estate, "kms1"), "HOST_KEY_MISMATCH"), nullptr);
  host.licensing->mutable_products(0)->set_channel("VOLUME_KMS_WS25");
  host.licensing->mutable_products(0)->set_description(
      "Windows(R) Operating System, VOLUME_KMS_WS25 channel");
  estate.Upsert(host);
  EXPECT_EQ(FindCode(Diagnose(estate, "kms1"), "HOST_KEY_MISMATCH"), nullptr);
}

TEST(Cures, ALogThatWasEnlargedIsGivenTimeToFill) {
  MachineState host = HealthyHost("kms1", 30);
  host.host->set_log_hours_held(3);
  host.host->set_log_max_bytes(1 << 20);
  Estate estate;
  estate.Upsert(host);
  EXPECT_NE(FindCode(Diagnose(estate, "kms1"), "HOST_EVENT_LOG_FULL"), nullptr);
  host.host->set_log_max_bytes(kAmpleLogBytes);
  estate.Upsert(host);
  EXPECT_EQ(FindCode(Diagnose(estate, "kms1"), "HOST_EVENT_LOG_FULL"), nullptr);
  host.host->set_log_full(true);
  estate.Upsert(host);
  EXPECT_NE(FindCode(Diagnose(estate, "kms1"), "HOST_EVENT_LOG_FULL"), nullptr);
}

}  // namespace
}  // namespace keymedic::kms
