// SPDX-License-Identifier: Apache-2.0
#include "lab/estate.h"

#include <gmock/gmock.h>

#include <cstdlib>
#include <map>
#include <set>

#include "lab/world_testing.h"

namespace keymedic::lab {
namespace {

using testing::AllOf;
using testing::HasSubstr;

absl::StatusOr<v1::Estate> Contoso() {
  const char* source = std::getenv("KEYMEDIC_SOURCE_DIR");
  return ReadEstateFile(
      absl::StrCat(source == nullptr ? "." : source, "/lab/estates/contoso.textproto"));
}

std::string ErrorOf(const std::string& text) {
  const auto estate = ParseEstate(text, "bad.textproto");
  EXPECT_EQ(estate.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(estate.status().message());
}

TEST(ContosoTest, HasTwoHundredMachinesAndTheNamedFaults) {
  const auto estate = Contoso();
  ASSERT_TRUE(estate.ok()) << estate.status();
  const std::vector<std::string> names = MachineNames(*estate);
  EXPECT_EQ(names.size(), 200u);
  EXPECT_EQ(std::set<std::string>(names.begin(), names.end()).size(), 200u);
  EXPECT_EQ(MachineSites(*estate).size(), 200u);

  std::map<std::string, size_t> faults;
  const FaultPlan plan = PlanFaults(*estate);
  std::set<std::string> taken;
  for (const PlannedFault& fault : plan.faults) {
    faults[std::string(fault.kind->name)] = fault.machines.size();
    for (const std::string& name : fault.machines) EXPECT_TRUE(taken.insert(name).second) << name;
  }
  EXPECT_EQ(faults, (std::map<std::string, size_t>{{"host_firewall_closed", 1},
                                                   {"host_dns_publish_denied", 1},
                                                   {"client_mak", 6},
                                                   {"client_wrong_edition_key", 5},
                                                   {"client_pinned_dead_host", 7},
                                                   {"duplicate_cmid", 2},
                                                   {"client_clock_off", 1}}));
}

TEST(ContosoTest, EachTreatedClientIsLicensedAtItsFirstAttempt) {
  const auto estate = Contoso();
  ASSERT_TRUE(estate.ok()) << estate.status();
  StoppedClock clock;
  auto world = World::Make(*estate, clock);
  ASSERT_TRUE(world.ok()) << world.status();
  const auto act = [&](const std::string& machine, const std::string& method,
                       const std::string& text = "", bool flag = false) {
    v1::MachineRequest request;
    request.set_machine(machine);
    request.mutable_act()->set_method(method);
    request.mutable_act()->set_text(text);
    request.mutable_act()->set_flag(flag);
    const v1::MachineResponse response = (*world)->Serve(request);
    EXPECT_EQ(response.status(), 0) << response.message();
    return response.hresult();
  };
  EXPECT_EQ(act("kms-berlin", "SetRuleEnabled", kKmsRule, true), 0u);
  std::vector<std::string> suffering;
  for (const PlannedFault& fault : (*world)->faults()) {
    for (const std::string& name : fault.machines) {
      if (fault.kind->name == "client_mak") {
        EXPECT_EQ(act(name, "InstallKey", "W269N-WFGWX-YVC9B-4J6C9-T83GX"), 0u);
      }
      if (fault.kind->name == "client_wrong_edition_key") {
        EXPECT_EQ(act(name, "InstallKey", "NPPR9-FWDCX-D2C8J-H872K-2YT43"), 0u);
      }
      if (fault.kind->name == "client_pinned_dead_host") {
        EXPECT_EQ(act(name, "ClearKmsHost"), 0u);
      }
      if (fault.kind->name == "client_clock_off") {
        EXPECT_EQ(act(name, "SynchroniseClock"), 0u);
      }
      if (fault.kind->name == "duplicate_cmid") {
        EXPECT_EQ(act(name, "Rearm"), 0u);
        EXPECT_EQ(act(name, "Restart"), 0u);
      }
      if (!fault.kind->on_host) suffering.push_back(name);
    }
  }
  for (const std::string& name : MachineNames(*estate)) {
    if (MatchesPattern("*-berlin-*", name)) suffering.push_back(name);
  }
  EXPECT_EQ(suffering.size(), 6u + 5 + 7 + 2 + 1 + 45);
  for (const std::string& name : suffering) EXPECT_EQ(act(name, "Activate"), 0u) << name;
}

TEST(EstateTest, ErrorsNameLineFieldValueAndRemedy) {
  EXPECT_THAT(ErrorOf("name: 'x'\nsites { nam: 'berlin' }"),
              AllOf(HasSubstr("bad.textproto:2:"), HasSubstr("nam")));
  EXPECT_THAT(ErrorOf("name: 'x'\nseed: -1"), HasSubstr("bad.textproto:2:"));
  EXPECT_THAT(ErrorOf("name: 'x'"), HasSubstr("sites"));
  EXPECT_THAT(ErrorOf("sites { name: 'berlin' dns_domain: 'b.example' }"), HasSubstr("no machine"));
  EXPECT_THAT(
      ErrorOf("sites { name: 'berlin' dns_domain: 'b.example' }\n"
              "client_groups { prefix: 'pc' count: 1\n site: 'bremen'\n"
              " edition_id: 'Enterprise' build: 22631 }"),
      AllOf(HasSubstr("bad.textproto:3: client_groups[0].site: 'bremen'"), HasSubstr("berlin")));
  EXPECT_THAT(ErrorOf("sites { name: 'berlin' dns_domain: 'b.example' }\n"
                      "client_groups { prefix: 'pc' count: 1 site: 'berlin'\n"
                      " edition_id: 'Enterprize' build: 22631 }"),
              HasSubstr("bad.textproto:3: client_groups[0].edition_id: 'Enterprize'"));
  EXPECT_THAT(ErrorOf(SmallEstate(3,
                                  "client_groups { prefix: 'pc' count: 1 site: 'berlin' "
                                  "edition_id: 'Enterprise' build: 22631 }")),
              HasSubstr("'pc-001' is there twice"));
  EXPECT_THAT(ErrorOf(SmallEstate(3, "host_keys { family: 'Windows Server 2022' key: 'QQQQQ-1' }")),
              AllOf(HasSubstr("host_keys[1].key"), testing::Not(HasSubstr("QQQQQ"))));
}

TEST(EstateTest, FaultErrorsNameWhatIsThere) {
  const auto error = [](const std::string& fault) { return ErrorOf(SmallEstate(30, fault)); };
  EXPECT_THAT(error("faults { fault: 'host_on_fire' target: 'kms-1' }"),
              AllOf(HasSubstr("faults[0].fault: 'host_on_fire'"), HasSubstr("client_mak")));
  EXPECT_THAT(error("faults { fault: 'host_firewall_closed' target: 'kms-9' }"),
              HasSubstr("faults[0].target: 'kms-9'"));
  EXPECT_THAT(error("faults { fault: 'client_mak' machines: 'mac-*' }"),
              HasSubstr("faults[0].machines"));
  EXPECT_THAT(error("faults { fault: 'client_mak' machines: 'pc-*' count: 31 }"),
              AllOf(HasSubstr("faults[0].count: 31"), HasSubstr("30")));
  EXPECT_THAT(error("faults { fault: 'duplicate_cmid' machines: 'pc-001' }"),
              HasSubstr("at least 2"));
  EXPECT_THAT(error("faults { fault: 'client_mak' machines: 'pc-*' since_days: -3 }"),
              HasSubstr("since_days"));
  EXPECT_THAT(error("faults { fault: 'count_too_low' target: 'kms-1' }"), HasSubstr("30 clients"));
  EXPECT_THAT(error("faults { fault: 'host_key_wrong_group' target: 'kms-1' family: 'BeOS' }"),
              HasSubstr("'BeOS'"));
}

TEST(EstateTest, Patterns) {
  EXPECT_TRUE(MatchesPattern("*", "pc-1"));
  EXPECT_TRUE(MatchesPattern("pc-*-00?", "pc-berlin-001"));
  EXPECT_TRUE(MatchesPattern("*-*-*", "pc-berlin-001"));
  EXPECT_FALSE(MatchesPattern("pc-berlin", "pc-berlin-001"));
  EXPECT_FALSE(MatchesPattern("", "pc"));
}

}  // namespace
}  // namespace keymedic::lab
