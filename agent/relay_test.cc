// SPDX-License-Identifier: Apache-2.0
//
// Between agent and controller stand proxies, firewalls and load balancers that cut what they like.
#include "agent/agent.h"
#include "agent/cutting_relay.h"
#include "agent/fake_controller.h"
#include "agent/fake_plugins.h"
#include "base/files.h"

namespace keymedic::agent {
namespace {

constexpr int kCommands = 5;

TEST(RelayTest, AConnectionThatIsCutAgainAndAgainLosesAndDoublesNothing) {
  const FakeAuthority authority(absl::Now());
  FakeController controller(authority);
  FakeClock clock(absl::Now());
  SeededRandom random(7);
  FakePlugins plugins;
  plugins.Set("os", std::string(2000, 'w'));
  const std::unique_ptr<Executor> executor = MakeThreadPool(2);
  // Each is sent again on every new connection, as one whose answer is not there.
  for (int i = 0; i < kCommands; ++i) {
    v1::ControllerMessage message;
    v1::Command& command = *message.mutable_command();
    command.set_id(absl::StrCat("c", i));
    command.set_plugin("fake");
    command.set_mode(v1::MODE_APPLY);
    (*command.mutable_params())["licensing"] = absl::StrCat("value ", i);
    controller.SendOnWelcome(message);
  }
  // The handshake alone takes some thousand bytes.
  const CuttingRelay relay(controller.address(), /*first=*/500, /*more=*/400);
  const std::string dir = MakeTempDir();
  const absl::Time from = absl::Now() - absl::Hours(1);
  Credential credential = authority.Machine("m-1", from, from + absl::Hours(24));
  credential.ca_pem = authority.ca;
  ASSERT_TRUE(StoreEnrolment(dir, "m-1", relay.address(), credential).ok());
  AgentOptions options;
  options.state_dir = dir;
  options.machine_name = "pc-017";
  options.reconnect = {.first = absl::Milliseconds(5), .most = absl::Milliseconds(20)};
  auto agent = Agent::Open(options, {clock, random, *executor, plugins});
  ASSERT_TRUE(agent.ok()) << agent.status();
  (*agent)->Start();

  std::set<std::string> answered;
  EXPECT_TRUE(controller.Await([&] {
    for (const v1::CommandResult& result : controller.results) {
      EXPECT_EQ(result.outcome(), v1::OUTCOME_CHANGED) << result.message();
      answered.insert(result.command_id());
    }
    return answered.size() == kCommands;
  }));
  EXPECT_EQ(plugins.effects(), kCommands);
  EXPECT_GT(relay.cuts(), 3);
  (*agent)->Stop();
}

}  // namespace
}  // namespace keymedic::agent
