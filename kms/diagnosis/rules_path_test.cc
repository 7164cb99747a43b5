// SPDX-License-Identifier: Apache-2.0
#include "kms/diagnosis/client_cases_testing.h"

namespace keymedic::kms {
namespace {

using namespace testing;  // NOLINT: the machines of machines_testing.h

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
      {"no SRV record now, and the host that it remembers is silent",
       [] {
         return Changed(UnlicensedClient("pc"), [](MachineState& m) {
           AddAttempt(m, 12288, kNoContact, "kms1");
           AddAnswer(m, 0x8007232B);
         });
       },
       {"CLIENT_DNS_NO_SRV", "CLIENT_HOST_UNREACHABLE"},
       {}},
      {"a clock that is off does not explain a host that is silent",
       [] {
         return Changed(UnlicensedClient("pc"), [](MachineState& m) {
           m.os->set_clock_skew_minutes(-420);
           AddAttempt(m, 12288, kNoContact, "kms1");
         });
       },
       {"CLIENT_CLOCK_SKEW", "CLIENT_HOST_UNREACHABLE"},
       {}},
      {"activated by the directory: needs neither record nor host",
       [] {
         return Changed(HealthyClient("pc"), [](MachineState& m) {
           m.client->set_activation_object("Contoso volume");
           AddAnswer(m, 0x8007232B);
           AddProbe(m, "kms1", v1::PROBE_RESULT_TIMEOUT);
         });
       },
       {"CLIENT_ACTIVATED_BY_DIRECTORY"},
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
      {"a host that is not sanctioned, pinned and dead",
       [=] {
         return Changed(Pinned(HealthyClient("pc"), "rogue.contoso.example"),
                        [=](MachineState& m) { AddProbe(m, "rogue.contoso.example", timeout); });
       },
       {"CLIENT_HOST_OVERRIDE", "CLIENT_HOST_UNREACHABLE", "CLIENT_HOST_UNSANCTIONED"},
       &Sanctions},
      {"a host that is not sanctioned, of a dead record",
       [=] {
         return Changed(HealthyClient("pc"), [=](MachineState& m) {
           m.client->set_discovered_host("old.contoso.example");
           AddProbe(m, "old.contoso.example", timeout);
         });
       },
       {"CLIENT_HOST_UNREACHABLE"},
       &Sanctions},
      {"activated by a host that is not sanctioned, uses one that is",
       [] {
         return Changed(HealthyClient("pc"), [](MachineState& m) {
           m.client->set_discovered_host("kms1.contoso.example");
           v1::ActivationAttempt& by = AddAttempt(m, 12288, 0, "rogue.contoso.example");
           by.set_bound(true);
           Set(kNow - absl::Hours(25), by.mutable_at());
         });
       },
       {"CLIENT_HOST_UNSANCTIONED"},
       &Sanctions},
      {"the request that activated it, told a moment later than the service says",
       [] {
         return Changed(HealthyClient("pc"), [](MachineState& m) {
           m.client->set_discovered_host("kms1.contoso.example");
           v1::ActivationAttempt& by = AddAttempt(m, 12288, 0, "rogue.contoso.example");
           by.set_bound(true);
           Set(kNow - absl::Hours(24) + absl::Seconds(12), by.mutable_at());
         });
       },
       {"CLIENT_HOST_UNSANCTIONED"},
       &Sanctions},
      {"a count that was too low two days ago, before the host fell silent",
       [=] {
         return Changed(UnlicensedClient("pc"), [=](MachineState& m) {
           Set(kNow - absl::Hours(48), AddAttempt(m, 12288, 0xC004F038, "kms1").mutable_at());
           AddProbe(m, "kms1", timeout);
         });
       },
       {"CLIENT_HOST_UNREACHABLE"},
       {}},
      {"a wrong key, and no host answers",
       [=] {
         return Changed(UnlicensedClient("pc", 0xC004F069), [=](MachineState& m) {
           m.client->set_discovered_host("kms1");
           AddProbe(m, "kms1", timeout);
         });
       },
       {"CLIENT_KEY_WRONG_EDITION", "CLIENT_HOST_UNREACHABLE"},
       {}},
      {"limited to the directory, what it met before",
       [] {
         return Changed(UnlicensedClient("pc"), [](MachineState& m) {
           m.client->set_activation_type(v1::ACTIVATION_TYPE_DIRECTORY);
           AddAttempt(m, 12288, kNoContact, "kms1");
         });
       },
       {"CLIENT_ACTIVATION_TYPE_LIMITED", "CLIENT_NOT_LICENSED"},
       {}},
      {"no SRV record, and the host that it remembers answers",
       [=] {
         return Changed(UnlicensedClient("pc"), [=](MachineState& m) {
           AddAnswer(m, 0x8007232B);
           m.client->set_discovered_host("kms1");
           AddProbe(m, "kms1", kms);
         });
       },
       {"CLIENT_DNS_NO_SRV", "CLIENT_NOT_LICENSED"},
       {}},
      {"pinned to a domain without records, hosts of another one do not answer",
       [=] {
         return Changed(UnlicensedClient("pc"), [=](MachineState& m) {
           m.client->set_lookup_domain("old.example");
           AddAnswer(m, 0x8007232B, "old.example");
           AddRecord(AddAnswer(m), "kms1.contoso.example");
           AddProbe(m, "kms1.contoso.example", timeout);
         });
       },
       {"CLIENT_DNS_NO_SRV", "CLIENT_LOOKUP_DOMAIN_WRONG"},
       {}},
      {"pinned to a domain without records, and the host that it remembers answers",
       [=] {
         return Changed(UnlicensedClient("pc"), [=](MachineState& m) {
           m.client->set_lookup_domain("old.example");
           m.client->set_discovered_host("kms1");
           AddAnswer(m, 0x8007232B, "old.example");
           AddProbe(m, "kms1", kms);
         });
       },
       {"CLIENT_DNS_NO_SRV", "CLIENT_LOOKUP_DOMAIN_WRONG", "CLIENT_NOT_LICENSED"},
       {}},
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

class PathRulesTest : public ::testing::TestWithParam<Case> {};

TEST_P(PathRulesTest, FindsThisAndNothingElse) { ExpectFound(GetParam()); }

INSTANTIATE_TEST_SUITE_P(Machines, PathRulesTest, ::testing::ValuesIn(PathCases()));

}  // namespace
}  // namespace keymedic::kms
