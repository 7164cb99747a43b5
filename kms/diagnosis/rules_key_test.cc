// SPDX-License-Identifier: Apache-2.0
#include "kms/diagnosis/client_cases_testing.h"

namespace keymedic::kms {
namespace {

using namespace testing;  // NOLINT: the machines of machines_testing.h
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

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
      {"evaluation copy of an edition",
       [=] { return Keyed("TIMEBASED_EVAL", licensed, "ServerStandardEval"); },
       {"CLIENT_KEY_NOT_GVLK"},
       {}},
      {"host key used up, licence not known",
       [=] {
         return Changed(Machine("pc"), [](MachineState& m) { AddAttempt(m, 0, 0xC004C008); });
       },
       {"HOST_ACTIVATION_LIMIT"},
       {}},
      {"the same answer to a client key is about no host key",
       [=] {
         return Changed(Machine("pc"), [](MachineState& m) {
           AddAttempt(m, 0, 0xC004C008).set_activation_id("73111121-5638-40f6-bc11-f1d7b0d64300");
         });
       },
       {},
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

class KeyRulesTest : public ::testing::TestWithParam<Case> {};

TEST_P(KeyRulesTest, FindsThisAndNothingElse) { ExpectFound(GetParam()); }

INSTANTIATE_TEST_SUITE_P(Machines, KeyRulesTest, ::testing::ValuesIn(KeyCases()));

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

TEST(KeyRules, DuplicatesAllButTheFirstGetNewIds) {
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

TEST(KeyRules, NoEvidenceHoldsAWholeKey) {
  MachineState machine = UnlicensedClient("pc");
  machine.licensing->mutable_products(0)->set_description("NPPR9-FWDCX-D2C8J-H872K-2YT43");
  Estate estate;
  estate.Upsert(std::move(machine));
  const std::vector<v1::Finding> findings = Diagnose(estate, "pc");
  ASSERT_THAT(findings, Not(IsEmpty()));
  for (const v1::Finding& finding : findings)
    EXPECT_THAT(finding.ShortDebugString(), Not(HasSubstr("NPPR9-FWDCX")));
}

}  // namespace
}  // namespace keymedic::kms
