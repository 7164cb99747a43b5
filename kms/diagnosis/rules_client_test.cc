// SPDX-License-Identifier: Apache-2.0
//
// Each row: a machine in one state, and every code that is found of it. What is not in the row must
// not be found, so each row also says where the other rules stay quiet.
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
using ::testing::SizeIs;
using ::testing::UnorderedElementsAreArray;

constexpr uint32_t kNoContact = 0xC004F074;

struct Case {
  const char* name;
  std::function<MachineState()> machine;
  std::vector<std::string> codes;
  std::function<void(v1::Policy&)> policy;
};

MachineState Changed(MachineState machine, const std::function<void(MachineState&)>& change) {
  change(machine);
  return machine;
}

MachineState Keyed(const char* channel, v1::LicenseStatus status, const char* edition,
                   const char* partial = "AB2CD") {
  MachineState machine = Machine("pc");
  WithOs(machine, edition);
  AddProduct(machine, channel, partial, status);
  return machine;
}

void OffKms(v1::Policy& policy) { policy.set_expect_kms(false); }
void Sanctions(v1::Policy& policy) { policy.add_kms_hosts("kms1.contoso.example"); }

std::vector<Case> KeyCases() {
  const auto licensed = v1::LICENSE_STATUS_LICENSED;
  const auto notification = v1::LICENSE_STATUS_NOTIFICATION;
  return {
      {"retail key",
       [=] { return Keyed("RETAIL", licensed, "Enterprise"); },
       {"CLIENT_KEY_NOT_GVLK"},
       {}},
      {"retail key, and nobody wants KMS",
       [=] { return Keyed("RETAIL", licensed, "Enterprise"); },
       {},
       &OffKms},
      {"oem key",
       [=] { return Keyed("OEM_DM", notification, "Professional"); },
       {"CLIENT_KEY_NOT_GVLK"},
       {}},
      {"evaluation",
       [=] { return Keyed("TIMEBASED_EVAL", licensed, "ServerStandard"); },
       {"CLIENT_KEY_NOT_GVLK"},
       {}},
      {"virtual machine activation",
       [=] { return Keyed("VIRTUAL_MACHINE_ACTIVATION", licensed, "ServerDatacenter"); },
       {"CLIENT_KEY_NOT_GVLK"},
       {}},
      {"MAK, and no pool is known",
       [=] { return Keyed("VOLUME_MAK", licensed, "Enterprise"); },
       {"CLIENT_KEY_NOT_GVLK"},
       {}},
      {"channel not known", [=] { return Keyed("SOMETHING_NEW", licensed, "Enterprise"); }, {}, {}},
      {"Home",
       [=] { return Keyed("RETAIL", licensed, "Core"); },
       {"CLIENT_EDITION_NOT_VOLUME"},
       {}},
      {"Home, and nobody wants KMS",
       [=] { return Keyed("RETAIL", licensed, "Core"); },
       {},
       &OffKms},
      {"client key of Pro on Enterprise",
       [=] { return Keyed("VOLUME_KMSCLIENT", notification, "Enterprise", "T83GX"); },
       {"CLIENT_KEY_WRONG_EDITION"},
       {}},
      {"client key of Pro on Pro",
       [=] { return Keyed("VOLUME_KMSCLIENT", licensed, "Professional", "T83GX"); },
       {},
       {}},
      {"client key of Pro, edition not known",
       [=] {
         return Changed(Keyed("VOLUME_KMSCLIENT", licensed, "Enterprise", "T83GX"),
                        [](MachineState& m) { m.os.reset(); });
       },
       {},
       {}},
      {"key refused for the edition",
       [=] { return UnlicensedClient("pc", 0xC004F069); },
       {"CLIENT_KEY_WRONG_EDITION"},
       {}},
      {"add-on keys are no one's business",
       [=] {
         return Changed(HealthyClient("pc"), [](MachineState& m) {
           AddProduct(m, "VOLUME_MAK", "ESU12", v1::LICENSE_STATUS_LICENSED).set_is_addon(true);
         });
       },
       {},
       {}},
      {"digital licence asked for, licence not known",
       [=] {
         return Changed(Machine("pc"), [](MachineState& m) { AddAttempt(m, 8198, 0x803F7001); });
       },
       {"CLIENT_KEY_NOT_GVLK"},
       {}},
  };
}

std::vector<Case> StateCases() {
  return {
      {"healthy", [] { return HealthyClient("pc"); }, {}, {}},
      {"status not known",
       [] {
         return Changed(HealthyClient("pc"),
                        [](MachineState& m) { m.licensing->mutable_products(0)->clear_status(); });
       },
       {},
       {}},
      {"notification, and nothing says why",
       [] { return UnlicensedClient("pc", 0xC004F009); },
       {"CLIENT_NOT_LICENSED"},
       {}},
      {"never bound",
       [] { return UnlicensedClient("pc", 0xC004F056); },
       {"CLIENT_NEVER_ACTIVATED", "CLIENT_NOT_LICENSED"},
       {}},
      {"initial grace, ends soon",
       [] {
         return Changed(UnlicensedClient("pc"), [](MachineState& m) {
           v1::Product& p = *m.licensing->mutable_products(0);
           p.set_status(v1::LICENSE_STATUS_INITIAL_GRACE);
           Set(kNow + absl::Hours(24 * 9), p.mutable_expires_at());
         });
       },
       {"CLIENT_NEVER_ACTIVATED", "CLIENT_GRACE_EXPIRING", "CLIENT_NOT_LICENSED"},
       {}},
      {"additional grace with days left",
       [] {
         return Changed(UnlicensedClient("pc"), [](MachineState& m) {
           v1::Product& p = *m.licensing->mutable_products(0);
           p.set_status(v1::LICENSE_STATUS_ADDITIONAL_GRACE);
           Set(kNow + absl::Hours(24 * 9), p.mutable_expires_at());
         });
       },
       {"CLIENT_NOT_LICENSED"},
       [](v1::Policy& p) { p.set_grace_warning_days(7); }},
      {"not renewed for 15 days",
       [] {
         return Changed(HealthyClient("pc"), [](MachineState& m) {
           Set(kNow - absl::Hours(24 * 15), m.client->mutable_last_activation_at());
         });
       },
       {"CLIENT_RENEWAL_OVERDUE"},
       {}},
      {"not renewed for 13 days",
       [] {
         return Changed(HealthyClient("pc"), [](MachineState& m) {
           Set(kNow - absl::Hours(24 * 13), m.client->mutable_last_activation_at());
         });
       },
       {},
       {}},
      {"not renewed for 15 days, and the host says every 14",
       [] {
         return Changed(HealthyClient("pc"), [](MachineState& m) {
           m.client->set_renewal_interval_minutes(14 * 1440);
           Set(kNow - absl::Hours(24 * 15), m.client->mutable_last_activation_at());
         });
       },
       {},
       {}},
      {"overdue by its expiry",
       [] {
         return Changed(HealthyClient("pc"), [](MachineState& m) {
           m.client->clear_last_activation_at();
           Set(kNow + absl::Hours(24 * 100),
               m.licensing->mutable_products(0)->mutable_expires_at());
         });
       },
       {"CLIENT_RENEWAL_OVERDUE"},
       {}},
      {"activated by the directory, renewed long ago",
       [] {
         return Changed(HealthyClient("pc"), [](MachineState& m) {
           m.client->set_activation_object("Contoso volume");
           Set(kNow - absl::Hours(24 * 60), m.client->mutable_last_activation_at());
         });
       },
       {"CLIENT_ACTIVATED_BY_DIRECTORY"},
       {}},
      {"hardware",
       [] { return UnlicensedClient("pc", 0xC004F00F); },
       {"CLIENT_HARDWARE_CHANGED"},
       {}},
      {"hardware, but licensed",
       [] {
         return Changed(HealthyClient("pc"), [](MachineState& m) {
           m.licensing->mutable_products(0)->set_status_reason(0xC004F00F);
         });
       },
       {},
       {}},
      {"not genuine",
       [] { return UnlicensedClient("pc", 0xC004F200); },
       {"CLIENT_NON_GENUINE"},
       {}},
      {"once not genuine, licensed now",
       [] {
         return Changed(HealthyClient("pc"), [](MachineState& m) {
           m.licensing->add_observations()->set_error(0xC004F200);
         });
       },
       {},
       {}},
      {"once not genuine, unlicensed now",
       [] {
         return Changed(UnlicensedClient("pc"), [](MachineState& m) {
           m.licensing->add_observations()->set_error(0xC004F200);
         });
       },
       {"CLIENT_NON_GENUINE"},
       {}},
      {"no Internet, and token noise",
       [] {
         return Changed(HealthyClient("pc"), [](MachineState& m) {
           m.licensing->add_observations()->set_error(0x80072EE7);
           m.licensing->add_observations()->set_error(0xC004F011);
         });
       },
       {},
       {}},
      {"clock off",
       [] {
         return Changed(HealthyClient("pc"),
                        [](MachineState& m) { m.os->set_clock_skew_minutes(-90); });
       },
       {"CLIENT_CLOCK_SKEW"},
       {}},
      {"clock off by less than the policy says",
       [] {
         return Changed(HealthyClient("pc"),
                        [](MachineState& m) { m.os->set_clock_skew_minutes(-90); });
       },
       {},
       [](v1::Policy& p) { p.set_clock_skew_minutes(120); }},
      {"clock refused",
       [] {
         return Changed(UnlicensedClient("pc"),
                        [](MachineState& m) { AddAttempt(m, 12288, 0xC004F06C); });
       },
       {"CLIENT_CLOCK_SKEW"},
       {}},
      {"clock refused, but it is right now",
       [] {
         return Changed(UnlicensedClient("pc"), [](MachineState& m) {
           m.os->set_clock_skew_minutes(5);
           AddAttempt(m, 12288, 0xC004F06C);
         });
       },
       {"CLIENT_NOT_LICENSED"},
       {}},
      {"clock refused before it was activated",
       [] {
         return Changed(HealthyClient("pc"), [](MachineState& m) {
           Set(kNow, m.client->mutable_last_activation_at());
           AddAttempt(m, 12288, 0xC004F06C);
         });
       },
       {},
       {}},
      {"directory only, not licensed",
       [] {
         return Changed(UnlicensedClient("pc"), [](MachineState& m) {
           m.client->set_activation_type(v1::ACTIVATION_TYPE_DIRECTORY);
         });
       },
       {"CLIENT_ACTIVATION_TYPE_LIMITED", "CLIENT_NOT_LICENSED"},
       {}},
      {"directory only, licensed",
       [] {
         return Changed(HealthyClient("pc"), [](MachineState& m) {
           m.client->set_activation_type(v1::ACTIVATION_TYPE_DIRECTORY);
         });
       },
       {},
       {}},
      {"what 0x80004005 means nobody knows",
       [] {
         return Changed(Machine("pc"), [](MachineState& m) { AddAttempt(m, 8198, 0x80004005); });
       },
       {},
       {}},
  };
}

MachineState Pinned(MachineState machine, const char* host) {
  machine.client->set_registered_host(host);
  return machine;
}

std::vector<Case> PathCases() {
  const auto kms = v1::PROBE_RESULT_KMS;
  const auto timeout = v1::PROBE_RESULT_TIMEOUT;
  return {
      {"caching off",
       [] {
         return Changed(HealthyClient("pc"),
                        [](MachineState& m) { m.client->set_host_caching(false); });
       },
       {"CLIENT_CACHING_OFF"},
       {}},
      {"caching not known",
       [] {
         return Changed(HealthyClient("pc"),
                        [](MachineState& m) { m.client->clear_host_caching(); });
       },
       {},
       {}},
      {"no contact",
       [] {
         return Changed(UnlicensedClient("pc"),
                        [](MachineState& m) { AddAttempt(m, 12288, kNoContact, "kms1"); });
       },
       {"CLIENT_HOST_UNREACHABLE"},
       {}},
      {"no contact, said only the state",
       [] { return UnlicensedClient("pc", kNoContact); },
       {"CLIENT_HOST_UNREACHABLE"},
       {}},
      {"no contact, said the state; the attempt knows why",
       [] {
         return Changed(UnlicensedClient("pc", kNoContact),
                        [](MachineState& m) { AddAttempt(m, 12288, 0xC004F038, "kms1"); });
       },
       {"CLIENT_COUNT_TOO_LOW"},
       {}},
      {"no contact, said the state, pinned",
       [] { return Pinned(UnlicensedClient("pc", kNoContact), "old"); },
       {"CLIENT_HOST_OVERRIDE", "CLIENT_HOST_UNREACHABLE"},
       {}},
      {"no SRV record, said only the state",
       [] { return UnlicensedClient("pc", 0x8007232B); },
       {"CLIENT_DNS_NO_SRV"},
       {}},
      {"no contact then, but the host answers now",
       [=] {
         return Changed(UnlicensedClient("pc"), [=](MachineState& m) {
           AddAttempt(m, 12288, kNoContact, "kms1");
           AddProbe(m, "kms1", kms);
         });
       },
       {"CLIENT_NOT_LICENSED"},
       {}},
      {"no contact in 8198, and nothing else is known",
       [] {
         return Changed(Machine("pc"), [](MachineState& m) { AddAttempt(m, 8198, 0xC0020017); });
       },
       {"CLIENT_HOST_UNREACHABLE"},
       {}},
      {"request without answer",
       [] {
         return Changed(UnlicensedClient("pc"), [](MachineState& m) {
           AddAttempt(m, 12288, 0, "kms1").set_answered(false);
         });
       },
       {"CLIENT_HOST_UNREACHABLE"},
       {}},
      {"request, and nobody looked for the answer",
       [] {
         return Changed(UnlicensedClient("pc"),
                        [](MachineState& m) { AddAttempt(m, 12288, 0, "kms1"); });
       },
       {"CLIENT_NOT_LICENSED"},
       {}},
      {"the host found through DNS fails, the next does not",
       [=] {
         return Changed(HealthyClient("pc"), [=](MachineState& m) {
           m.client->set_discovered_host("kms1.contoso.example");
           AddProbe(m, "kms1.contoso.example", timeout);
           AddProbe(m, "kms2.contoso.example", kms);
         });
       },
       {},
       {}},
      {"every probe fails",
       [=] {
         return Changed(HealthyClient("pc"), [=](MachineState& m) {
           AddProbe(m, "kms1.contoso.example", timeout);
           AddProbe(m, "kms2.contoso.example", v1::PROBE_RESULT_NOT_KMS);
         });
       },
       {"CLIENT_HOST_UNREACHABLE"},
       {}},
      {"a probe that says nothing",
       [=] {
         return Changed(HealthyClient("pc"), [=](MachineState& m) {
           AddProbe(m, "kms1.contoso.example", v1::PROBE_RESULT_UNSPECIFIED);
         });
       },
       {},
       {}},
      {"pinned",
       [=] {
         return Changed(Pinned(HealthyClient("pc"), "kms1"),
                        [=](MachineState& m) { AddProbe(m, "KMS1", kms); });
       },
       {"CLIENT_HOST_OVERRIDE"},
       {}},
      {"pinned to a dead host",
       [=] {
         return Changed(Pinned(HealthyClient("pc"), "old"),
                        [=](MachineState& m) { AddProbe(m, "old", timeout); });
       },
       {"CLIENT_HOST_OVERRIDE", "CLIENT_HOST_UNREACHABLE"},
       {}},
      {"pinned to a dead host, others answer",
       [=] {
         return Changed(Pinned(HealthyClient("pc"), "old"), [=](MachineState& m) {
           AddProbe(m, "old", timeout);
           AddProbe(m, "kms1", kms);
         });
       },
       {"CLIENT_HOST_OVERRIDE", "CLIENT_HOST_UNREACHABLE"},
       {}},
      {"pinned to a wrong port",
       [=] {
         return Changed(Pinned(HealthyClient("pc"), "kms1"), [=](MachineState& m) {
           m.client->set_registered_port(1689);
           AddProbe(m, "kms1", kms, 1688);
           AddProbe(m, "kms1", v1::PROBE_RESULT_REFUSED, 1689);
         });
       },
       {"CLIENT_HOST_OVERRIDE", "CLIENT_HOST_UNREACHABLE"},
       {}},
      {"pinned to a cloud's endpoint",
       [] { return Pinned(HealthyClient("pc"), "kms.windows.googlecloud.com"); },
       {},
       &Sanctions},
      {"pinned to a cloud's endpoint by address",
       [] {
         return Changed(Pinned(HealthyClient("pc"), "metadata-kms"),
                        [](MachineState& m) { m.client->set_host_address("169.254.169.250"); });
       },
       {},
       &Sanctions},
      {"a sanctioned host, by its short name",
       [] {
         return Changed(HealthyClient("pc"),
                        [](MachineState& m) { m.client->set_discovered_host("KMS1"); });
       },
       {},
       &Sanctions},
      {"a host that is not sanctioned",
       [] {
         return Changed(HealthyClient("pc"), [](MachineState& m) {
           m.client->set_discovered_host("rogue.contoso.example");
         });
       },
       {"CLIENT_HOST_UNSANCTIONED"},
       &Sanctions},
      {"any host, where policy names none",
       [] {
         return Changed(HealthyClient("pc"), [](MachineState& m) {
           m.client->set_discovered_host("rogue.contoso.example");
         });
       },
       {},
       {}},
      {"a public host",
       [] {
         return Changed(Pinned(HealthyClient("pc"), "kms.pirates.example"),
                        [](MachineState& m) { m.client->set_host_address("203.0.113.9"); });
       },
       {"CLIENT_HOST_OVERRIDE", "CLIENT_HOST_UNSANCTIONED"},
       {}},
      {"no SRV record",
       [] {
         return Changed(UnlicensedClient("pc"), [](MachineState& m) { AddAnswer(m, 0x8007232B); });
       },
       {"CLIENT_DNS_NO_SRV"},
       {}},
      {"no SRV record in one of two domains",
       [=] {
         return Changed(HealthyClient("pc"), [=](MachineState& m) {
           AddAnswer(m, 0x8007232B, "child.contoso.example");
           AddRecord(AddAnswer(m), "kms1.contoso.example");
         });
       },
       {},
       {}},
      {"the name server does not answer",
       [] {
         return Changed(UnlicensedClient("pc"), [](MachineState& m) { AddAnswer(m, 0x800705B4); });
       },
       {"CLIENT_NOT_LICENSED"},
       {}},
      {"no SRV record said an attempt, but there is one now",
       [] {
         return Changed(UnlicensedClient("pc"), [](MachineState& m) {
           AddAttempt(m, 8198, 0x8007232B);
           AddRecord(AddAnswer(m), "kms1.contoso.example");
         });
       },
       {"CLIENT_NOT_LICENSED"},
       {}},
      {"no SRV record said an attempt",
       [] {
         return Changed(Machine("pc"), [](MachineState& m) { AddAttempt(m, 8198, 0x8007232B); });
       },
       {"CLIENT_DNS_NO_SRV"},
       {}},
      {"no SRV record, but it is pinned",
       [] {
         return Changed(Pinned(HealthyClient("pc"), "kms1"),
                        [](MachineState& m) { AddAnswer(m, 0x8007232B); });
       },
       {"CLIENT_HOST_OVERRIDE"},
       {}},
      {"no SRV record, and a retail key",
       [] {
         return Changed(Keyed("RETAIL", v1::LICENSE_STATUS_LICENSED, "Enterprise"),
                        [](MachineState& m) {
                          m.client.emplace();
                          AddAnswer(m, 0x8007232B);
                        });
       },
       {"CLIENT_KEY_NOT_GVLK"},
       {}},
      {"no name server",
       [] {
         return Changed(UnlicensedClient("pc"), [](MachineState& m) {
           AddAnswer(m, 0x8007232B);
           m.names->set_no_name_server(true);
         });
       },
       {"CLIENT_DNS_NO_SERVER"},
       {}},
      {"no name server, said an attempt",
       [] {
         return Changed(UnlicensedClient("pc"),
                        [](MachineState& m) { AddAttempt(m, 12288, 0x8007267C); });
       },
       {"CLIENT_DNS_NO_SERVER"},
       {}},
      {"count too low, by code",
       [] {
         return Changed(UnlicensedClient("pc"),
                        [](MachineState& m) { AddAttempt(m, 12288, 0xC004F038, "kms1"); });
       },
       {"CLIENT_COUNT_TOO_LOW"},
       {}},
      {"count too low, by answer",
       [] {
         return Changed(UnlicensedClient("pc"), [](MachineState& m) {
           v1::ActivationAttempt& attempt = AddAttempt(m, 12288, 0, "kms1");
           attempt.set_answered(true);
           attempt.set_bound(false);
           attempt.set_count(7);
         });
       },
       {"CLIENT_COUNT_TOO_LOW"},
       {}},
      {"count enough for a server",
       [] {
         return Changed(HealthyClient("pc"), [](MachineState& m) {
           v1::ActivationAttempt& attempt = AddAttempt(m, 12288, 0, "kms1");
           attempt.set_answered(true);
           attempt.set_bound(false);
           attempt.set_count(7);
           attempt.set_required_count(5);
         });
       },
       {},
       {}},
      {"host key does not cover",
       [] {
         return Changed(UnlicensedClient("pc"),
                        [](MachineState& m) { AddAttempt(m, 12288, 0xC004F042, "kms1"); });
       },
       {"CLIENT_HOST_KEY_MISMATCH"},
       {}},
  };
}

class ClientRulesTest : public ::testing::TestWithParam<Case> {};

TEST_P(ClientRulesTest, FindsThisAndNothingElse) {
  v1::Policy policy;
  if (GetParam().policy) GetParam().policy(policy);
  Estate estate;
  estate.Upsert(GetParam().machine());
  const std::vector<v1::Finding> findings = Diagnose(estate, "pc", policy);
  EXPECT_THAT(Codes(findings), UnorderedElementsAreArray(GetParam().codes)) << GetParam().name;
  for (const v1::Finding& finding : findings) {
    EXPECT_THAT(finding.evidence(), Not(IsEmpty())) << finding.code();
    EXPECT_EQ(finding.why_untreatable().empty(),
              !finding.treatments().empty() || finding.severity() < v1::SEVERITY_WARNING)
        << finding.code() << ": " << finding.why_untreatable();
  }
}

INSTANTIATE_TEST_SUITE_P(Key, ClientRulesTest, ::testing::ValuesIn(KeyCases()));
INSTANTIATE_TEST_SUITE_P(State, ClientRulesTest, ::testing::ValuesIn(StateCases()));
INSTANTIATE_TEST_SUITE_P(Path, ClientRulesTest, ::testing::ValuesIn(PathCases()));

TEST(ClientRules, EmptySectionsSayNothing) {
  for (int mask = 0; mask < 1 << 7; ++mask) {
    MachineState machine = Machine("pc");
    if (mask & 1) machine.os.emplace();
    if (mask & 2) machine.licensing.emplace();
    if (mask & 4) machine.client.emplace();
    if (mask & 8) machine.host.emplace();
    if (mask & 16) machine.firewall.emplace();
    if (mask & 32) machine.names.emplace();
    if (mask & 64) machine.probes.emplace();
    Estate estate;
    estate.Upsert(std::move(machine));
    EXPECT_THAT(DiagnoseAll(estate, {"pc"}), IsEmpty()) << mask;
  }
}

TEST(ClientRules, AnUnknownMachineHasNoFindings) {
  EXPECT_THAT(Diagnose(Estate(), "nobody"), IsEmpty());
}

TEST(ClientRules, MostSevereFirst) {
  MachineState machine = UnlicensedClient("pc", 0xC004F056);
  machine.client->set_host_caching(false);
  Estate estate;
  estate.Upsert(std::move(machine));
  EXPECT_THAT(Codes(Diagnose(estate, "pc")),
              ElementsAre("CLIENT_NEVER_ACTIVATED", "CLIENT_NOT_LICENSED", "CLIENT_CACHING_OFF"));
}

struct MakCase {
  const char* name;
  std::vector<int> counts;  // of the hosts that are known
  int other_maks;
  bool is_server;
  const char* code;
  size_t treatments;
};

class MakTest : public ::testing::TestWithParam<MakCase> {};

TEST_P(MakTest, IsRightUntilThePoolIsLargeEnough) {
  Estate estate;
  for (size_t i = 0; i < GetParam().counts.size(); ++i)
    estate.Upsert(HealthyHost(absl::StrCat("kms", i), GetParam().counts[i]));
  for (int i = 0; i < GetParam().other_maks; ++i) {
    MachineState other = Machine(absl::StrCat("mak", i));
    AddProduct(WithOs(other), "VOLUME_MAK", "AB2CD", v1::LICENSE_STATUS_LICENSED);
    estate.Upsert(std::move(other));
  }
  MachineState machine = Machine("pc");
  WithOs(machine, GetParam().is_server ? "ServerStandard" : "Enterprise",
         GetParam().is_server ? 20348 : 22631, GetParam().is_server);
  AddProduct(machine, "VOLUME_MAK", "AB2CD", v1::LICENSE_STATUS_NOTIFICATION);
  estate.Upsert(std::move(machine));
  const std::vector<v1::Finding> findings = Diagnose(estate, "pc");
  ASSERT_THAT(Codes(findings), ElementsAre(GetParam().code)) << GetParam().name;
  EXPECT_THAT(findings[0].treatments(), SizeIs(GetParam().treatments)) << GetParam().name;
}

INSTANTIATE_TEST_SUITE_P(
    Pools, MakTest,
    ::testing::ValuesIn(std::vector<MakCase>{
        {"no host is known", {}, 0, false, "CLIENT_KEY_NOT_GVLK", 2},
        {"too few", {7}, 0, false, "CLIENT_MAK_UNTIL_COUNT", 0},
        {"too few on each", {7, 24}, 0, true, "CLIENT_KEY_NOT_GVLK", 2},
        {"with the MAKs it would do", {20}, 4, false, "CLIENT_MAK_UNTIL_COUNT", 2},
        {"even with the MAKs too few", {20}, 3, false, "CLIENT_MAK_UNTIL_COUNT", 0},
        {"one is enough", {7, 25}, 0, false, "CLIENT_KEY_NOT_GVLK", 2},
        {"enough for a server", {7}, 0, true, "CLIENT_KEY_NOT_GVLK", 2},
    }));

TEST(ClientRules, NoSrvNamesTheHostWhereItIsClearWhichOne) {
  MachineState machine = UnlicensedClient("pc");
  AddAnswer(machine, 0x8007232B);
  Estate estate;
  estate.Upsert(machine);
  EXPECT_THAT(Diagnose(estate, "pc")[0].why_untreatable(), HasSubstr("_vlmcs._tcp"));

  MachineState host = HealthyHost("kms1");
  host.host->set_listening_port(1700);
  estate.Upsert(host);
  EXPECT_THAT(Treatments(Diagnose(estate, "pc")[0]),
              ElementsAre("ensure_host(kms1.contoso.example:1700)", "activate"));

  estate.Upsert(HealthyHost("kms2"));
  EXPECT_THAT(Treatments(Diagnose(estate, "pc")[0]), IsEmpty());

  v1::Policy policy;
  policy.add_kms_hosts("kms2.contoso.example");
  EXPECT_THAT(Treatments(Diagnose(estate, "pc", policy)[0]),
              ElementsAre("ensure_host(kms2.contoso.example:1688)", "activate"));
}

TEST(ClientRules, ADeadPinnedHostThatTheEstateKnowsIsNoStaleSetting) {
  MachineState machine = Pinned(UnlicensedClient("pc"), "kms1.contoso.example");
  AddProbe(machine, "kms1.contoso.example", v1::PROBE_RESULT_TIMEOUT);
  Estate estate;
  estate.Upsert(machine);
  std::vector<v1::Finding> findings = Diagnose(estate, "pc");
  EXPECT_EQ(FindCode(findings, "CLIENT_HOST_OVERRIDE")->severity(), v1::SEVERITY_WARNING);
  EXPECT_THAT(Treatments(*FindCode(findings, "CLIENT_HOST_UNREACHABLE")),
              ElementsAre("ensure_discovery", "activate"));
  estate.Upsert(HealthyHost("kms1"));
  findings = Diagnose(estate, "pc");
  EXPECT_EQ(FindCode(findings, "CLIENT_HOST_OVERRIDE")->severity(), v1::SEVERITY_NOTICE);
  EXPECT_THAT(Treatments(*FindCode(findings, "CLIENT_HOST_UNREACHABLE")), ElementsAre("activate"));
}

TEST(ClientRules, APinnedAddressIsTheHostThatHasIt) {
  MachineState host = HealthyHost("kms1");
  host.os->add_addresses("10.1.2.3");
  Estate estate;
  estate.Upsert(host);
  estate.Upsert(Pinned(HealthyClient("pc"), "10.1.2.3"));
  v1::Policy policy;
  Sanctions(policy);
  EXPECT_THAT(Codes(Diagnose(estate, "pc", policy)), ElementsAre("CLIENT_HOST_OVERRIDE"));
}

TEST(ClientRules, TheHostKeyIsTreatedOnTheHost) {
  MachineState machine = UnlicensedClient("pc");
  AddAttempt(machine, 12288, 0xC004F042, "kms1");
  Estate estate;
  estate.Upsert(machine);
  EXPECT_THAT(Treatments(Diagnose(estate, "pc")[0]), IsEmpty());
  estate.Upsert(HealthyHost("kms1"));
  EXPECT_THAT(Treatments(Diagnose(estate, "pc")[0]), ElementsAre("ensure_host_key@kms1"));
}

TEST(ClientRules, DuplicatesAllButTheFirstGetNewIds) {
  Estate estate;
  for (const char* id : {"b", "a", "c"}) {
    MachineState machine = HealthyClient(id);
    machine.client->set_client_machine_id(*id == 'c' ? "SAME" : "same");
    estate.Upsert(std::move(machine));
  }
  EXPECT_THAT(Treatments(Diagnose(estate, "a")[0]),
              ElementsAre("reset_machine_id@b", "activate@b", "reset_machine_id@c", "activate@c"));
  EXPECT_THAT(Treatments(Diagnose(estate, "c")[0]), ElementsAre("reset_machine_id", "activate"));
  EXPECT_TRUE(Diagnose(estate, "c")[0].treatments(0).needs_approval());
  estate.Remove("a");
  EXPECT_THAT(Treatments(Diagnose(estate, "b")[0]),
              ElementsAre("reset_machine_id@c", "activate@c"));
  estate.Remove("c");
  EXPECT_THAT(Diagnose(estate, "b"), IsEmpty());
}

TEST(ClientRules, NoEvidenceHoldsAWholeKey) {
  MachineState machine = UnlicensedClient("pc");
  machine.licensing->mutable_products(0)->set_description("NPPR9-FWDCX-D2C8J-H872K-2YT43");
  Estate estate;
  estate.Upsert(std::move(machine));
  const std::vector<v1::Finding> findings = Diagnose(estate, "pc");
  ASSERT_THAT(findings, Not(IsEmpty()));
  for (const v1::Finding& finding : findings)
    EXPECT_THAT(finding.ShortDebugString(), Not(HasSubstr("NPPR9-FWDCX")));
}

TEST(ClientRules, EvidenceNamesTheCapture) {
  MachineState machine = UnlicensedClient("pc");
  machine.source = "dlv.txt";
  Estate estate;
  estate.Upsert(std::move(machine));
  EXPECT_EQ(Diagnose(estate, "pc")[0].evidence(0).source(), "dlv.txt: licensing");
}

}  // namespace
}  // namespace keymedic::kms
