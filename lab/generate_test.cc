// SPDX-License-Identifier: Apache-2.0
#include "lab/generate.h"

#include <gmock/gmock.h>

#include <map>
#include <set>

#include "lab/faults.h"
#include "lab/world_testing.h"

namespace keymedic::lab {
namespace {

v1::Estate Generate(uint32_t machines, uint64_t seed, const std::string& faults = "all") {
  auto estate = GenerateEstate({machines, seed, faults});
  EXPECT_TRUE(estate.ok()) << estate.status();
  return estate.ok() ? *std::move(estate) : v1::Estate();
}

TEST(GenerateTest, IsDeterminedByItsOptions) {
  EXPECT_EQ(EstateText(Generate(200, 3)), EstateText(Generate(200, 3)));
  EXPECT_NE(EstateText(Generate(200, 3)), EstateText(Generate(200, 4)));
}

TEST(GenerateTest, IsAnEstateOfThatSizeThatCanBeRead) {
  for (const uint32_t machines : {30u, 77u, 500u, 5000u}) {
    for (uint64_t seed = 1; seed <= (machines > 1000 ? 1u : 20u); ++seed) {
      const v1::Estate estate = Generate(machines, seed);
      EXPECT_EQ(MachineNames(estate).size(), machines) << seed;
      const auto parsed = ParseEstate(EstateText(estate), "generated");
      ASSERT_TRUE(parsed.ok()) << parsed.status();
      EXPECT_EQ(EstateText(*parsed), EstateText(estate));
    }
  }
}

TEST(GenerateTest, AFewSeedsHaveEveryFault) {
  std::set<std::string> seen;
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    const v1::Estate estate = Generate(500, seed);
    for (const v1::Fault& fault : estate.faults()) seen.insert(fault.fault());
  }
  for (const FaultKind& kind : FaultKinds())
    EXPECT_TRUE(seen.contains(std::string(kind.name))) << std::string(kind.name);
}

TEST(GenerateTest, SomeHostsAndMachinesHaveSeveralFaults) {
  size_t hosts = 0, machines = 0;
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    std::map<std::string, int> of;
    const FaultPlan plan = PlanFaults(Generate(500, seed));
    for (const PlannedFault& fault : plan.faults) {
      for (const std::string& name : fault.machines) ++of[name];
    }
    for (const auto& [name, faults] : of) {
      if (faults > 1) ++(name.substr(0, 4) == "kms-" ? hosts : machines);
    }
  }
  EXPECT_GE(hosts, 4u);
  EXPECT_GE(machines, 4u);
}

TEST(GenerateTest, OnlyTheFaultsThatAreWanted) {
  EXPECT_EQ(Generate(300, 1, "none").faults_size(), 0);
  const v1::Estate estate = Generate(300, 1, "client_mak,host_firewall_closed");
  EXPECT_GT(estate.faults_size(), 0);
  for (const v1::Fault& fault : estate.faults())
    EXPECT_THAT(fault.fault(), testing::AnyOf("client_mak", "host_firewall_closed"));
}

TEST(GenerateTest, WithoutFaultsAllIsWell) {
  Lived lab(EstateText(Generate(300, 5, "none")));
  const Truth truth = lab.world->CurrentTruth();
  EXPECT_TRUE(truth.roots.empty());
  for (const Condition& condition : truth.conditions) {
    EXPECT_THAT(condition.what.code,
                testing::AnyOf("HOST_COUNT_SATURATED", "HOST_COUNT_ZERO", "HOST_COUNT_TOO_LOW"))
        << condition.what.subject;
  }
}

TEST(GenerateTest, SaysWhatIsWrongWithItsOptions) {
  EXPECT_THAT(std::string(GenerateEstate({29, 1, "all"}).status().message()),
              testing::HasSubstr("29 is not within 30 and 5000"));
  EXPECT_THAT(std::string(GenerateEstate({50, 1, "client_mak,nonsense"}).status().message()),
              testing::HasSubstr("'nonsense' is not known"));
}

}  // namespace
}  // namespace keymedic::lab
