// SPDX-License-Identifier: Apache-2.0
//
// What one machine shows is judged by what another one knows.
#include <functional>

#include "absl/algorithm/container.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "kms/diagnosis/facts.h"
#include "kms/diagnosis/machines_testing.h"

namespace keymedic::kms {
namespace {

using namespace testing;  // NOLINT: the machines of machines_testing.h
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

constexpr char kHost[] = "kms1.contoso.example";
constexpr char kServer2012R2[] = "b3ca044e-a358-4d68-9883-aaa2941aca99";
constexpr char kWindows11[] = "73111121-5638-40f6-bc11-f1d7b0d64300";  // Enterprise

TEST(Joins, OnlyTheHostKnowsThatItRejectedTheClient) {
  struct Row {
    const char* name;
    uint32_t error;
    absl::Duration before;
    int skew_minutes;
    const char* code;
  };
  for (const Row& row : {
           Row{"clock", 0xC004F06C, absl::Hours(3), 0, "CLIENT_CLOCK_SKEW"},
           Row{"key group", 0xC004F015, absl::Hours(3), 0, "CLIENT_HOST_KEY_MISMATCH"},
           Row{"another request", 0xC004F015, absl::Hours(9), 0, "CLIENT_HOST_UNREACHABLE"},
           Row{"by the right clock", 0xC004F015, absl::Hours(1), -120, "CLIENT_HOST_KEY_MISMATCH"},
       }) {
    MachineState client = UnlicensedClient("pc");
    if (row.skew_minutes != 0) client.os->set_clock_skew_minutes(row.skew_minutes);
    AddAttempt(client, 12288, 0xC004F074, kHost);
    MachineState host = HealthyHost("kms1", 30);
    v1::RequestSummary& request = *host.host->add_requests();
    request.set_client_machine_id("CMID-of-pc");
    request.add_machine_names("pc");
    request.set_last_error(row.error);
    Set(kNow - row.before, request.mutable_last_at());
    Estate estate;
    estate.Upsert(client);
    estate.Upsert(host);
    EXPECT_THAT(Codes(Diagnose(estate, "pc")), Contains(row.code)) << row.name;
  }
}

// Activated yesterday, by a key that was activated on `day` of 2029.
MachineState ActivatedBy(const char* pid) {
  MachineState client = HealthyClient("pc");
  client.client->set_discovered_host(kHost);
  client.client->set_host_extended_pid(pid);
  return client;
}

MachineState HostWithKey(const char* pid) {
  MachineState host = HealthyHost("kms1", 30);
  host.licensing->mutable_products(0)->set_extended_pid(pid);
  return host;
}

struct NotSeenCase {
  const char* name;
  std::function<void(MachineState& host, MachineState& client)> change;
  bool found;
};

TEST(Joins, ARequestThatNeverArrived) {
  const std::vector<NotSeenCase> cases = {
      {"lost", [](MachineState&, MachineState&) {}, true},
      {"arrived",
       [](MachineState& host, MachineState&) {
         Set(kNow - absl::Hours(3), AddRequest(host, "CMID-of-pc", {"pc"}).mutable_last_at());
       },
       false},
      {"another one arrived long before",
       [](MachineState& host, MachineState&) {
         Set(kNow - absl::Hours(90), AddRequest(host, "cmid-of-pc", {"pc"}).mutable_last_at());
       },
       true},
      {"the log does not reach back",
       [](MachineState& host, MachineState&) { host.host->set_log_hours_held(2); }, false},
      {"the log is full", [](MachineState& host, MachineState&) { host.host->set_log_full(true); },
       false},
      {"nothing is known of the log",
       [](MachineState& host, MachineState&) { host.host->clear_log_hours_held(); }, false},
      {"older requests show how far the log reaches",
       [](MachineState& host, MachineState&) {
         host.host->clear_log_hours_held();
         AddRequest(host, "other", {"other"});
       },
       true},
      {"a moment ago: the host has not told yet",
       [](MachineState&, MachineState& client) {
         Set(kNow - absl::Minutes(5), client.client->mutable_attempts(0)->mutable_at());
       },
       false},
      {"answered",
       [](MachineState&, MachineState& client) {
         client.client->mutable_attempts(0)->set_error(0xC004F038);
       },
       false},
      {"by another event",
       [](MachineState&, MachineState& client) {
         client.client->mutable_attempts(0)->set_source_event(8198);
       },
       false},
      {"the client reaches the host now",
       [](MachineState&, MachineState& client) {
         AddProbe(client, "kms1.contoso.example", v1::PROBE_RESULT_KMS);
       },
       false},
      {"to another host",
       [](MachineState&, MachineState& client) {
         client.client->mutable_attempts(0)->set_host("kms2.contoso.example");
       },
       false},
  };
  for (const NotSeenCase& c : cases) {
    MachineState host = HealthyHost("kms1", 30);
    MachineState client = UnlicensedClient("pc");
    AddAttempt(client, 12288, 0xC004F074, "kms1.contoso.example");
    c.change(host, client);
    Estate estate;
    estate.Upsert(host);
    estate.Upsert(client);
    EXPECT_EQ(FindCode(Diagnose(estate, "kms1"), "HOST_REQUEST_NOT_SEEN") != nullptr, c.found)
        << c.name;
  }
}

TEST(Joins, AStrangerIsKnownByItsKey) {
  constexpr char kOwn[] = "03612-00206-471-123456-03-1033-20348.0000-0102029";
  constexpr char kStranger[] = "05426-00206-161-000000-03-1033-9600.0000-0102029";
  // kNow is in March 2030.
  constexpr char kNewer[] = "03612-00206-471-999999-03-1033-20348.0000-3502030";
  constexpr char kSameDay[] = "03612-00206-471-999999-03-1033-20348.0000-0752030";
  struct Row {
    const char* name;
    const char *host_pid, *client_pid;
    bool found;
  };
  for (const Row& row : {
           Row{"a stranger", kOwn, kStranger, true},
           Row{"the host itself", kOwn, kOwn, false},
           Row{"no key is known", "", kStranger, false},
           Row{"the key was replaced since", kNewer, kStranger, false},
           Row{"the key came on that day", kSameDay, kStranger, false},
           Row{"crossed out", kOwn, "<removed>", false},
       }) {
    Estate estate;
    estate.Upsert(HostWithKey(row.host_pid));
    estate.Upsert(ActivatedBy(row.client_pid));
    const auto codes = Codes(Diagnose(estate, "pc"));
    EXPECT_EQ(absl::c_linear_search(codes, "CLIENT_HOST_UNSANCTIONED"), row.found) << row.name;
  }
  // A host that the policy names and nobody knows may be the one.
  v1::Policy policy;
  policy.add_kms_hosts(kHost);
  Estate estate;
  estate.Upsert(HostWithKey(kOwn));
  estate.Upsert(ActivatedBy(kStranger));
  EXPECT_THAT(Codes(Diagnose(estate, "pc", policy)), ElementsAre("CLIENT_HOST_UNSANCTIONED"));
  policy.add_kms_hosts("kms9.contoso.example");
  EXPECT_THAT(Codes(Diagnose(estate, "pc", policy)), IsEmpty());
}

TEST(Joins, AddressesOfTheInternet) {
  for (const char* host : {"203.0.113.9", "2001:db8::1", "[2a00:1450::5]", "::ffff:8.8.8.8"})
    EXPECT_TRUE(IsPublicAddress(host)) << host;
  for (const char* host :
       {"10.1.2.3", "172.20.0.1", "192.168.1.1", "100.64.0.1", "169.254.169.250", "fe80::1",
        "fd00::1", "::1", "::ffff:10.0.0.1", "kms.example", "", "224.0.0.1"})
    EXPECT_FALSE(IsPublicAddress(host)) << host;
}

TEST(Joins, AKeyIsJudgedByWhoWaitsForIt) {
  const auto codes = [](const char* client_key, v1::LicenseStatus status) {
    MachineState host = HealthyHost("kms1", 30);
    host.licensing->mutable_products(0)->set_channel("VOLUME_KMS_2012-R2");
    host.licensing->mutable_products(0)->clear_description();
    MachineState client = UnlicensedClient("pc", 0xC004F056);
    client.client->set_discovered_host(kHost);
    client.licensing->mutable_products(0)->set_activation_id(client_key);
    client.licensing->mutable_products(0)->set_status(status);
    Estate estate;
    estate.Upsert(host);
    estate.Upsert(client);
    return Codes(Diagnose(estate, "kms1"));
  };
  EXPECT_THAT(codes(kWindows11, v1::LICENSE_STATUS_NOTIFICATION), ElementsAre("HOST_KEY_MISMATCH"));
  EXPECT_THAT(codes(kWindows11, v1::LICENSE_STATUS_LICENSED), IsEmpty());
  EXPECT_THAT(codes(kServer2012R2, v1::LICENSE_STATUS_NOTIFICATION), IsEmpty());
}

TEST(Joins, ARecordThatOnlyTheHostBelievesIn) {
  MachineState host = HealthyHost("kms1", 30);
  host.host->add_publish_domains("Child.contoso.example, 10, 20");
  host.host->add_publications()->set_domain("child.contoso.example");
  MachineState client = HealthyClient("pc");
  AddRecord(AddAnswer(client), kHost);
  Estate estate;
  estate.Upsert(host);
  estate.Upsert(client);
  EXPECT_THAT(Codes(Diagnose(estate, "kms1")), IsEmpty());  // nobody asked in the child domain
  MachineState child = HealthyClient("child");
  AddAnswer(child, 0x8007232B, "child.contoso.example");
  EXPECT_THAT(estate.Upsert(child), Contains("kms1"));
  const std::vector<v1::Finding> findings = Diagnose(estate, "kms1");
  ASSERT_THAT(Codes(findings), ElementsAre("HOST_SRV_MISSING"));
  EXPECT_THAT(findings[0].evidence(1).source(), "event 12294");
}

TEST(Joins, DifferentAnswersForOneNameAreAContradiction) {
  Estate estate;
  estate.Upsert(HealthyHost("kms1", 30));
  MachineState served = HealthyClient("served");
  AddRecord(AddAnswer(served), kHost);
  estate.Upsert(served);
  MachineState lost = UnlicensedClient("lost");
  AddAnswer(lost, 0x8007232B);
  estate.Upsert(lost);
  const std::vector<v1::Finding> findings = DiagnoseAll(estate, {"kms1", "served", "lost"});
  EXPECT_THAT(Codes(findings), UnorderedElementsAre("CLIENT_DNS_NO_SRV", "EVIDENCE_CONTRADICTORY"));
  EXPECT_THAT(findings[0].explanation(), HasSubstr("name servers that this machine asks"));
  EXPECT_EQ(findings[1].subject(), "_vlmcs._tcp.contoso.example");
}

TEST(Joins, ACloudsEndpointIsNobodysFaultButTheWay) {
  for (const char* host : {"azkms.core.windows.net", "kms.windows.googlecloud.com",
                           "169.254.169.250", "169.254.169.253"}) {
    MachineState client = UnlicensedClient("pc", 0xC004F074);
    client.client->set_registered_host(host);
    AddProbe(client, host, v1::PROBE_RESULT_TIMEOUT);
    AddRecord(AddAnswer(client), host);
    v1::Policy policy;
    policy.add_kms_hosts(kHost);
    Estate estate;
    estate.Upsert(client);
    const std::vector<v1::Finding> findings = DiagnoseAll(estate, {"pc"}, policy);
    ASSERT_THAT(Codes(findings), ElementsAre("CLIENT_HOST_UNREACHABLE")) << host;
    EXPECT_THAT(findings[0].why_untreatable(), HasSubstr("oute")) << host;
    EXPECT_THAT(findings[0].treatments(), IsEmpty());
  }
}

TEST(Joins, TheOwnDomainsPoolDecidesAboutAMak) {
  const auto mak = [] {
    MachineState machine = Machine("pc");
    AddProduct(WithOs(machine), "VOLUME_MAK", "AB2CD", v1::LICENSE_STATUS_LICENSED);
    return machine;
  };
  Estate estate;
  estate.Upsert(mak());
  estate.Upsert(HealthyHost("kms1", 7));
  MachineState other = HealthyHost("kms2", 50);
  other.os->set_dns_domain("fabrikam.example");
  estate.Upsert(other);
  EXPECT_THAT(Codes(Diagnose(estate, "pc")), ElementsAre("CLIENT_MAK_UNTIL_COUNT"));
  EXPECT_THAT(estate.Upsert(HealthyHost("kms1", 25)), Contains("pc"));
  EXPECT_THAT(Codes(Diagnose(estate, "pc")), ElementsAre("CLIENT_KEY_NOT_GVLK"));
}

TEST(Joins, ACountOverTheCeiling) {
  Estate estate;
  estate.Upsert(HealthyHost("kms1", 73));
  EXPECT_THAT(Codes(Diagnose(estate, "kms1")), ElementsAre("EVIDENCE_CONTRADICTORY"));
}

// --- one cause ---

// A client that finds both hosts by DNS and reaches neither.
MachineState Lost(const std::string& id) {
  MachineState machine = UnlicensedClient(id);
  v1::SrvAnswer& answer = AddAnswer(machine);
  for (const char* host : {"kms1", "kms2"}) {
    const std::string name = absl::StrCat(host, ".contoso.example");
    AddRecord(answer, name).clear_addresses();
    answer.mutable_records(answer.records_size() - 1)->clear_resolved();
    AddProbe(machine, name, v1::PROBE_RESULT_TIMEOUT);
  }
  AddAttempt(machine, 12288, 0x800706BA, kHost);
  return machine;
}

MachineState Closed(const char* id) {
  MachineState host = HealthyHost(id, 30);
  host.firewall->mutable_rules(0)->set_enabled(false);
  return host;
}

TEST(Joins, WhoHasSeveralHostsSuffersFromAll) {
  Estate estate;
  estate.Upsert(Closed("kms1"));
  estate.Upsert(Closed("kms2"));
  estate.Upsert(Lost("pc"));
  const std::vector<v1::Finding> findings = DiagnoseAll(estate, {"kms1", "kms2", "pc"});
  EXPECT_THAT(Problems(findings), ElementsAre("HOST_FIREWALL_CLOSED", "HOST_FIREWALL_CLOSED"));
  EXPECT_THAT(findings[0].affected_machines(), Contains("pc"));
  EXPECT_THAT(findings[1].affected_machines(), Contains("pc"));
}

TEST(Joins, WhoDoesNotReachAHealthyHostIsCutOffItself) {
  Estate estate;
  estate.Upsert(Closed("kms1"));
  estate.Upsert(HealthyHost("kms2", 30));
  MachineState near = HealthyClient("near");
  AddProbe(near, "kms2.contoso.example", v1::PROBE_RESULT_KMS);
  estate.Upsert(near);
  estate.Upsert(Lost("pc"));
  EXPECT_THAT(Problems(DiagnoseAll(estate, {"kms1", "kms2", "near", "pc"})),
              UnorderedElementsAre("HOST_FIREWALL_CLOSED", "CLIENT_HOST_UNREACHABLE"));
}

// Windows takes the hosts of the first suffix that has any; those of the next are not asked.
TEST(Joins, AHostOfALaterSuffixDoesNotHelp) {
  Estate estate;
  estate.Upsert(Closed("kms1"));
  MachineState hq = HealthyHost("hq", 30);
  hq.os->set_dns_domain("corp.example");
  estate.Upsert(hq);
  MachineState client = HealthyClient("pc");
  client.client->set_discovered_host(kHost);
  AddRecord(AddAnswer(client), kHost);
  AddRecord(AddAnswer(client, 0, "corp.example"), "hq.corp.example");
  AddProbe(client, kHost, v1::PROBE_RESULT_TIMEOUT);
  AddProbe(client, "hq.corp.example", v1::PROBE_RESULT_KMS);
  estate.Upsert(client);
  const std::vector<v1::Finding> findings = DiagnoseAll(estate, {"kms1", "hq", "pc"});
  ASSERT_THAT(Problems(findings), ElementsAre("HOST_FIREWALL_CLOSED"));
  EXPECT_THAT(findings[0].affected_machines(), Contains("pc"));
}

TEST(Joins, ACauseShowsTheNewestOfItsFollowers) {
  Estate estate;
  estate.Upsert(Closed("kms1"));
  std::vector<std::string> ids = {"kms1"};
  for (int i = 0; i < 12; ++i) {
    MachineState client = UnlicensedClient(absl::StrCat("pc-", 10 + i));
    AddAttempt(client, 12288, 0x800706BA, kHost);
    Set(kNow - absl::Hours(1 + i), client.client->mutable_attempts(0)->mutable_at());
    ids.push_back(client.id);
    estate.Upsert(std::move(client));
  }
  const std::vector<v1::Finding> findings = DiagnoseAll(estate, ids);
  ASSERT_THAT(Problems(findings), ElementsAre("HOST_FIREWALL_CLOSED"));
  EXPECT_THAT(findings[0].affected_machines(), SizeIs(13));
  EXPECT_EQ(findings[0].evidence(0).machine(), "pc-10");
  EXPECT_EQ(absl::c_count_if(findings[0].evidence(),
                             [](const v1::Evidence& e) { return !e.machine().empty(); }),
            5);
}

TEST(Joins, ItsOwnWrongKeyStaysACauseBesideABrokenHost) {
  Estate estate;
  estate.Upsert(Closed("kms1"));
  MachineState client = UnlicensedClient("pc", 0xC004F069);
  AddProbe(client, kHost, v1::PROBE_RESULT_TIMEOUT);
  estate.Upsert(client);
  EXPECT_THAT(Problems(DiagnoseAll(estate, {"kms1", "pc"})),
              UnorderedElementsAre("CLIENT_KEY_WRONG_EDITION", "HOST_FIREWALL_CLOSED"));
}

TEST(Joins, TwoFaultsOfOneHostAreTwoCauses) {
  Estate estate;
  MachineState host = Closed("kms1");
  host.host->add_requests()->set_last_error(0xC004F015);
  estate.Upsert(host);
  EXPECT_THAT(Problems(DiagnoseAll(estate, {"kms1"})),
              UnorderedElementsAre("HOST_FIREWALL_CLOSED", "HOST_KEY_MISMATCH"));
}

}  // namespace
}  // namespace keymedic::kms
