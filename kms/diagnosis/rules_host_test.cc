// SPDX-License-Identifier: Apache-2.0
//
// Each row: a host in one state, and every code that is found of it.
#include <functional>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "kms/diagnosis/machines_testing.h"

namespace keymedic::kms {
namespace {

using namespace testing;  // NOLINT: the machines of machines_testing.h
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::UnorderedElementsAreArray;

struct Case {
  const char* name;
  std::function<void(MachineState&)> change;
  std::vector<std::string> codes;
};

v1::FirewallRule& Rule(MachineState& m) { return *m.firewall->mutable_rules(0); }
void AddBlock(MachineState& m, const std::string& profile) {
  v1::FirewallRule block = Rule(m);
  block.set_id("{4F}");
  block.set_inbound_allow(false);
  block.add_profiles(profile);
  *m.firewall->add_rules() = block;
}

std::vector<Case> StateCases() {
  return {
      {"healthy and saturated", [](MachineState&) {}, {"HOST_COUNT_SATURATED"}},
      {"count 49", [](MachineState& m) { m.host->set_current_count(49); }, {}},
      {"count not known", [](MachineState& m) { m.host->clear_current_count(); }, {}},
      {"count 10 for servers",
       [](MachineState& m) {
         m.host->set_current_count(10);
         AddRequest(m, "x", {"srv"}, 0, 5);
       },
       {"HOST_COUNT_SATURATED"}},
      {"count 10 for desktops",
       [](MachineState& m) {
         m.host->set_current_count(10);
         AddRequest(m, "x", {"pc"});
       },
       {"HOST_COUNT_TOO_LOW"}},
      {"count 5 for servers",
       [](MachineState& m) {
         m.host->set_current_count(5);
         AddRequest(m, "x", {"srv"}, 0, 5);
       },
       {}},
      {"count 4", [](MachineState& m) { m.host->set_current_count(4); }, {"HOST_COUNT_TOO_LOW"}},
      {"count 0", [](MachineState& m) { m.host->set_current_count(0); }, {"HOST_COUNT_ZERO"}},
      {"count -1", [](MachineState& m) { m.host->set_current_count(-1); }, {"HOST_COUNT_ZERO"}},
      {"clones",
       [](MachineState& m) {
         m.host->set_current_count(1);
         AddRequest(m, "x", {"pc-1", "pc-2"});
       },
       {"HOST_COUNT_TOO_LOW", "HOST_COUNT_STUCK"}},
      {"one machine by two spellings",
       [](MachineState& m) {
         m.host->set_current_count(1);
         AddRequest(m, "x", {"PC-1", "pc-1.contoso.example"});
       },
       {"HOST_COUNT_TOO_LOW"}},
      {"clones, and still enough",
       [](MachineState& m) {
         m.host->set_current_count(30);
         AddRequest(m, "x", {"pc-1", "pc-2"});
       },
       {}},
      {"three with one id are no renamed machine",
       [](MachineState& m) {
         m.host->set_current_count(30);
         AddRequest(m, "x", {"pc-1", "pc-2", "pc-3"});
       },
       {"CLIENT_DUPLICATE_CMID"}},
      {"clones that asked last more than 30 days ago",
       [](MachineState& m) {
         m.host->set_current_count(15);
         v1::RequestSummary& request = AddRequest(m, "x", {"pc-1", "pc-2"});
         Set(kNow - absl::Hours(24 * 31), request.mutable_last_at());
       },
       {"HOST_COUNT_TOO_LOW"}},
      {"a wrong key group more than 30 days ago",
       [](MachineState& m) {
         v1::RequestSummary& request = AddRequest(m, "x", {"pc-1"}, 0xC004F015);
         Set(kNow - absl::Hours(24 * 31), request.mutable_last_at());
       },
       {"HOST_COUNT_SATURATED"}},
      {"clones that it rejects",
       [](MachineState& m) {
         m.host->set_current_count(15);
         AddRequest(m, "x", {"pc-1", "pc-2"}, 0xC004F015);
       },
       {"HOST_COUNT_TOO_LOW", "HOST_KEY_MISMATCH"}},
      {"clones and no count",
       [](MachineState& m) {
         m.host->set_current_count(0);
         AddRequest(m, "x", {"pc-1", "pc-2"});
       },
       {"HOST_COUNT_ZERO"}},
      {"a count that no host has",
       [](MachineState& m) { m.host->set_current_count(1207); },
       {"EVIDENCE_CONTRADICTORY"}},
      {"clones, count not known",
       [](MachineState& m) {
         m.host->clear_current_count();
         AddRequest(m, "x", {"pc-1", "pc-2"});
       },
       {"CLIENT_DUPLICATE_CMID"}},
      {"several names, but no id",
       [](MachineState& m) {
         AddRequest(m, "0000-00", {"pc-1", "pc-2", "pc-3"});
       },
       {"HOST_COUNT_SATURATED"}},
      {"not licensed",
       [](MachineState& m) {
         m.licensing->mutable_products(0)->set_status(v1::LICENSE_STATUS_NOTIFICATION);
         m.host->set_current_count(30);
       },
       {"HOST_NOT_LICENSED"}},
      {"used up",
       [](MachineState& m) {
         m.licensing->mutable_products(0)->set_status(v1::LICENSE_STATUS_NOTIFICATION);
         m.licensing->mutable_products(0)->set_status_reason(0xC004C008);
         m.host->set_current_count(30);
       },
       {"HOST_NOT_LICENSED", "HOST_ACTIVATION_LIMIT"}},
      {"wrong key group",
       [](MachineState& m) {
         m.host->set_current_count(30);
         AddRequest(m, "x", {"pc-1"}, 0xC004F015);
       },
       {"HOST_KEY_MISMATCH"}},
      {"Azure Edition",
       [](MachineState& m) {
         m.host->set_current_count(30);
         m.os->set_edition_id("ServerTurbine");
       },
       {"HOST_EDITION_CANNOT_HOST"}},
      {"log full",
       [](MachineState& m) {
         m.host->set_current_count(30);
         m.host->set_log_full(true);
       },
       {"HOST_EVENT_LOG_FULL"}},
      {"log of half a day",
       [](MachineState& m) {
         m.host->set_current_count(30);
         m.host->set_log_hours_held(12);
       },
       {"HOST_EVENT_LOG_FULL"}},
      {"log of half a day of a host that nobody asked",
       [](MachineState& m) {
         m.host->set_current_count(30);
         m.host->set_total_requests(0);
         m.host->set_log_hours_held(12);
       },
       {}},
      {"requests fail",
       [](MachineState& m) {
         m.host->set_current_count(30);
         m.host->set_failed_requests(400);
       },
       {"HOST_REQUESTS_FAILING"}},
      {"a host that only its events show",
       [](MachineState& m) {
         m.licensing.reset();
         m.host.emplace();
         AddRequest(m, "x", {"pc-1"}, 0xC004F015);
       },
       {"HOST_KEY_MISMATCH"}},
      {"a machine with a host section, but no host",
       [](MachineState& m) {
         m.licensing.reset();
         m.host.emplace().set_enabled(false);
         m.firewall->clear_rules();
       },
       {}},
  };
}

std::vector<Case> PathCases() {
  auto low = [](const std::function<void(MachineState&)>& change) {
    return [change](MachineState& m) {
      m.host->set_current_count(30);
      change(m);
    };
  };
  return {
      {"no exception",
       low([](MachineState& m) { m.firewall->clear_rules(); }),
       {"HOST_FIREWALL_CLOSED"}},
      {"exception disabled",
       low([](MachineState& m) { Rule(m).set_enabled(false); }),
       {"HOST_FIREWALL_CLOSED"}},
      {"exception, and nobody knows whether it is enabled",
       low([](MachineState& m) { Rule(m).clear_enabled(); }),
       {}},
      {"exception for another port",
       low([](MachineState& m) { Rule(m).set_tcp_ports(0, 1689); }),
       {"HOST_FIREWALL_CLOSED"}},
      {"exception for another profile",
       low([](MachineState& m) { Rule(m).add_profiles("Private"); }),
       {"HOST_FIREWALL_CLOSED"}},
      {"exception for this profile",
       low([](MachineState& m) { Rule(m).add_profiles("Domain"); }),
       {}},
      {"a rule that blocks",
       low([](MachineState& m) { Rule(m).set_inbound_allow(false); }),
       {"HOST_FIREWALL_CLOSED"}},
      {"a block beside the exception",
       low([](MachineState& m) { AddBlock(m, "domain"); }),
       {"HOST_FIREWALL_CLOSED"}},
      {"a block on another profile", low([](MachineState& m) { AddBlock(m, "public"); }), {}},
      {"group policy ignores the machine's own rules",
       low([](MachineState& m) { m.firewall->set_local_rules_ignored(true); }),
       {"HOST_FIREWALL_CLOSED"}},
      {"group policy brings the exception",
       low([](MachineState& m) {
         m.firewall->set_local_rules_ignored(true);
         Rule(m).set_of_policy(true);
       }),
       {}},
      {"firewall off",
       low([](MachineState& m) {
         m.firewall->clear_rules();
         m.firewall->set_enabled(false);
       }),
       {}},
      {"firewall not known to be on",
       low([](MachineState& m) {
         m.firewall->clear_rules();
         m.firewall->clear_enabled();
       }),
       {}},
      {"port not known",
       low([](MachineState& m) {
         m.firewall->clear_rules();
         m.host->clear_listening_port();
       }),
       {}},
      {"default port, said as 0", low([](MachineState& m) { m.host->set_listening_port(0); }), {}},
      {"service stopped",
       low([](MachineState& m) { m.host->set_service_running(false); }),
       {"HOST_SERVICE_STOPPED"}},
      {"service disabled",
       low([](MachineState& m) {
         m.host->clear_service_running();
         m.host->set_service_disabled(true);
       }),
       {"HOST_SERVICE_STOPPED"}},
      {"service not known", low([](MachineState& m) { m.host->clear_service_running(); }), {}},
      {"publishing failed",
       low([](MachineState& m) {
         v1::DnsPublication& p = *m.host->add_publications();
         p.set_domain(kDomain);
         p.set_error(0x80072338);
       }),
       {"HOST_DNS_PUBLISH_FAILED"}},
      {"published",
       low([](MachineState& m) { m.host->add_publications()->set_domain(kDomain); }),
       {}},
      {"publishing off",
       low([](MachineState& m) { m.host->set_dns_publishing(false); }),
       {"HOST_DNS_PUBLISHING_OFF"}},
      {"publishing off, record by hand",
       low([](MachineState& m) {
         m.host->set_dns_publishing(false);
         AddRecord(AddAnswer(m), "kms1.contoso.example.");
       }),
       {}},
      {"no record", low([](MachineState& m) { AddAnswer(m, 0x8007232B); }), {"HOST_SRV_MISSING"}},
      {"records of others",
       low([](MachineState& m) { AddRecord(AddAnswer(m), "kms2.contoso.example"); }),
       {"HOST_SRV_MISSING"}},
      {"no answer from the name server",
       low([](MachineState& m) { AddAnswer(m, 0x800705B4); }),
       {}},
      {"no record in another domain",
       low([](MachineState& m) { AddAnswer(m, 0x8007232B, "fabrikam.example"); }),
       {}},
      {"record with another port",
       low([](MachineState& m) { AddRecord(AddAnswer(m), "KMS1.contoso.example", 1700); }),
       {"HOST_PORT_MISMATCH"}},
      {"reaches itself only",
       low([](MachineState& m) { AddProbe(m, "kms1", v1::PROBE_RESULT_KMS); }),
       {}},
  };
}

class HostRulesTest : public ::testing::TestWithParam<Case> {};

TEST_P(HostRulesTest, FindsThisAndNothingElse) {
  MachineState host = HealthyHost("kms1");
  GetParam().change(host);
  Estate estate;
  estate.Upsert(std::move(host));
  const std::vector<v1::Finding> findings = Diagnose(estate, "kms1");
  EXPECT_THAT(Codes(findings), UnorderedElementsAreArray(GetParam().codes)) << GetParam().name;
  for (const v1::Finding& finding : findings) {
    EXPECT_THAT(finding.evidence(), Not(IsEmpty())) << finding.code();
    EXPECT_EQ(finding.why_untreatable().empty(),
              !finding.treatments().empty() || finding.severity() < v1::SEVERITY_WARNING)
        << finding.code();
  }
}

INSTANTIATE_TEST_SUITE_P(State, HostRulesTest, ::testing::ValuesIn(StateCases()));
INSTANTIATE_TEST_SUITE_P(Path, HostRulesTest, ::testing::ValuesIn(PathCases()));

v1::Severity SeverityOf(const Estate& estate, const char* code) {
  const std::vector<v1::Finding> findings = Diagnose(estate, "kms1");
  const v1::Finding* finding = FindCode(findings, code);
  return finding == nullptr ? v1::SEVERITY_UNSPECIFIED : finding->severity();
}

TEST(HostRules, OnlyAKeyThatWasNeverActivatedMayBeTheRightOne) {
  const auto needs_a_key = [](MachineState host, const char* code) {
    Estate estate;
    estate.Upsert(std::move(host));
    const std::vector<v1::Finding> findings = Diagnose(estate, "kms1");
    const v1::Finding* finding = FindCode(findings, code);
    EXPECT_TRUE(finding != nullptr && finding->treatments_size() == 2) << code;
    if (finding == nullptr) return false;
    EXPECT_EQ(finding->treatments(0).action(), "ensure_host_key");
    EXPECT_FALSE(finding->treatments(1).if_possible());
    return !finding->treatments(0).if_possible();
  };
  MachineState unlicensed = HealthyHost("kms1");
  unlicensed.licensing->mutable_products(0)->set_status(v1::LICENSE_STATUS_NOTIFICATION);
  EXPECT_FALSE(needs_a_key(unlicensed, "HOST_NOT_LICENSED"));
  MachineState mismatch = HealthyHost("kms1", 30);
  AddRequest(mismatch, "x", {"pc-1"}, 0xC004F015);
  EXPECT_TRUE(needs_a_key(mismatch, "HOST_KEY_MISMATCH"));
}

TEST(HostRules, SeverityFollowsWhatIsKnown) {
  Estate estate;
  estate.Upsert(HealthyHost("kms1", 0));
  EXPECT_EQ(SeverityOf(estate, "HOST_COUNT_ZERO"), v1::SEVERITY_NOTICE);
  MachineState member = HealthyClient("pc");
  member.client->set_activation_object("Contoso volume");
  estate.Upsert(member);
  EXPECT_EQ(SeverityOf(estate, "HOST_COUNT_ZERO"), v1::SEVERITY_INFO);

  estate.Upsert(HealthyHost("kms1", 7));
  EXPECT_EQ(SeverityOf(estate, "HOST_COUNT_TOO_LOW"), v1::SEVERITY_NOTICE);
  estate.Upsert(HealthyHost("kms1", 2));
  EXPECT_EQ(SeverityOf(estate, "HOST_COUNT_TOO_LOW"), v1::SEVERITY_WARNING);

  MachineState host = HealthyHost("kms1");
  host.host->set_failed_requests(3);
  estate.Upsert(host);
  EXPECT_EQ(SeverityOf(estate, "HOST_REQUESTS_FAILING"), v1::SEVERITY_NOTICE);
}

TEST(HostRules, OneThatOthersReachIsReachable) {
  Estate estate;
  MachineState host = HealthyHost("kms1", 30);
  AddProbe(host, "kms1", v1::PROBE_RESULT_KMS);  // itself: says nothing of the firewall
  estate.Upsert(host);
  MachineState far = HealthyClient("far");
  AddProbe(far, "kms1.contoso.example", v1::PROBE_RESULT_TIMEOUT);
  estate.Upsert(far);
  EXPECT_EQ(SeverityOf(estate, "HOST_UNREACHABLE"), v1::SEVERITY_CRITICAL);
  const std::vector<v1::Finding> findings = Diagnose(estate, "kms1");
  EXPECT_EQ(findings[0].evidence(0).value(), "far");
  EXPECT_EQ(findings[0].evidence(1).value(), "1");
  MachineState near = HealthyClient("near");
  AddProbe(near, "kms1.contoso.example", v1::PROBE_RESULT_KMS);
  estate.Upsert(near);
  EXPECT_EQ(SeverityOf(estate, "HOST_UNREACHABLE"), v1::SEVERITY_UNSPECIFIED);
}

TEST(HostRules, PinnedClientsOfAnotherPortAreToldTheRightOne) {
  Estate estate;
  estate.Upsert(HealthyHost("kms1", 30));
  MachineState pc = HealthyClient("pc");
  pc.client->set_registered_host("kms1.contoso.example");
  pc.client->set_registered_port(1700);
  estate.Upsert(pc);
  const std::vector<v1::Finding> findings = Diagnose(estate, "kms1");
  ASSERT_THAT(Codes(findings), ElementsAre("HOST_PORT_MISMATCH"));
  EXPECT_THAT(Treatments(findings[0]), ElementsAre("ensure_host(kms1.contoso.example:1688)@pc"));
}

TEST(HostRules, ThePortThatDnsSaysIsListenedOn) {
  MachineState host = HealthyHost("kms1", 30);
  AddRecord(AddAnswer(host), "kms1.contoso.example", 1700);
  Estate estate;
  estate.Upsert(host);
  EXPECT_THAT(Treatments(Diagnose(estate, "kms1")[0]),
              ElementsAre("ensure_listening_port(1700)", "ensure_firewall_exception(1700)"));
}

TEST(HostRules, ClonesThatAreKnownGetNewIdsButTheFirst) {
  Estate estate;
  MachineState host = HealthyHost("kms1", 1);
  AddRequest(host, "x", {"pc-1", "pc-2", "pc-3"});
  estate.Upsert(host);
  std::vector<v1::Finding> findings = Diagnose(estate, "kms1");
  EXPECT_THAT(FindCode(findings, "HOST_COUNT_STUCK")->why_untreatable(), HasSubstr("/rearm"));
  for (const char* id : {"pc-1", "pc-3"}) {
    MachineState clone = HealthyClient(id);
    clone.client->set_client_machine_id("X");
    estate.Upsert(clone);
  }
  findings = Diagnose(estate, "kms1");
  ASSERT_NE(FindCode(findings, "HOST_COUNT_STUCK"), nullptr);
  EXPECT_THAT(Treatments(*FindCode(findings, "HOST_COUNT_STUCK")),
              ElementsAre("reset_machine_id@pc-3", "activate@pc-3"));
}

TEST(HostRules, WhoHasAnotherIdByNowIsNoClone) {
  Estate estate;
  MachineState host = HealthyHost("kms1", 1);
  AddRequest(host, "x", {"pc-1", "pc-2"});
  estate.Upsert(host);
  EXPECT_EQ(SeverityOf(estate, "HOST_COUNT_STUCK"), v1::SEVERITY_CRITICAL);
  EXPECT_THAT(estate.Upsert(HealthyClient("pc-2")), ElementsAre("pc-2", "kms1"));
  EXPECT_EQ(SeverityOf(estate, "HOST_COUNT_STUCK"), v1::SEVERITY_UNSPECIFIED);
}

TEST(HostRules, PublishFailedNamesThePermission) {
  MachineState host = HealthyHost("kms1", 30);
  v1::DnsPublication& publication = *host.host->add_publications();
  publication.set_domain(kDomain);
  publication.set_error(0x80072338);
  Estate estate;
  estate.Upsert(host);
  EXPECT_THAT(Diagnose(estate, "kms1")[0].why_untreatable(), HasSubstr("Full Control"));
}

}  // namespace
}  // namespace keymedic::kms
