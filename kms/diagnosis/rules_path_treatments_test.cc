// SPDX-License-Identifier: Apache-2.0
//
// What is done about a way that does not lead to a host, and where.
#include <cstdlib>
#include <fstream>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "kms/diagnosis/client_cases_testing.h"

namespace keymedic::kms {
namespace {

using namespace testing;  // NOLINT: the machines of machines_testing.h
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(PathRules, NoSrvNamesTheHostWhereItIsClearWhichOne) {
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

TEST(PathRules, ADeadPinnedHostThatTheEstateKnowsIsNoStaleSetting) {
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

TEST(PathRules, APinnedAddressIsTheHostThatHasIt) {
  MachineState host = HealthyHost("kms1");
  host.os->add_addresses("10.1.2.3");
  Estate estate;
  estate.Upsert(host);
  estate.Upsert(Pinned(HealthyClient("pc"), "10.1.2.3"));
  v1::Policy policy;
  Sanctions(policy);
  EXPECT_THAT(Codes(Diagnose(estate, "pc", policy)), ElementsAre("CLIENT_HOST_OVERRIDE"));
}

// Each endpoint of clouds.csv, as DNS or the machine itself may write it.
TEST(PathRules, ACloudsOwnEndpointThatIsNotReachedIsAMatterOfTheWay) {
  const char* sources = std::getenv("KEYMEDIC_SOURCE_DIR");
  ASSERT_NE(sources, nullptr) << "run it with ctest";
  std::ifstream table(absl::StrCat(sources, "/kms/data/clouds.csv"));
  std::string line;
  ASSERT_TRUE(std::getline(table, line));
  int rows = 0;
  for (; std::getline(table, line); ++rows) {
    const std::vector<std::string> cells = absl::StrSplit(line, ',');
    ASSERT_EQ(cells.size(), 2u) << line;
    for (const std::string& host : {cells[0], absl::AsciiStrToUpper(cells[0]) + "."}) {
      MachineState machine = Pinned(UnlicensedClient("pc"), host.c_str());
      AddAttempt(machine, 12288, kNoContact, host.c_str());
      Estate estate;
      estate.Upsert(machine);
      const std::vector<v1::Finding> findings = Diagnose(estate, "pc");
      EXPECT_THAT(Codes(findings), ElementsAre("CLIENT_HOST_UNREACHABLE")) << host;
      const v1::Finding* finding = FindCode(findings, "CLIENT_HOST_UNREACHABLE");
      ASSERT_NE(finding, nullptr) << host;
      EXPECT_THAT(finding->explanation(),
                  HasSubstr(absl::StrCat("The host is ", cells[1], "'s own")))
          << host;
      EXPECT_FALSE(finding->why_untreatable().empty()) << host;
      EXPECT_THAT(Treatments(*finding), IsEmpty())
          << host << ": neither a key nor a record mends it";
    }
  }
  EXPECT_GT(rows, 10);
}

TEST(PathRules, TheHostKeyIsTreatedOnTheHost) {
  MachineState machine = UnlicensedClient("pc");
  AddAttempt(machine, 12288, 0xC004F042, "kms1");
  Estate estate;
  estate.Upsert(machine);
  EXPECT_THAT(Treatments(Diagnose(estate, "pc")[0]), IsEmpty());
  estate.Upsert(HealthyHost("kms1"));
  EXPECT_THAT(Treatments(Diagnose(estate, "pc")[0]),
              ElementsAre("ensure_host_key@kms1", "activate@kms1", "activate"));
}

}  // namespace
}  // namespace keymedic::kms
