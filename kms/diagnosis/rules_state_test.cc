// SPDX-License-Identifier: Apache-2.0
#include "kms/diagnosis/client_cases_testing.h"

namespace keymedic::kms {
namespace {

using namespace testing;  // NOLINT: the machines of machines_testing.h
using ::testing::ElementsAre;
using ::testing::IsEmpty;

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
      {"additional grace, activated a month ago",
       [] {
         return Changed(UnlicensedClient("pc", 0x4004F00D), [](MachineState& m) {
           Set(kNow - absl::Hours(24 * 30), m.client->mutable_last_activation_at());
         });
       },
       {"CLIENT_HARDWARE_CHANGED", "CLIENT_NOT_LICENSED"},
       {}},
      {"additional grace, lapsed",
       [] {
         return Changed(UnlicensedClient("pc", 0x4004F00D), [](MachineState& m) {
           Set(kNow - absl::Hours(24 * 181), m.client->mutable_last_activation_at());
         });
       },
       {"CLIENT_NOT_LICENSED"},
       {}},
      {"hardware, and a clock that is off",
       [] {
         return Changed(UnlicensedClient("pc", 0xC004F00F), [](MachineState& m) {
           m.os->set_clock_skew_minutes(-420);
           AddAttempt(m, 12288, 0xC004F06C);
         });
       },
       {"CLIENT_CLOCK_SKEW", "CLIENT_HARDWARE_CHANGED"},
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
       {"CLIENT_ACTIVATION_TYPE_LIMITED"},
       {}},
      {"directory only, activated by it",
       [] {
         return Changed(HealthyClient("pc"), [](MachineState& m) {
           m.client->set_activation_type(v1::ACTIVATION_TYPE_DIRECTORY);
           m.client->set_activation_object("Contoso volume");
         });
       },
       {"CLIENT_ACTIVATED_BY_DIRECTORY"},
       {}},
      {"a licensing service that nobody may ask",
       [] {
         return Changed(Machine("pc"), [](MachineState& m) {
           m.licensing.emplace().set_unavailable("ConnectServer: access denied (0x80070005)");
         });
       },
       {"AGENT_STATE_UNREADABLE"},
       {}},
      {"a firewall that nobody may ask",
       [] {
         return Changed(HealthyClient("pc"), [](MachineState& m) {
           m.firewall.emplace().set_unavailable("no class MSFT_NetFirewallRule");
         });
       },
       {"AGENT_STATE_UNREADABLE"},
       {}},
      {"a status that no documentation knows is not licensed",
       [] {
         return Changed(HealthyClient("pc"), [](MachineState& m) {
           m.licensing->mutable_products(0)->set_status(static_cast<v1::LicenseStatus>(10));
           m.licensing->mutable_products(0)->clear_expires_at();
         });
       },
       {"CLIENT_NOT_LICENSED"},
       {}},
      {"what 0x80004005 means nobody knows",
       [] {
         return Changed(Machine("pc"), [](MachineState& m) { AddAttempt(m, 8198, 0x80004005); });
       },
       {},
       {}},
  };
}

class StateRulesTest : public ::testing::TestWithParam<Case> {};

TEST_P(StateRulesTest, FindsThisAndNothingElse) { ExpectFound(GetParam()); }

INSTANTIATE_TEST_SUITE_P(Machines, StateRulesTest, ::testing::ValuesIn(StateCases()));

TEST(StateRules, EmptySectionsSayNothing) {
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

TEST(StateRules, AnUnknownMachineHasNoFindings) {
  EXPECT_THAT(Diagnose(Estate(), "nobody"), IsEmpty());
}

TEST(StateRules, MostSevereFirst) {
  MachineState machine = UnlicensedClient("pc", 0xC004F056);
  machine.client->set_host_caching(false);
  Estate estate;
  estate.Upsert(std::move(machine));
  EXPECT_THAT(Codes(Diagnose(estate, "pc")),
              ElementsAre("CLIENT_NEVER_ACTIVATED", "CLIENT_NOT_LICENSED", "CLIENT_CACHING_OFF"));
}

TEST(StateRules, EvidenceNamesTheCapture) {
  MachineState machine = UnlicensedClient("pc");
  machine.source = "dlv.txt";
  Estate estate;
  estate.Upsert(std::move(machine));
  EXPECT_EQ(Diagnose(estate, "pc")[0].evidence(0).source(), "dlv.txt: licensing");
}

}  // namespace
}  // namespace keymedic::kms
