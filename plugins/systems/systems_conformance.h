// SPDX-License-Identifier: Apache-2.0
//
// What every implementation of the seams must do. A test program includes this header and names its
// implementation:
//
//   INSTANTIATE_TEST_SUITE_P(Lab, SystemsConformance, testing::Values(SystemsUnderTest{...}));
//
// A seam that this kind of machine does not have answers kUnimplemented to every call, with a
// sentence: a seam that has one call has all of them. The suite changes the machine (a firewall
// rule, the client's host) and puts it back.
#ifndef KEYMEDIC_PLUGINS_SYSTEMS_SYSTEMS_CONFORMANCE_H_
#define KEYMEDIC_PLUGINS_SYSTEMS_SYSTEMS_CONFORMANCE_H_

#include <gtest/gtest.h>

#include <cctype>
#include <functional>
#include <string>
#include <vector>

#include "base/hash.h"
#include "plugins/systems/systems.h"

namespace keymedic::systems {

struct SystemsUnderTest {
  std::string name;
  std::function<Systems()> make;
  std::string event_channel;  // one that holds at least three records; empty: has no event log
  bool restarts = false;      // may be restarted, and has done so when the call returns
};

class SystemsConformance : public testing::TestWithParam<SystemsUnderTest> {
 protected:
  // True if the seam is not there; then also checks that it says so properly.
  static bool Absent(const absl::Status& status) {
    if (!absl::IsUnimplemented(status)) return false;
    EXPECT_GT(status.message().size(), 20u) << "kUnimplemented needs a sentence";
    return true;
  }

  Systems systems_ = GetParam().make();
};

TEST_P(SystemsConformance, OsIsTheSameEachTime) {
  const auto os = systems_.machine->Os();
  ASSERT_TRUE(os.ok()) << os.status();
  EXPECT_FALSE(os->computer_name().empty());
  EXPECT_EQ(os->computer_name().find('.'), std::string::npos) << "the short name";
  EXPECT_EQ(os->clock_skew_minutes() % 5, 0) << "a bucket";
  EXPECT_EQ(SerializeDeterministic(*os), SerializeDeterministic(*systems_.machine->Os()));
}

TEST_P(SystemsConformance, LicensingHoldsNoWholeKeyAndNothingOfTheLog) {
  const auto licensing = systems_.licensing->Licensing();
  if (Absent(licensing.status())) {
    EXPECT_TRUE(Absent(systems_.licensing->Client().status()));
    EXPECT_TRUE(Absent(systems_.licensing->Host().status()));
    EXPECT_TRUE(Absent(systems_.licensing->Activate("").status()));
    EXPECT_TRUE(Absent(systems_.licensing->ClearKmsHost().status()));
    EXPECT_TRUE(Absent(systems_.licensing->Rearm().status()));
    EXPECT_TRUE(Absent(systems_.licensing->RearmPending().status()));
    return;
  }
  ASSERT_TRUE(licensing.ok()) << licensing.status();
  EXPECT_TRUE(licensing->observations().empty());
  for (const v1::Product& product : licensing->products()) {
    EXPECT_LE(product.partial_key().size(), 5u);
    for (const char c : product.activation_id()) EXPECT_FALSE(std::isupper(c));
    EXPECT_NE(product.status(), v1::LICENSE_STATUS_UNSPECIFIED) << product.name();
  }
  EXPECT_EQ(SerializeDeterministic(*licensing),
            SerializeDeterministic(*systems_.licensing->Licensing()));

  const auto client = systems_.licensing->Client();
  ASSERT_TRUE(client.ok()) << client.status();
  EXPECT_TRUE(client->attempts().empty());
  const auto host = systems_.licensing->Host();
  ASSERT_TRUE(host.ok() || absl::IsNotFound(host.status())) << host.status();
  if (host.ok()) {
    EXPECT_TRUE(host->requests().empty());
    EXPECT_TRUE(host->publications().empty());
  }
}

TEST_P(SystemsConformance, ClientSettingsAreReadBack) {
  const auto before = systems_.licensing->Client();
  if (Absent(before.status())) return;
  ASSERT_TRUE(before.ok()) << before.status();

  ASSERT_EQ(*systems_.licensing->SetKmsHost("conformance.example", 1689), 0u);
  auto now = systems_.licensing->Client();
  EXPECT_EQ(now->registered_host(), "conformance.example");
  EXPECT_EQ(now->registered_port(), 1689u);
  ASSERT_EQ(*systems_.licensing->ClearKmsHost(), 0u);
  now = systems_.licensing->Client();
  EXPECT_TRUE(now->has_registered_host()) << "known not to be pinned is not unknown";
  EXPECT_EQ(now->registered_host(), "");

  ASSERT_EQ(*systems_.licensing->SetHostCaching(!before->host_caching()), 0u);
  EXPECT_EQ(systems_.licensing->Client()->host_caching(), !before->host_caching());
  ASSERT_EQ(*systems_.licensing->SetHostCaching(before->host_caching()), 0u);

  ASSERT_EQ(*systems_.licensing->SetActivationType(v1::ACTIVATION_TYPE_KMS), 0u);
  EXPECT_EQ(systems_.licensing->Client()->activation_type(), v1::ACTIVATION_TYPE_KMS);
  ASSERT_EQ(*systems_.licensing->SetActivationType(v1::ACTIVATION_TYPE_ALL), 0u);
  EXPECT_EQ(systems_.licensing->Client()->activation_type(), v1::ACTIVATION_TYPE_ALL);
  if (!before->registered_host().empty()) {
    systems_.licensing->SetKmsHost(before->registered_host(), before->registered_port())
        .IgnoreError();
  }
}

TEST_P(SystemsConformance, ARearmIsPendingUntilTheRestart) {
  const auto before = systems_.licensing->RearmPending();
  if (Absent(before.status())) return;
  ASSERT_TRUE(before.ok()) << before.status();
  if (!GetParam().restarts) return;
  EXPECT_FALSE(*before);
  const std::string id = systems_.licensing->Client()->client_machine_id();
  ASSERT_EQ(*systems_.licensing->Rearm(), 0u);
  EXPECT_TRUE(*systems_.licensing->RearmPending());
  EXPECT_EQ(systems_.licensing->Client()->client_machine_id(), id);
  ASSERT_TRUE(systems_.machine->Restart().ok());
  EXPECT_FALSE(*systems_.licensing->RearmPending());
  EXPECT_NE(systems_.licensing->Client()->client_machine_id(), id);
}

TEST_P(SystemsConformance, EventsComeInOrderAndOnce) {
  const std::string& channel = GetParam().event_channel;
  if (Absent(systems_.events->Read("Application", 0, 1).status())) {
    EXPECT_EQ(channel, "");
    EXPECT_TRUE(Absent(systems_.events->SetMaxBytes("Application", 1 << 20)));
    return;
  }
  const auto all = systems_.events->Read(channel, 0, 1000);
  ASSERT_TRUE(all.ok()) << all.status();
  ASSERT_GE(all->events.size(), 3u);

  std::vector<uint64_t> ids;
  uint64_t after = 0;
  while (true) {
    const auto batch = systems_.events->Read(channel, after, 2);
    ASSERT_TRUE(batch.ok()) << batch.status();
    ASSERT_LE(batch->events.size(), 2u);
    if (batch->events.empty()) {
      EXPECT_EQ(batch->last_record_id, after);
      break;
    }
    for (const auto& event : batch->events) {
      EXPECT_EQ(event.channel(), channel);
      EXPECT_GT(event.record_id(), ids.empty() ? 0 : ids.back());
      ids.push_back(event.record_id());
    }
    ASSERT_GE(batch->last_record_id, ids.back());
    after = batch->last_record_id;
  }
  ASSERT_EQ(ids.size(), all->events.size());

  // Behind a log that was cleared: from its oldest record.
  const auto cleared = systems_.events->Read(channel, ids.back() + 1000, 1);
  ASSERT_TRUE(cleared.ok()) << cleared.status();
  ASSERT_EQ(cleared->events.size(), 1u);
  EXPECT_EQ(cleared->events[0].record_id(), ids.front());

  EXPECT_TRUE(absl::IsNotFound(systems_.events->Read("No Such Channel", 0, 1).status()));
}

TEST_P(SystemsConformance, FirewallRulesAreAddedSwitchedAndRemoved) {
  const auto before = systems_.firewall->Read(1699);
  v1::FirewallRule rule;
  rule.set_id("KeyMedic-Conformance");
  rule.set_enabled(true);
  rule.set_inbound_allow(true);
  rule.add_tcp_ports(1699);
  if (Absent(before.status())) {
    EXPECT_TRUE(Absent(systems_.firewall->AddInboundRule(rule)));
    EXPECT_TRUE(Absent(systems_.firewall->SetRuleEnabled(rule.id(), true)));
    EXPECT_TRUE(Absent(systems_.firewall->RemoveRule(rule.id())));
    return;
  }
  ASSERT_TRUE(before.ok()) << before.status();
  const auto find = [&]() -> std::vector<v1::FirewallRule> {
    std::vector<v1::FirewallRule> found;
    const auto now = systems_.firewall->Read(1699);
    if (!now.ok()) return found;
    for (const auto& r : now->rules()) {
      if (r.id() == rule.id()) found.push_back(r);
    }
    return found;
  };
  EXPECT_TRUE(absl::IsNotFound(systems_.firewall->SetRuleEnabled(rule.id(), true)));
  EXPECT_TRUE(absl::IsNotFound(systems_.firewall->RemoveRule(rule.id())));
  ASSERT_TRUE(systems_.firewall->AddInboundRule(rule).ok());
  ASSERT_EQ(find().size(), 1u);
  EXPECT_TRUE(find()[0].enabled());
  ASSERT_EQ(find()[0].tcp_ports_size(), 1);
  EXPECT_EQ(find()[0].tcp_ports(0), 1699u);
  ASSERT_TRUE(systems_.firewall->SetRuleEnabled(rule.id(), false).ok());
  ASSERT_EQ(find().size(), 1u);
  EXPECT_FALSE(find()[0].enabled());
  ASSERT_TRUE(systems_.firewall->RemoveRule(rule.id()).ok());
  EXPECT_EQ(find().size(), 0u);
}

TEST_P(SystemsConformance, ServicesAreDisabledAndStarted) {
  const auto before = systems_.services->Query("sppsvc");
  if (Absent(before.status())) {
    EXPECT_TRUE(Absent(systems_.services->SetDisabled("sppsvc", false)));
    EXPECT_TRUE(Absent(systems_.services->Restart("sppsvc")));
    return;
  }
  ASSERT_TRUE(before.ok()) << before.status();
  ASSERT_TRUE(systems_.services->SetDisabled("sppsvc", true).ok());
  EXPECT_TRUE(systems_.services->Query("sppsvc")->disabled);
  EXPECT_FALSE(systems_.services->Restart("sppsvc").ok()) << "a disabled service cannot start";
  ASSERT_TRUE(systems_.services->SetDisabled("sppsvc", false).ok());
  ASSERT_TRUE(systems_.services->Restart("sppsvc").ok());
  const auto after = systems_.services->Query("sppsvc");
  EXPECT_TRUE(after->running);
  EXPECT_FALSE(after->disabled);
  EXPECT_TRUE(absl::IsNotFound(systems_.services->Query("no-such-service").status()));
}

TEST_P(SystemsConformance, ANameThatDoesNotExistIsAnAnswerAndNoError) {
  const auto suffixes = systems_.names->SearchSuffixes();
  ASSERT_TRUE(suffixes.ok()) << suffixes.status();
  const std::string name = "_vlmcs._tcp.no-such-domain.invalid";
  const v1::SrvAnswer answer = systems_.names->LookupSrv(name);
  EXPECT_EQ(answer.name(), name);
  EXPECT_NE(answer.error(), 0u);
  EXPECT_EQ(answer.error() & 0xFFFF0000u, 0x80070000u) << "Windows' number";
  EXPECT_TRUE(answer.records().empty());
}

TEST_P(SystemsConformance, AProbeOfNoMachineSaysSo) {
  const v1::Probe probe = systems_.probe->Bind("no-such-machine.invalid", 1688);
  EXPECT_EQ(probe.host(), "no-such-machine.invalid");
  EXPECT_EQ(probe.port(), 1688u);
  EXPECT_EQ(probe.result(), v1::PROBE_RESULT_UNRESOLVED) << probe.detail();
}

}  // namespace keymedic::systems

#endif  // KEYMEDIC_PLUGINS_SYSTEMS_SYSTEMS_CONFORMANCE_H_
