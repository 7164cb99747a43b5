// SPDX-License-Identifier: Apache-2.0
#include "lab/serve.h"

#include <gmock/gmock.h>
#include <stdlib.h>
#include <unistd.h>

#include <fstream>
#include <map>

#include "agent/builtin_plugins.h"
#include "lab/lab_clock.h"
#include "lab/world_testing.h"
#include "plugins/builtin.h"
#include "plugins/systems/lab/lab_in_process.h"
#include "plugins/systems/lab/unix_transport.h"

namespace keymedic::lab {
namespace {

using testing::HasSubstr;

class ServeTest : public testing::Test {
 protected:
  ServeTest() {
    std::string folder = "/tmp/keymedic-lab-XXXXXX";
    EXPECT_NE(mkdtemp(folder.data()), nullptr);
    folder_ = folder;
    options_.estate_file = folder_ + "/estate.textproto";
    options_.socket_path = folder_ + "/lab.sock";
    options_.only_socket = true;
    std::ofstream(options_.estate_file) << SmallEstate(30);
  }
  ~ServeTest() override {
    unlink(options_.estate_file.c_str());
    rmdir(folder_.c_str());
  }
  std::string ErrorOf(const LabServeOptions& options) {
    const auto lab = Lab::Start(options);
    EXPECT_FALSE(lab.ok());
    return std::string(lab.status().message());
  }

  std::string folder_;
  LabServeOptions options_;
};

TEST_F(ServeTest, ServesUntilToldToStop) {
  absl::Notification stop;
  bool served = false;
  const absl::Status status = RunLabServe(options_, stop, [&](Lab& lab) {
    EXPECT_EQ(lab.world().machine_names().size(), 31u);
    EXPECT_EQ(lab.agents(), 0u);
    v1::MachineRequest request;
    request.set_machine("pc-030");
    request.mutable_os();
    const auto response = systems::MakeUnixTransport(options_.socket_path)(request);
    served = response.ok() && response->os().computer_name() == "pc-030";
    stop.Notify();
  });
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_TRUE(served);
}

TEST_F(ServeTest, APortWithoutASocketFile) {
  options_.socket_path.clear();
  options_.listen = "127.0.0.1:0";
  const auto lab = Lab::Start(options_);
  ASSERT_TRUE(lab.ok()) << lab.status();
  EXPECT_THAT((*lab)->listens_at(), testing::StartsWith("127.0.0.1:"));
  auto machine = systems::OpenSystems("lab:tcp:" + (*lab)->listens_at() + "#pc-030");
  ASSERT_TRUE(machine.ok()) << machine.status();
  EXPECT_EQ(machine->machine->Os()->computer_name(), "pc-030");
}

TEST_F(ServeTest, OptionsThatCannotWorkSayWhatIsMissing) {
  LabServeOptions options = options_;
  options.speed = 0;
  EXPECT_THAT(ErrorOf(options), HasSubstr("--speed 0"));
  options = options_;
  options.socket_path.clear();
  EXPECT_THAT(ErrorOf(options), HasSubstr("--socket"));
  options.listen = "0.0.0.0:0";
  EXPECT_THAT(ErrorOf(options), HasSubstr("0.0.0.0:0"));
  options = options_;
  options.only_socket = false;
  EXPECT_THAT(ErrorOf(options), HasSubstr("--controller"));
  options.controller = "localhost:1";
  EXPECT_THAT(ErrorOf(options), HasSubstr("--state-dir"));
  options.state_dir = folder_ + "/agents";
  options.machines = "mac-*";
  EXPECT_THAT(ErrorOf(options), HasSubstr("mac-*"));
  options = options_;
  options.estate_file = folder_ + "/none.textproto";
  EXPECT_THAT(ErrorOf(options), HasSubstr("none.textproto"));
}

TEST(LabClockTest, RunsFaster) {
  StoppedClock real;
  const LabClock clock(real, 60);
  EXPECT_EQ(clock.Now(), real.now);
  real.now += absl::Seconds(2);
  EXPECT_EQ(clock.Now(), real.now + absl::Seconds(118));
}

// The real role plugins look at a simulated host and its client, and treat the host.
TEST(RolePluginsTest, SeeAndTreatALabMachine) {
  Lived lab(
      SmallEstate(30, "faults { fault: 'host_firewall_closed' target: 'kms-1' since_days: 20 }"));
  const auto registration = systems::RegisterInProcessLab(
      "serve-test", [&](const v1::MachineRequest& request) { return lab.world->Serve(request); });
  ASSERT_TRUE(registration.ok()) << registration.status();
  const auto plugins_of = [](const std::string& machine) {
    keymedic::v1::PluginConfig config;
    config.set_system("lab:inprocess:serve-test#" + machine);
    return agent::MakeBuiltinPlugins(BuiltinKmsPlugins(), config);
  };
  const auto client = plugins_of("pc-001");
  const auto seen = client->Collect("kms_client", {}, absl::Seconds(30));
  ASSERT_TRUE(seen.ok()) << seen.status();
  std::map<std::string, std::string> sections;
  for (const auto& section : seen->sections()) sections[section.name()] = section.payload();
  std::vector<std::string> names;
  for (const auto& [name, payload] : sections) names.push_back(name);
  EXPECT_THAT(names, testing::IsSupersetOf({"os", "licensing", "kms_client", "names", "probes"}));
  keymedic::v1::KmsClientSection section;
  ASSERT_TRUE(section.ParseFromString(sections["kms_client"]));
  ASSERT_GT(section.attempts_size(), 0);
  EXPECT_EQ(section.attempts(0).error(), 0x800706BAu);
  keymedic::v1::ProbesSection probes;
  ASSERT_TRUE(probes.ParseFromString(sections["probes"]));
  ASSERT_EQ(probes.probes_size(), 1);
  EXPECT_EQ(probes.probes(0).result(), keymedic::v1::PROBE_RESULT_TIMEOUT);

  keymedic::v1::ActRequest act;
  act.mutable_command()->set_id("1");
  act.mutable_command()->set_plugin("kms_host");
  act.mutable_command()->set_action("ensure_firewall_exception");
  act.mutable_command()->set_mode(keymedic::v1::MODE_APPLY);
  const auto treated = plugins_of("kms-1")->Act("kms_host", act, absl::Seconds(30));
  ASSERT_TRUE(treated.ok()) << treated.status();
  EXPECT_EQ(treated->result().outcome(), keymedic::v1::OUTCOME_CHANGED)
      << treated->result().message();
  EXPECT_EQ(lab.Do("pc-001", "Activate").hresult(), 0u);
}

}  // namespace
}  // namespace keymedic::lab
