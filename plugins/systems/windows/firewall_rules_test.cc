// SPDX-License-Identifier: Apache-2.0
#include "plugins/systems/windows/firewall_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace keymedic::systems {
namespace {

using testing::ElementsAre;

WmiRow Rule(const std::string& id, const std::string& name, int64_t enabled, int64_t action = 2,
            int64_t profiles = 0) {
  return WmiRow({{"InstanceID", id},
                 {"ElementName", name},
                 {"Enabled", enabled},
                 {"Direction", int64_t{1}},
                 {"Action", action},
                 {"Profiles", profiles}});
}
WmiRow Ports(const std::string& id, std::vector<std::string> ports) {
  return WmiRow({{"InstanceID", id}, {"Protocol", std::string("TCP")}, {"LocalPort", ports}});
}
std::vector<std::string> Ids(const std::vector<v1::FirewallRule>& rules) {
  std::vector<std::string> ids;
  for (const auto& rule : rules) ids.push_back(rule.id());
  return ids;
}

TEST(RulesForPortTest, KeepsOursAndWhatNamesThePort) {
  const FirewallRows rows{
      .rules = {Rule("SPPSVC-In-TCP", "@FirewallAPI.dll,-28003", 2),
                Rule("{1F}", "KeyMedic-KMS-In-TCP", 1), Rule("{2F}", "Site KMS", 1),
                Rule("{3F}", "A range", 1, 2, 3), Rule("{4F}", "Blocks", 1, 4),
                Rule("{40}", "Would block", 2, 4), Rule("{5F}", "Everything", 1),
                Rule("{6F}", "Web", 1), Rule("{7F}", "No TCP", 1)},
      .ports = {Ports("SPPSVC-In-TCP", {"1688"}), Ports("{1F}", {"1700"}),
                Ports("{2F}", {"1688", "80"}), Ports("{3F}", {"1600-1700", "RPC"}),
                Ports("{4F}", {"1688"}), Ports("{40}", {"1688"}), Ports("{5F}", {"Any"}),
                Ports("{6F}", {"80-443"})}};
  const auto rules = RulesForPort(rows, 1688);
  ASSERT_THAT(Ids(rules),
              ElementsAre("KeyMedic-KMS-In-TCP", "SPPSVC-In-TCP", "{2F}", "{3F}", "{4F}"));
  EXPECT_TRUE(IsBlock(rules[4]));
  EXPECT_TRUE(rules[0].enabled());
  EXPECT_THAT(rules[0].tcp_ports(), ElementsAre(1700));
  EXPECT_FALSE(rules[1].enabled());
  EXPECT_TRUE(rules[1].inbound_allow());
  EXPECT_THAT(rules[2].tcp_ports(), ElementsAre(80, 1688));
  EXPECT_THAT(rules[3].tcp_ports(), ElementsAre(1688));
  EXPECT_THAT(rules[3].profiles(), ElementsAre("domain", "private"));
}

TEST(RulesForPortTest, SaysThatWindowsRuleWasTurnedIntoABlock) {
  const auto rules = RulesForPort({.rules = {Rule("SPPSVC-In-TCP", "", 1, 4)}, .ports = {}}, 1688);
  ASSERT_EQ(rules.size(), 1u);
  EXPECT_FALSE(rules[0].inbound_allow());
}

TEST(RulesForPortTest, BlocksCountIfTheyAreMeantForEveryAddress) {
  const auto kept = [](std::vector<WmiRow> filters) {
    auto rules = RulesForPort({.rules = {Rule("{4F}", "Blocks", 1, 4), Rule("{2F}", "Site KMS", 1)},
                               .ports = {Ports("{4F}", {"1688"}), Ports("{2F}", {"1688"})}},
                              1688);
    KeepBlocksForAll(filters, rules);
    return Ids(rules);
  };
  const auto filter = [](const std::string& id, std::vector<std::string> remote) {
    return WmiRow({{"InstanceID", id}, {"RemoteAddress", std::move(remote)}});
  };
  EXPECT_THAT(kept({filter("{4F}", {"Any"}), filter("{2F}", {"10.0.0.0/8"})}),
              ElementsAre("{2F}", "{4F}"));
  EXPECT_THAT(kept({filter("{4F}", {})}), ElementsAre("{2F}", "{4F}"));
  EXPECT_THAT(kept({filter("{4F}", {"203.0.113.0/24"})}), ElementsAre("{2F}"));
  EXPECT_THAT(kept({}), ElementsAre("{2F}")) << "for whom is not known";
}

TEST(RulesForPortTest, KnowsWhatPolicyBrings) {
  const auto of = [](int64_t source) {
    return WmiRow({{"InstanceID", std::string("SPPSVC-In-TCP")},
                   {"Enabled", int64_t{1}},
                   {"Action", int64_t{2}},
                   {"PolicyStoreSourceType", source}});
  };
  EXPECT_TRUE(RulesForPort({.rules = {of(2)}, .ports = {}}, 1688)[0].of_policy());
  EXPECT_FALSE(RulesForPort({.rules = {of(1)}, .ports = {}}, 1688)[0].has_of_policy());
}

TEST(MergeActiveTest, AddsWhatPolicyBrings) {
  const auto make = [](const std::string& id, bool enabled) {
    v1::FirewallRule rule;
    rule.set_id(id);
    rule.set_enabled(enabled);
    return rule;
  };
  std::vector<v1::FirewallRule> rules = {make("SPPSVC-In-TCP", false), make("{1F}", true),
                                         make("KeyMedic-KMS-In-TCP", false)};
  MergeActive({make("SPPSVC-In-TCP", true), make("{1F}", false), make("{GPO}", true),
               make("KeyMedic-KMS-In-TCP", true)},
              rules);
  ASSERT_THAT(Ids(rules), ElementsAre("SPPSVC-In-TCP", "{1F}", "KeyMedic-KMS-In-TCP", "{GPO}"));
  EXPECT_TRUE(rules[0].enabled());
  EXPECT_TRUE(rules[1].enabled());
  EXPECT_FALSE(rules[2].enabled()) << "ours stands in no policy";
}

TEST(ActiveProfileTest, IsWhereAHostIsMeantToServe) {
  const auto network = [](int64_t category) { return WmiRow({{"NetworkCategory", category}}); };
  EXPECT_EQ(ActiveProfile({}), std::nullopt);
  EXPECT_EQ(ActiveProfile({network(0)}), "public");
  EXPECT_EQ(ActiveProfile({network(0), network(2), network(1)}), "domain");
}

TEST(ProfileFlagTest, KnowsYesNoAndNotConfigured) {
  const auto profile = [](WmiValue name, int64_t enabled) {
    return WmiRow({{"InstanceID", std::string("MSFT|FW|FirewallProfile|Public")},
                   {"Name", std::move(name)},
                   {"Enabled", enabled}});
  };
  EXPECT_EQ(ProfileFlag({profile(std::string("Domain"), 1)}, "domain", "Enabled"), true);
  EXPECT_EQ(ProfileFlag({profile(std::string("Domain"), 0)}, "domain", "Enabled"), false);
  EXPECT_EQ(ProfileFlag({profile(std::string("Domain"), 2)}, "domain", "Enabled"), std::nullopt);
  EXPECT_EQ(ProfileFlag({profile(std::monostate(), 1)}, "public", "Enabled"), true);
  EXPECT_EQ(ProfileFlag({}, "public", "Enabled"), std::nullopt);
}

TEST(ProfileBitsTest, NoneIsAll) {
  v1::FirewallRule rule;
  EXPECT_EQ(ProfileBits(rule), 0x7FFFFFFF);
  rule.add_profiles("domain");
  rule.add_profiles("public");
  EXPECT_EQ(ProfileBits(rule), 5);
}

}  // namespace
}  // namespace keymedic::systems
