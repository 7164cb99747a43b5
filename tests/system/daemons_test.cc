// SPDX-License-Identifier: Apache-2.0
//
// Separate daemons on one machine: a controller, a lab on its socket, and agents whose plugin hosts
// load the two role plugins as shared libraries. A fault is found, treated and verified.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/files.h"
#include "plugins/systems/lab/unix_transport.h"
#include "tests/system/harness.h"

namespace keymedic::testing {
namespace {

using ::testing::HasSubstr;

class DaemonsTest : public ::testing::Test {
 protected:
  explicit DaemonsTest(const std::string& estate = "tests/estates/small.textproto")
      : controller_(workspace_) {
    lab_ = workspace_.Start({Bin("keymedic"), "lab", "serve", Source(estate), "--socket",
                             workspace_.Path("lab.sock"), "--only-socket", "--speed", "600"},
                            "lab.log");
    EXPECT_TRUE(Eventually([&] {
      return workspace_.Log("lab.log").find("ready") != std::string::npos;
    })) << workspace_.Log("lab.log");
  }

  std::vector<std::string> AgentCommand(const std::string& machine) const {
    return {Bin("keymedic-agent"),
            "--state-dir",
            workspace_.Path(machine),
            "--plugin-dir",
            PluginDir(),
            "--system",
            absl::StrCat("lab:unix:", workspace_.Path("lab.sock"), "#", machine),
            "--name",
            machine};
  }

  void Enroll(const std::string& machine, const std::string& token) const {
    ASSERT_TRUE(WriteFileAtomically(workspace_.Path("token"), token).ok());
    std::vector<std::string> command = AgentCommand(machine);
    command.insert(command.end(), {"enroll", "--controller", controller_.address(), "--token-file",
                                   workspace_.Path("token")});
    const Output output = workspace_.Run(command);
    ASSERT_EQ(output.exit_code, 0) << output.out << output.err;
  }

  std::unique_ptr<cli::Child> StartAgent(const std::string& machine) const {
    std::vector<std::string> command = AgentCommand(machine);
    command.push_back("run");
    return workspace_.Start(command, machine + ".log");
  }

  // Machines that have told their state.
  int Reported() const {
    int reported = 0;
    const nlohmann::json machines =
        workspace_.Keymedic({"machines", "list", "--output", "json"}).Json();
    if (!machines.is_object()) return 0;
    for (const auto& machine : machines["machines"]) reported += machine["roles"].empty() ? 0 : 1;
    return reported;
  }

  int Connected() const {
    const nlohmann::json summary =
        workspace_.Keymedic({"estate", "summary", "--output", "json"}).Json();
    return summary.is_object() ? summary["connected"].get<int>() : 0;
  }

  std::set<std::string> Codes() const {
    std::set<std::string> codes;
    const nlohmann::json findings =
        workspace_.Keymedic({"findings", "list", "--output", "json"}).Json();
    if (!findings.is_object()) return codes;
    for (const auto& finding : findings["findings"]) {
      if (finding["severity"] == "SEVERITY_CRITICAL" || finding["severity"] == "SEVERITY_WARNING")
        codes.insert(finding["code"]);
    }
    return codes;
  }

  // Until they show these.
  void Join(const std::vector<std::string>& machines, const std::vector<std::string>& codes) {
    const std::string token = controller_.Token(static_cast<int>(machines.size()));
    for (const std::string& machine : machines) {
      Enroll(machine, token);
      agents_[machine] = StartAgent(machine);
    }
    ASSERT_TRUE(Eventually([&] { return Reported() == static_cast<int>(machines.size()); }))
        << workspace_.Log("pc-001.log") << workspace_.Log("controller.log");
    ASSERT_TRUE(Eventually([&] {
      const std::set<std::string> found = Codes();
      return std::all_of(codes.begin(), codes.end(),
                         [&](const std::string& code) { return found.contains(code); });
    })) << workspace_.Keymedic({"findings", "list"}).out
        << workspace_.Log("kms-1.log");
  }
  void JoinThree() {
    Join({"kms-1", "pc-001", "pc-002"}, {"HOST_FIREWALL_CLOSED", "CLIENT_KEY_NOT_GVLK"});
  }

  // The groups that say who leaves Licensed.
  nlohmann::json Leaving() const {
    const Output output = workspace_.Keymedic({"estate", "forecast", "--output", "json"});
    EXPECT_EQ(output.exit_code, 0) << output.err;
    nlohmann::json leaving = nlohmann::json::array();
    const nlohmann::json forecast = output.Json();
    for (const auto& group : forecast["summary"]["groups"]) {
      if (group["event"] == "FORECAST_EVENT_LEAVES_LICENSED") leaving.push_back(group);
    }
    return leaving;
  }

  nlohmann::json Plan() const {
    const Output plan =
        workspace_.Keymedic({"remediations", "plan", "--select", "all", "--output", "json"});
    EXPECT_EQ(plan.exit_code, 0) << plan.err;
    return plan.Json();
  }

  // How often each act has really changed this machine, as the lab counts it.
  std::map<std::string, uint64_t> EffectsOn(const std::string& machine) const {
    lab::v1::MachineRequest request;
    request.set_machine(machine);
    request.mutable_effects();
    const auto response = systems::MakeUnixTransport(workspace_.Path("lab.sock"))(request);
    EXPECT_TRUE(response.ok()) << response.status();
    if (!response.ok()) return {};
    return {response->effects().count().begin(), response->effects().count().end()};
  }

  Workspace workspace_;
  ControllerUnderTest controller_;
  std::unique_ptr<cli::Child> lab_;
  std::map<std::string, std::unique_ptr<cli::Child>> agents_;
};

TEST_F(DaemonsTest, AFaultIsFoundForeseenTreatedAndVerified) {
  JoinThree();
  const nlohmann::json leaving = Leaving();
  ASSERT_EQ(leaving.size(), 1u) << leaving.dump(1);
  EXPECT_EQ(leaving[0]["cause_code"], "HOST_FIREWALL_CLOSED");
  EXPECT_EQ(leaving[0]["cause_subject"], "kms-1");
  EXPECT_EQ(leaving[0]["examples"], nlohmann::json({"pc-002"}));
  EXPECT_EQ(leaving[0]["prevention"]["action"], "ensure_firewall_exception");
  const nlohmann::json plan = Plan();
  ASSERT_TRUE(plan.is_object());
  EXPECT_EQ(plan["targets"].size(), 3u) << plan.dump(1);

  const Output wrong = workspace_.Keymedic(
      {"remediations", "start", plan["id"], "--plan-hash", std::string(64, '0')});
  EXPECT_EQ(wrong.exit_code, 1) << "a plan that nobody has seen must not start";

  const Output started = workspace_.Keymedic(
      {"remediations", "start", plan["id"], "--plan-hash", plan["plan_hash"], "--watch"});
  EXPECT_EQ(started.exit_code, 0) << started.out << started.err
                                  << workspace_.Keymedic({"remediations", "show", plan["id"]}).out;
  EXPECT_TRUE(Eventually([&] { return Codes().empty(); }))
      << workspace_.Keymedic({"findings", "list"}).out;
  EXPECT_TRUE(Leaving().empty()) << workspace_.Keymedic({"estate", "forecast"}).out;

  const Output audit = workspace_.Keymedic({"audit", "list"});
  for (const char* act : {"token.create", "machine.enroll", "remediation.plan", "remediation.start",
                          "command.apply"}) {
    EXPECT_THAT(audit.out, HasSubstr(act));
  }
  const Output again =
      workspace_.Keymedic({"remediations", "plan", "--select", "finding=CLIENT_KEY_NOT_GVLK"});
  EXPECT_THAT(again.out + again.err, Not(HasSubstr("pc-001"))) << "there is nothing left to treat";
}

TEST_F(DaemonsTest, WhoeverIsKilledEachMachineIsChangedOnce) {
  JoinThree();
  const nlohmann::json plan = Plan();
  const Output started =
      workspace_.Keymedic({"remediations", "start", plan["id"], "--plan-hash", plan["plan_hash"]});
  ASSERT_EQ(started.exit_code, 0) << started.err;
  for (int round = 0; round < 4; ++round) {
    for (auto& [machine, agent] : agents_) {
      kill(agent->pid(), SIGKILL);
      ASSERT_TRUE(Eventually([&] { return !agent->Ended().empty(); }));
      agent = StartAgent(machine);
    }
    controller_.KillAndRestart();
  }
  const Output watched = workspace_.Keymedic({"remediations", "watch", plan["id"]});
  EXPECT_EQ(watched.exit_code, 0) << watched.out << watched.err
                                  << workspace_.Keymedic({"remediations", "show", plan["id"]}).out;
  EXPECT_TRUE(Eventually([&] { return Codes().empty(); }))
      << workspace_.Keymedic({"findings", "list"}).out;
  EXPECT_EQ(EffectsOn("kms-1")["SetRuleEnabled on"], 1);
  EXPECT_EQ(EffectsOn("pc-001")["InstallKey"], 1);
}

TEST_F(DaemonsTest, AnAgentDiagnosesWithoutAController) {
  std::vector<std::string> command = AgentCommand("pc-001");
  command.insert(command.end(), {"diagnose", "--output", "json"});
  const Output output = workspace_.Run(command);
  EXPECT_EQ(output.exit_code, 0) << output.err;
  EXPECT_THAT(output.out, HasSubstr("CLIENT_KEY_NOT_GVLK"));
}

TEST_F(DaemonsTest, SpentRevokedAndForeignTokensBuyNothing) {
  const std::string token = controller_.Token(1);
  Enroll("pc-001", token);
  auto try_with = [&](const std::string& bad) {
    EXPECT_TRUE(WriteFileAtomically(workspace_.Path("token"), bad).ok());
    std::vector<std::string> command = AgentCommand("pc-002");
    command.insert(command.end(), {"enroll", "--controller", controller_.address(), "--token-file",
                                   workspace_.Path("token")});
    return workspace_.Run(command);
  };
  const Output spent = try_with(token);
  EXPECT_NE(spent.exit_code, 0);
  EXPECT_THAT(spent.err, HasSubstr("token"));
  std::string foreign = token;
  foreign.back() = foreign.back() == '0' ? '1' : '0';  // pins another authority
  EXPECT_NE(try_with(foreign).exit_code, 0);
  EXPECT_NE(try_with("not a token").exit_code, 0);
}

// A host whose key does not cover its clients; the right one is in the estate file.
class HostKeyDaemonsTest : public DaemonsTest {
 protected:
  HostKeyDaemonsTest() : DaemonsTest("tests/estates/host_key.textproto") {}

  // Of all that was written by anybody, but for the lab, which made the key.
  std::string Written() const {
    std::string all;
    for (const auto& file : std::filesystem::recursive_directory_iterator(workspace_.Path(""))) {
      const std::string name = file.path().filename().string();
      if (file.is_regular_file() && !absl::EndsWith(name, ".in"))
        absl::StrAppend(&all, ReadFile(file.path().string()).value_or(""));
    }
    return all;
  }
};

TEST_F(HostKeyDaemonsTest, AHostIsGivenTheKeyThatAnAdminStored) {
  const std::string key = "KMLAB-WS22K-MEDIC-HOSTK-H22WS";
  Join({"kms-1", "pc-001"}, {"HOST_KEY_MISMATCH"});

  const nlohmann::json without = Plan();
  EXPECT_EQ(without["targets"].size(), 0u) << without.dump(1);
  EXPECT_THAT(without["untreatable"].dump(), HasSubstr("keymedic host-keys set --host kms-1"));

  const Output on_the_command_line =
      workspace_.Keymedic({"host-keys", "set", "--host", "kms-1", key});
  EXPECT_EQ(on_the_command_line.exit_code, 2);
  const Output set =
      workspace_.Run({Bin("keymedic"), "host-keys", "set", "--host", "kms-1"}, key + "\n");
  ASSERT_EQ(set.exit_code, 0) << set.err;
  const nlohmann::json listed = workspace_.Keymedic({"host-keys", "list", "-o", "json"}).Json();
  ASSERT_EQ(listed["host_keys"].size(), 1u) << listed.dump(1);
  EXPECT_EQ(listed["host_keys"][0]["host"], "kms-1");
  EXPECT_EQ(listed["host_keys"][0]["partial_key"], "H22WS");

  controller_.KillAndRestart();
  // What they reported is there at once, they themselves are not.
  ASSERT_TRUE(Eventually([&] { return Connected() == 2; }));
  const nlohmann::json plan = Plan();
  // The host, and behind it the client that it turned away.
  ASSERT_EQ(plan["targets"].size(), 2u) << plan.dump(1);
  EXPECT_EQ(plan["targets"][0]["steps"][0]["action"], "ensure_host_key");
  EXPECT_EQ(plan["targets"][1]["display_name"], "pc-001");
  EXPECT_EQ(plan["targets"][1]["steps"][0]["action"], "activate");
  EXPECT_EQ(plan["targets"][0]["steps"][0]["changes"][0]["after"], "H22WS");
  const Output started = workspace_.Keymedic(
      {"remediations", "start", plan["id"], "--plan-hash", plan["plan_hash"], "--watch"});
  EXPECT_EQ(started.exit_code, 0) << started.out << started.err
                                  << workspace_.Keymedic({"remediations", "show", plan["id"]}).out;
  // HOST_REQUESTS_FAILING stays until those whom the old key turned away have asked again.
  EXPECT_TRUE(Eventually([&] {
    return !Codes().contains("HOST_KEY_MISMATCH") && !Codes().contains("CLIENT_HOST_KEY_MISMATCH");
  })) << workspace_.Keymedic({"findings", "list"}).out;

  const Output audit = workspace_.Keymedic({"audit", "list"});
  EXPECT_THAT(audit.out, HasSubstr("host_key.set"));
  EXPECT_THAT(audit.out, HasSubstr("the key ending in H22WS"));
  EXPECT_EQ(Written().find("HOSTK"), std::string::npos);
  const Output removed = workspace_.Keymedic({"host-keys", "remove", "--host", "kms-1"});
  EXPECT_EQ(removed.exit_code, 0) << removed.err;
}

TEST_F(DaemonsTest, AMachineIsResetBannedAndRemovedByCommand) {
  Enroll("pc-001", controller_.Token(1));
  agents_["pc-001"] = StartAgent("pc-001");
  const auto seen = [&] {
    const Output output = workspace_.Keymedic({"machines", "list"});
    return output.exit_code == 0 ? output.out : output.err;
  };
  const auto connected = [&] { return seen().find("connected") != std::string::npos; };
  const auto command = [&](const std::string& verb) {
    return workspace_.Keymedic({"machines", verb, "pc-001", "--reason", "stolen in berlin"});
  };
  ASSERT_TRUE(Eventually(connected)) << workspace_.Log("pc-001.log");
  EXPECT_NE(command("remove").exit_code, 0) << "it is connected";

  ASSERT_EQ(command("ban").exit_code, 0);
  EXPECT_THAT(seen(), HasSubstr("banned"));
  EXPECT_THAT(workspace_.Keymedic({"machines", "show", "pc-001"}).out,
              HasSubstr("stolen in berlin"));
  EXPECT_TRUE(Eventually(
      [&] { return workspace_.Log("pc-001.log").find("is banned") != std::string::npos; }));
  ASSERT_EQ(command("unban").exit_code, 0);
  EXPECT_TRUE(Eventually(connected)) << "it comes back by itself";

  ASSERT_EQ(command("reset").exit_code, 0);
  EXPECT_TRUE(Eventually(
      [&] { return workspace_.Log("pc-001.log").find("was reset") != std::string::npos; }));
  EXPECT_TRUE(Eventually([&] { return !connected(); }));
  ASSERT_EQ(command("remove").exit_code, 0);
  EXPECT_THAT(seen(), Not(HasSubstr("pc-001")));
  EXPECT_NE(command("remove").exit_code, 0) << "it is not there";
  const Output audit = workspace_.Keymedic({"audit", "list", "--about", "machine."});
  for (const char* act :
       {"machine.ban", "machine.unban", "machine.reset", "machine.remove", "stolen in berlin"}) {
    EXPECT_THAT(audit.out, HasSubstr(act));
  }
}

}  // namespace
}  // namespace keymedic::testing
