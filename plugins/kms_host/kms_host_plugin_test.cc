// SPDX-License-Identifier: Apache-2.0
//
// The plugin "kms_host" over a fake machine.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>

#include "kms/tables.h"
#include "plugins/kms_host/plugin.h"
#include "plugins/systems/fake_systems.h"

namespace keymedic {
namespace {

constexpr char kKmsChannel[] = "Key Management Service";
constexpr int64_t kNow = 1795000000;
// Has the shape of a key and is none.
constexpr char kHostKey[] = "BCDFG-HJKMP-QRTVW-XY234-67K9P";

class KmsHostPluginTest : public testing::Test {
 protected:
  KmsHostPluginTest() {
    machine_.os.set_computer_name("kms1");
    machine_.host.emplace();
    machine_.host->set_enabled(true);
    machine_.host->set_listening_port(1688);
    machine_.host->set_dns_publishing(true);
    machine_.host->set_current_count(12);
    machine_.host->set_log_max_bytes(1 << 20);
    machine_.logs["Application"].clear();
    product().set_channel("VOLUME_KMS_WS22");
    product().set_partial_key("OLDKY");
    Publish();
  }

  v1::Product& product() { return *machine_.licensing.mutable_products(0); }
  void Publish() {
    v1::SrvAnswer answer;
    v1::SrvRecord& record = *answer.add_records();
    record.set_target("kms1.contoso.example");
    record.set_port(machine_.host->listening_port());
    machine_.srv["_vlmcs._tcp.contoso.example"] = answer;
  }
  std::map<std::string, v1::Section> Sections(const v1::CollectRequest& request = {}) {
    last_ = *plugin_.Collect(request);
    std::map<std::string, v1::Section> sections;
    for (const v1::Section& section : last_.sections()) sections[section.name()] = section;
    return sections;
  }
  v1::KmsHostSection HostSection() {
    v1::KmsHostSection host;
    const auto sections = Sections();
    EXPECT_EQ(sections.count("kms_host"), 1u);
    if (sections.count("kms_host")) host.ParseFromString(sections.at("kms_host").payload());
    return host;
  }
  void LogRequest(const std::string& name, const std::string& cmid, int64_t at) {
    machine_.Log(kKmsChannel, 12290,
                 {"0x0,25," + name + "," + cmid +
                  ",2026/11/18 12:00,0,2,100,73111121-5638-40f6-bc11-f1d7b0d64300"},
                 at);
  }

  v1::CommandResult Act(v1::Mode mode, const std::string& action,
                        std::map<std::string, std::string> params = {}) {
    v1::ActRequest request;
    v1::Command& command = *request.mutable_command();
    command.set_plugin("kms_host");
    command.set_action(action);
    command.set_mode(mode);
    command.mutable_params()->insert(params.begin(), params.end());
    if (!key_.empty()) (*command.mutable_secrets())["key"] = key_;
    return plugin_.Act(request)->result();
  }
  v1::CommandResult Treat(const std::string& action,
                          std::map<std::string, std::string> params = {}) {
    machine_.acts.clear();
    const auto check = Act(v1::MODE_CHECK, action, params);
    EXPECT_EQ(check.outcome(), v1::OUTCOME_WOULD_CHANGE) << action << check.message();
    EXPECT_TRUE(machine_.acts.empty()) << "CHECK did something";
    const auto done = Act(v1::MODE_APPLY, action, params);
    EXPECT_EQ(done.outcome(), v1::OUTCOME_CHANGED) << action << done.message();
    EXPECT_EQ(done.check_digest(), check.check_digest());
    EXPECT_EQ(Act(v1::MODE_CHECK, action, params).outcome(), v1::OUTCOME_NO_CHANGE) << action;
    return done;
  }
  void Undo(const v1::CommandResult& done) {
    ASSERT_NE(done.inverse().action(), "");
    const auto& params = done.inverse().params();
    const auto undone = Act(v1::MODE_APPLY, done.inverse().action(),
                            std::map<std::string, std::string>(params.begin(), params.end()));
    EXPECT_EQ(undone.outcome(), v1::OUTCOME_CHANGED) << undone.message();
  }

  systems::FakeMachine machine_ = systems::FakeMachine::Conforming();
  KmsHostPlugin plugin_{systems::MakeFakeSystems(machine_)};
  v1::CollectResponse last_;
  std::string key_;
};

TEST_F(KmsHostPluginTest, SendsWhatItDescribesAndTheSameBytesEachTime) {
  LogRequest("pc-1", "11111111-0000-4000-8000-000000000001", kNow);
  const auto first = Sections();
  const auto second = Sections();
  EXPECT_EQ(first.size(), 2u);
  EXPECT_EQ(first.at("kms_host").payload(), second.at("kms_host").payload());
  EXPECT_EQ(first.at("firewall").payload(), second.at("firewall").payload());
  const auto description = plugin_.Describe();
  for (const kms::TreatmentRow& row : kms::TreatmentRows()) {
    const auto& actions = description.actions();
    const bool has = std::count(actions.begin(), actions.end(), std::string(row.action)) != 0;
    EXPECT_EQ(has, row.plugin == "kms_host") << row.action;
  }
}

TEST_F(KmsHostPluginTest, AMachineThatIsNoHostSendsNothing) {
  LogRequest("pc-1", "11111111-0000-4000-8000-000000000001", kNow);
  machine_.host.reset();
  EXPECT_TRUE(Sections().empty());
  EXPECT_EQ(last_.events_size(), 0);
  EXPECT_EQ(Act(v1::MODE_APPLY, "ensure_listening_port").outcome(), v1::OUTCOME_REFUSED);
}

TEST_F(KmsHostPluginTest, AMachineThatCannotBeAskedIsNotSaidToBeNoHost) {
  machine_.broken["host"] = absl::PermissionDeniedError("access denied (0x80070005)");
  EXPECT_TRUE(absl::IsPermissionDenied(plugin_.Collect({}).status()));
}

TEST_F(KmsHostPluginTest, AHostWhoseServiceIsDisabledIsStillOneAndSaysSo) {
  machine_.broken["host"] = absl::UnavailableError("the service is disabled (0x80070422)");
  machine_.services["sppsvc"] = {.running = false, .disabled = true};
  EXPECT_FALSE(plugin_.Collect({}).ok()) << "nobody knows yet that it is a host";
  machine_.broken.clear();
  EXPECT_EQ(HostSection().current_count(), 12);
  machine_.broken["host"] = absl::UnavailableError("the service is disabled (0x80070422)");
  const v1::KmsHostSection host = HostSection();
  EXPECT_EQ(host.current_count(), 12) << "what it was";
  EXPECT_FALSE(host.service_running());
  EXPECT_TRUE(host.service_disabled());
  machine_.services["sppsvc"] = {.running = true, .disabled = false};
  EXPECT_FALSE(plugin_.Collect({}).ok()) << "it runs and does not answer";
}

TEST_F(KmsHostPluginTest, NoExceptionIsMadeThatWouldBeOfNoUse) {
  v1::FirewallRule& block = *machine_.firewall.add_rules();
  block.set_id("{4F}");
  block.set_enabled(true);
  block.set_inbound_allow(false);
  block.add_tcp_ports(1688);
  const auto blocked = Act(v1::MODE_CHECK, "ensure_firewall_exception");
  EXPECT_EQ(blocked.outcome(), v1::OUTCOME_REFUSED);
  EXPECT_NE(blocked.message().find("'{4F}' blocks TCP 1688"), std::string::npos)
      << blocked.message();
  block.add_profiles("public");
  EXPECT_EQ(Act(v1::MODE_CHECK, "ensure_firewall_exception").outcome(), v1::OUTCOME_WOULD_CHANGE)
      << "elsewhere";
  machine_.firewall.set_local_rules_ignored(true);
  const auto ignored = Act(v1::MODE_CHECK, "ensure_firewall_exception");
  EXPECT_EQ(ignored.outcome(), v1::OUTCOME_REFUSED);
  EXPECT_NE(ignored.message().find("group policy"), std::string::npos) << ignored.message();
  machine_.firewall.mutable_rules(0)->set_enabled(true);
  EXPECT_EQ(Act(v1::MODE_CHECK, "ensure_firewall_exception").outcome(), v1::OUTCOME_REFUSED);
  machine_.firewall.mutable_rules(0)->set_of_policy(true);
  EXPECT_EQ(Act(v1::MODE_CHECK, "ensure_firewall_exception").outcome(), v1::OUTCOME_NO_CHANGE);
}

TEST_F(KmsHostPluginTest, AFirewallThatCannotBeAskedIsSaid) {
  machine_.broken["firewall"] = absl::UnimplementedError("no class (0x80041010)");
  v1::FirewallSection firewall;
  ASSERT_TRUE(firewall.ParseFromString(Sections().at("firewall").payload()));
  EXPECT_EQ(firewall.unavailable(), "no class (0x80041010)");
  EXPECT_FALSE(firewall.has_enabled());
}

TEST_F(KmsHostPluginTest, FoldsRequestsAndPublications) {
  LogRequest("pc-1", "11111111-0000-4000-8000-000000000001", kNow);
  LogRequest("pc-2", "11111111-0000-4000-8000-000000000001", kNow + 60);
  machine_.Log("Application", 12293, {"0x80072338", "contoso.example"}, kNow);
  const v1::KmsHostSection host = HostSection();
  EXPECT_EQ(host.current_count(), 12);
  ASSERT_EQ(host.requests_size(), 1);
  EXPECT_EQ(host.requests(0).machine_names_size(), 2);
  ASSERT_EQ(host.publications_size(), 1);
  EXPECT_TRUE(host.service_running());
  EXPECT_FALSE(host.service_disabled());
  EXPECT_EQ(last_.events_size(), 2) << "those of Application are handed out by kms_client";
}

TEST_F(KmsHostPluginTest, ServiceIsEnabledAndStarted) {
  EXPECT_EQ(Act(v1::MODE_APPLY, "ensure_service").outcome(), v1::OUTCOME_NO_CHANGE);
  machine_.services["sppsvc"] = {.running = false, .disabled = true};
  Undo(Treat("ensure_service"));
  EXPECT_TRUE(machine_.services["sppsvc"].disabled);
  machine_.services["sppsvc"] = {.running = false, .disabled = false};
  EXPECT_FALSE(Treat("ensure_service").has_inverse()) << "a stopped service is no desired state";
}

TEST_F(KmsHostPluginTest, TheRuleThatWindowsBringsIsEnabled) {
  const auto done = Treat("ensure_firewall_exception");
  EXPECT_EQ(machine_.acts, std::vector<std::string>{"SetRuleEnabled SPPSVC-In-TCP 1"});
  Undo(done);
  EXPECT_FALSE(machine_.firewall.rules(0).enabled());
}

TEST_F(KmsHostPluginTest, AnotherPortAnotherProfileOrNoRuleNeedsOneOfOurOwn) {
  machine_.host->set_listening_port(1700);
  const auto done = Treat("ensure_firewall_exception");
  ASSERT_EQ(machine_.firewall.rules_size(), 2);
  EXPECT_EQ(machine_.firewall.rules(1).id(), "KeyMedic-KMS-In-TCP");
  EXPECT_EQ(machine_.firewall.rules(1).tcp_ports(0), 1700u);
  Undo(done);
  EXPECT_EQ(machine_.firewall.rules_size(), 1);

  machine_.host->set_listening_port(1688);
  machine_.firewall.mutable_rules(0)->set_enabled(true);
  machine_.firewall.mutable_rules(0)->add_profiles("private");
  Undo(Treat("ensure_firewall_exception"));
  machine_.firewall.clear_rules();
  Undo(Treat("ensure_firewall_exception"));
  EXPECT_EQ(machine_.firewall.rules_size(), 0);
}

TEST_F(KmsHostPluginTest, ARuleOfOursWithAnOldPortIsReplaced) {
  machine_.host->set_listening_port(1700);
  Treat("ensure_firewall_exception");
  machine_.host->set_listening_port(1701);
  const auto done = Treat("ensure_firewall_exception");
  ASSERT_EQ(machine_.firewall.rules_size(), 2);
  EXPECT_EQ(machine_.firewall.rules(1).tcp_ports(0), 1701u);
  Undo(done);
  ASSERT_EQ(machine_.firewall.rules_size(), 2);
  EXPECT_EQ(machine_.firewall.rules(1).tcp_ports(0), 1700u);
  EXPECT_TRUE(machine_.firewall.rules(1).enabled());

  machine_.firewall.mutable_rules(1)->set_enabled(false);
  const std::string before = machine_.firewall.DebugString();
  Undo(Treat("ensure_firewall_exception"));
  EXPECT_EQ(machine_.firewall.DebugString(), before);
}

TEST_F(KmsHostPluginTest, TheExceptionIsForThePortThatIsAskedFor) {
  machine_.host->set_listening_port(1699);
  Treat("ensure_firewall_exception", {{"port", "1688"}});
  EXPECT_EQ(machine_.acts, std::vector<std::string>{"SetRuleEnabled SPPSVC-In-TCP 1"});
  EXPECT_EQ(Act(v1::MODE_CHECK, "ensure_firewall_exception", {{"port", "0"}}).outcome(),
            v1::OUTCOME_REFUSED);
}

TEST_F(KmsHostPluginTest, NoRuleButThoseTwoIsEverClosed) {
  EXPECT_EQ(Act(v1::MODE_APPLY, "ensure_firewall_exception",
                {{"enabled", "false"}, {"rule", "RemoteDesktop-In-TCP"}})
                .outcome(),
            v1::OUTCOME_REFUSED);
}

TEST_F(KmsHostPluginTest, ListeningPortIsInEffectAfterARestartOfTheService) {
  machine_.host->set_listening_port(1700);
  const auto done = Treat("ensure_listening_port");
  EXPECT_EQ(machine_.acts,
            (std::vector<std::string>{"SetListeningPort 1688", "RestartService sppsvc"}));
  Undo(done);
  EXPECT_EQ(machine_.host->listening_port(), 1700u);
  EXPECT_EQ(Act(v1::MODE_CHECK, "ensure_listening_port", {{"port", "99999"}}).outcome(),
            v1::OUTCOME_REFUSED);
}

TEST_F(KmsHostPluginTest, PublishingIsSwitchedOnAndBack) {
  machine_.host->set_dns_publishing(false);
  Undo(Treat("ensure_dns_publishing"));
  EXPECT_FALSE(machine_.host->dns_publishing());
  machine_.host->set_dns_publishing(true);
  Undo(Treat("ensure_dns_publishing", {{"enabled", "false"}}));
  EXPECT_TRUE(machine_.host->dns_publishing());
}

TEST_F(KmsHostPluginTest, AMissingRecordIsPublishedAgainByTheServicesStart) {
  machine_.srv.clear();
  machine_.on_act["RestartService"] = [this] { Publish(); };
  Treat("ensure_dns_publishing");
  EXPECT_EQ(machine_.acts, std::vector<std::string>{"RestartService sppsvc"});
}

TEST_F(KmsHostPluginTest, ARecordThatDnsRefusesIsAFailureWithTheCode) {
  machine_.srv.clear();
  machine_.on_act["RestartService"] = [this] {
    machine_.Log("Application", 12293, {"0x80072338", "contoso.example"}, kNow);
  };
  const auto result = Act(v1::MODE_APPLY, "ensure_dns_publishing");
  EXPECT_EQ(result.outcome(), v1::OUTCOME_FAILED) << result.message();
  EXPECT_EQ(result.error_code(), 0x80072338u);
}

TEST_F(KmsHostPluginTest, ANameServerThatCannotTellIsNoReasonToRestartAnything) {
  machine_.srv["_vlmcs._tcp.contoso.example"].clear_records();
  machine_.srv["_vlmcs._tcp.contoso.example"].set_error(0x800705B4);
  EXPECT_EQ(Act(v1::MODE_CHECK, "ensure_dns_publishing").outcome(), v1::OUTCOME_NO_CHANGE);
}

TEST_F(KmsHostPluginTest, TheLogIsEnlargedNeverCutButToTakeThatBack) {
  machine_.host->set_log_max_bytes(1052672);  // no whole step, as Windows has it
  const auto done = Treat("ensure_log_size");
  Undo(done);
  EXPECT_EQ(machine_.log_max_bytes[kKmsChannel], 1052672u);
  machine_.host->set_log_max_bytes(1114112);  // what Windows makes of it
  const auto& params = done.inverse().params();
  EXPECT_EQ(Act(v1::MODE_APPLY, "ensure_log_size", {params.begin(), params.end()}).outcome(),
            v1::OUTCOME_NO_CHANGE);
  Treat("ensure_log_size");
  EXPECT_EQ(machine_.log_max_bytes[kKmsChannel], 64u << 20);
  EXPECT_EQ(Act(v1::MODE_CHECK, "ensure_log_size", {{"max_bytes", "2097152"}}).outcome(),
            v1::OUTCOME_NO_CHANGE);
  machine_.host->clear_log_max_bytes();
  EXPECT_EQ(Act(v1::MODE_CHECK, "ensure_log_size").outcome(), v1::OUTCOME_FAILED);
}

TEST_F(KmsHostPluginTest, HostKeyComesFromASecretAndIsNeverSaid) {
  const auto without = Act(v1::MODE_CHECK, "ensure_host_key");
  EXPECT_EQ(without.outcome(), v1::OUTCOME_REFUSED);
  EXPECT_NE(without.message().find("keymedic host-keys set"), std::string::npos)
      << without.message();
  key_ = kHostKey;
  const auto done = Treat("ensure_host_key");
  EXPECT_EQ(machine_.acts, (std::vector<std::string>{"InstallKey 67K9P", "RestartService sppsvc"}));
  EXPECT_EQ(done.changes(0).before(), "OLDKY");
  EXPECT_EQ(done.changes(0).after(), "67K9P");
  EXPECT_EQ(done.DebugString().find("HJKMP"), std::string::npos);
  key_ = "not a key";
  EXPECT_EQ(Act(v1::MODE_APPLY, "ensure_host_key").outcome(), v1::OUTCOME_REFUSED);
  key_ = std::string(kms::Gvlks()[0].key);
  const auto client_key = Act(v1::MODE_APPLY, "ensure_host_key");
  EXPECT_EQ(client_key.outcome(), v1::OUTCOME_REFUSED);
  EXPECT_EQ(client_key.message().find(key_), std::string::npos);
}

TEST_F(KmsHostPluginTest, LeavesDiagnosisToTheOther) {
  v1::DiagnoseRequest request;
  for (const auto& [name, section] : Sections()) *request.add_sections() = section;
  EXPECT_TRUE(plugin_.Diagnose(request)->findings().empty());
}

}  // namespace
}  // namespace keymedic
