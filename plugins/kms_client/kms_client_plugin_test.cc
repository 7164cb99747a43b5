// SPDX-License-Identifier: Apache-2.0
//
// The plugin "kms_client" over a fake machine.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>

#include "base/hash.h"
#include "kms/tables.h"
#include "plugins/kms_client/plugin.h"
#include "plugins/systems/fake_systems.h"

namespace keymedic {
namespace {

constexpr int64_t kNow = 1795000000;
constexpr int64_t kDay = 86400;
constexpr char kCmid[] = "11111111-0000-4000-8000-000000000001";

class TestClock final : public Clock {
 public:
  absl::Time Now() const override { return now; }
  absl::Time now = absl::FromUnixSeconds(kNow);
};

class KmsClientPluginTest : public testing::Test {
 protected:
  KmsClientPluginTest() {
    product().set_partial_key(std::string(kms::GvlkForEdition("Enterprise", 22631)->partial_key));
    product().mutable_expires_at()->set_seconds(kNow + 178 * kDay);
    machine_.logs["Application"].clear();
  }

  v1::Product& product() { return *machine_.licensing.mutable_products(0); }
  KmsClientPlugin& plugin() {
    if (plugin_ == nullptr) {
      plugin_ = std::make_unique<KmsClientPlugin>(systems::MakeFakeSystems(machine_), clock_);
    }
    return *plugin_;
  }
  void Restart() { plugin_.reset(); }

  std::map<std::string, v1::Section> Sections(const v1::CollectRequest& request = {}) {
    last_ = *plugin().Collect(request);
    std::map<std::string, v1::Section> sections;
    for (const v1::Section& section : last_.sections()) {
      EXPECT_TRUE(sections.emplace(section.name(), section).second) << section.name();
      EXPECT_EQ(section.sha256(), Sha256(section.payload()));
    }
    return sections;
  }
  template <typename Message>
  Message Get(const std::string& name) {
    const auto sections = Sections();
    Message message;
    const auto found = sections.find(name);
    EXPECT_NE(found, sections.end()) << name;
    if (found == sections.end()) return message;
    EXPECT_EQ(found->second.type(), message.GetTypeName());
    EXPECT_TRUE(message.ParseFromString(found->second.payload()));
    return message;
  }
  void AddSrv(const std::string& domain, std::vector<std::string> targets) {
    v1::SrvAnswer& answer = machine_.srv["_vlmcs._tcp." + domain];
    for (const std::string& target : targets) {
      v1::SrvRecord& record = *answer.add_records();
      record.set_target(target);
      record.set_port(1688);
    }
  }
  void LogAttempt(const std::string& error, int64_t at) {
    machine_.Log("Application", 12288,
                 {error + ", 0x00000000, kms.contoso.example:1688, " + kCmid +
                  ", 2026/11/18 12:00, 0, 5, 0, 73111121-5638-40f6-bc11-f1d7b0d64300, 25"},
                 at);
  }

  v1::CommandResult Act(v1::Mode mode, const std::string& action,
                        std::map<std::string, std::string> params = {},
                        const std::string& digest = "") {
    v1::ActRequest request;
    v1::Command& command = *request.mutable_command();
    command.set_id("c-1");
    command.set_plugin("kms_client");
    command.set_action(action);
    command.set_mode(mode);
    command.mutable_params()->insert(params.begin(), params.end());
    command.set_expected_check_digest(digest);
    return plugin().Act(request)->result();
  }
  // CHECK, then what was approved, then CHECK again: the life of a good treatment.
  v1::CommandResult Treat(const std::string& action,
                          std::map<std::string, std::string> params = {}) {
    const auto check = Act(v1::MODE_CHECK, action, params);
    EXPECT_EQ(check.outcome(), v1::OUTCOME_WOULD_CHANGE) << action << check.message();
    EXPECT_TRUE(machine_.acts.empty()) << "CHECK did something";
    const auto done = Act(v1::MODE_APPLY, action, params, check.check_digest());
    EXPECT_EQ(done.outcome(), v1::OUTCOME_CHANGED) << action << done.message();
    EXPECT_EQ(Act(v1::MODE_CHECK, action, params).outcome(), v1::OUTCOME_NO_CHANGE) << action;
    return done;
  }
  // The inverse of a result brings the machine back.
  void Undo(const v1::CommandResult& done) {
    ASSERT_NE(done.inverse().action(), "");
    const auto& params = done.inverse().params();
    const auto undone = Act(v1::MODE_APPLY, done.inverse().action(),
                            std::map<std::string, std::string>(params.begin(), params.end()));
    EXPECT_EQ(undone.outcome(), v1::OUTCOME_CHANGED) << undone.message();
  }

  TestClock clock_;
  systems::FakeMachine machine_ = systems::FakeMachine::Conforming();
  std::unique_ptr<KmsClientPlugin> plugin_;
  v1::CollectResponse last_;
};

TEST_F(KmsClientPluginTest, SendsWhatItDescribes) {
  AddSrv("contoso.example", {"kms.contoso.example"});
  const v1::PluginDescription description = plugin().Describe();
  EXPECT_EQ(description.name(), "kms_client");
  std::vector<std::string> sent;
  for (const auto& [name, section] : Sections()) sent.push_back(name);
  std::vector<std::string> described(description.sections().begin(), description.sections().end());
  std::sort(described.begin(), described.end());
  EXPECT_EQ(sent, described);
  for (const kms::TreatmentRow& row : kms::TreatmentRows()) {
    const auto& actions = description.actions();
    const bool has = std::count(actions.begin(), actions.end(), std::string(row.action)) != 0;
    EXPECT_EQ(has, row.plugin == "kms_client") << row.action;
  }
}

TEST_F(KmsClientPluginTest, LookingAgainGivesTheSameBytes) {
  AddSrv("contoso.example", {"kms2.contoso.example", "kms1.contoso.example"});
  LogAttempt("0x00000000", kNow - kDay);
  product().mutable_expires_at()->set_nanos(123456789);
  machine_.os.set_clock_skew_minutes(7);
  const auto first = Sections();
  // What wobbles from look to look: seconds of computed instants, the order of DNS answers.
  product().mutable_expires_at()->set_seconds(product().expires_at().seconds() + 9);
  machine_.os.set_clock_skew_minutes(8);
  auto& records = *machine_.srv["_vlmcs._tcp.contoso.example"].mutable_records();
  std::swap(records[0], records[1]);
  clock_.now += absl::Hours(3);
  const auto second = Sections(v1::CollectRequest());
  Restart();
  const auto third = Sections();
  ASSERT_EQ(first.size(), 5u);
  for (const auto& [name, section] : first) {
    EXPECT_EQ(section.payload(), second.at(name).payload()) << name;
    EXPECT_EQ(section.payload(), third.at(name).payload()) << name << " after a restart";
  }
}

TEST_F(KmsClientPluginTest, ALicensedClientTellsWhenItWasActivated) {
  EXPECT_EQ(Get<v1::KmsClientSection>("kms_client").last_activation_at().seconds() / 60,
            (kNow - 2 * kDay + 30) / 60);
  product().set_status(v1::LICENSE_STATUS_NOTIFICATION);
  EXPECT_FALSE(Get<v1::KmsClientSection>("kms_client").has_last_activation_at());
}

TEST_F(KmsClientPluginTest, AttemptsAreFoldedAndEventsHandedOutOnce) {
  LogAttempt("0x800706BA", kNow - kDay);
  auto client = Get<v1::KmsClientSection>("kms_client");
  ASSERT_EQ(client.attempts_size(), 1);
  EXPECT_EQ(client.attempts(0).error(), 0x800706BAu);
  EXPECT_EQ(client.client_machine_id(), kCmid) << "the live state stays";
  EXPECT_EQ(last_.events_size(), 1);
  ASSERT_EQ(last_.bookmarks_size(), 1);

  v1::CollectRequest request;
  *request.mutable_bookmarks() = last_.bookmarks();
  Restart();
  const auto sections = Sections(request);
  EXPECT_EQ(last_.events_size(), 0) << "the agent has them";
  ASSERT_TRUE(client.ParseFromString(sections.at("kms_client").payload()));
  EXPECT_EQ(client.attempts_size(), 1) << "but the section still knows them";
}

TEST_F(KmsClientPluginTest, NamesAreAskedInEveryDomainThatCounts) {
  machine_.os.set_dns_domain("Contoso.example");
  machine_.suffixes = {"contoso.example", "corp.example"};
  machine_.client.set_lookup_domain("kms.example");
  const auto names = Get<v1::NamesSection>("names");
  ASSERT_EQ(names.answers_size(), 3);
  EXPECT_EQ(names.answers(0).name(), "_vlmcs._tcp.kms.example");
  EXPECT_EQ(names.answers(1).name(), "_vlmcs._tcp.Contoso.example");
  EXPECT_EQ(names.answers(2).name(), "_vlmcs._tcp.corp.example");
  EXPECT_EQ(names.answers(0).error(), 0x8007232Bu);
  EXPECT_FALSE(names.no_name_server());
  EXPECT_EQ(names.suffixes_size(), 2);
}

TEST_F(KmsClientPluginTest, ProbesTheRegisteredHostOrTheOnesThatDnsNames) {
  AddSrv("contoso.example", {"a.example", "b.example", "c.example", "d.example", "e.example"});
  machine_.endpoints["a.example:1688"] = v1::PROBE_RESULT_KMS;
  auto probes = Get<v1::ProbesSection>("probes");
  ASSERT_EQ(probes.probes_size(), 4) << "not the whole world";
  EXPECT_EQ(probes.probes(0).host(), "a.example");
  EXPECT_EQ(probes.probes(0).result(), v1::PROBE_RESULT_KMS);
  machine_.client.set_registered_host("old.example");
  probes = Get<v1::ProbesSection>("probes");
  ASSERT_EQ(probes.probes_size(), 1);
  EXPECT_EQ(probes.probes(0).host(), "old.example");
  EXPECT_EQ(probes.probes(0).port(), 1688u);
  product().set_channel("VOLUME_MAK");
  EXPECT_EQ(Sections().count("probes"), 0u) << "no KMS client";
}

TEST_F(KmsClientPluginTest, ProbesTheRememberedHostFirst) {
  machine_.client.set_discovered_host("remembered.example");
  machine_.client.set_discovered_port(1690);
  machine_.client.set_host_caching(true);
  const auto probes = Get<v1::ProbesSection>("probes");
  ASSERT_EQ(probes.probes_size(), 1);
  EXPECT_EQ(probes.probes(0).host(), "remembered.example");
  EXPECT_EQ(probes.probes(0).port(), 1690u);
  machine_.client.set_host_caching(false);
  EXPECT_EQ(Sections().count("probes"), 0u) << "it remembers nothing";
  machine_.client.set_host_caching(true);
  AddSrv("contoso.example", {"a.example"});
  const auto both = Get<v1::ProbesSection>("probes");
  ASSERT_EQ(both.probes_size(), 2);
  EXPECT_EQ(both.probes(0).host(), "remembered.example");
  EXPECT_EQ(both.probes(1).host(), "a.example");
}

TEST_F(KmsClientPluginTest, ASeamThatFailsTakesOnlyItsOwnWithIt) {
  AddSrv("contoso.example", {"kms.contoso.example"});
  machine_.broken["licensing"] = absl::UnavailableError("sppsvc does not answer");
  const auto licensing = Get<v1::LicensingSection>("licensing");
  EXPECT_EQ(licensing.unavailable(), "sppsvc does not answer");
  EXPECT_TRUE(licensing.products().empty());
  EXPECT_EQ(Sections().count("kms_client"), 1u);
  machine_.broken = {{"client", absl::UnavailableError("x")}, {"os", absl::UnavailableError("x")}};
  EXPECT_EQ(Sections().count("kms_client"), 0u);
  EXPECT_EQ(Sections().count("os"), 0u);
  EXPECT_EQ(Sections().count("licensing"), 1u);
  machine_.broken = {{"names", absl::UnavailableError("x")},
                     {"events", absl::UnavailableError("x")}};
  EXPECT_EQ(Sections().count("names"), 0u);
  EXPECT_EQ(Sections().count("kms_client"), 1u);
}

TEST_F(KmsClientPluginTest, OnAMachineWithoutVolumeActivation) {
  const auto local = KmsClientPlugin(*systems::OpenSystems("local"), clock_).Collect({});
  ASSERT_TRUE(local.ok());
  v1::LicensingSection licensing;
  for (const auto& section : local->sections()) {
    EXPECT_NE(section.name(), "kms_client");
    if (section.name() == "licensing") licensing.ParseFromString(section.payload());
  }
  // What a machine answers that has none is its system's text, on Windows that of WMI.
  EXPECT_FALSE(licensing.unavailable().empty());
}

TEST_F(KmsClientPluginTest, DiscoveryAndHostAreEachOthersInverse) {
  machine_.client.set_registered_host("dead.example");
  const auto cleared = Treat("ensure_discovery");
  EXPECT_EQ(machine_.client.registered_host(), "");
  Undo(cleared);
  EXPECT_EQ(machine_.client.registered_host(), "dead.example");
  EXPECT_EQ(machine_.client.registered_port(), 1688u);

  machine_.acts.clear();
  const auto moved = Treat("ensure_host", {{"host", "kms.example"}, {"port", "1700"}});
  EXPECT_EQ(machine_.acts, std::vector<std::string>{"SetKmsHost kms.example:1700"});
  Undo(moved);
  EXPECT_EQ(machine_.client.registered_host(), "dead.example");
  EXPECT_EQ(Act(v1::MODE_CHECK, "ensure_host").outcome(), v1::OUTCOME_REFUSED);
  machine_.client.clear_registered_host();
  EXPECT_EQ(Act(v1::MODE_APPLY, "ensure_discovery").outcome(), v1::OUTCOME_FAILED)
      << "not known is not 'not pinned'";
}

TEST_F(KmsClientPluginTest, CachingTypeAndClock) {
  machine_.client.set_host_caching(false);
  Undo(Treat("ensure_host_caching"));
  EXPECT_FALSE(machine_.client.host_caching());
  machine_.acts.clear();
  machine_.client.set_activation_type(v1::ACTIVATION_TYPE_DIRECTORY);
  Undo(Treat("ensure_activation_type", {{"type", "kms"}}));
  EXPECT_EQ(machine_.client.activation_type(), v1::ACTIVATION_TYPE_DIRECTORY);
  EXPECT_EQ(Act(v1::MODE_APPLY, "ensure_activation_type", {{"type", "both"}}).outcome(),
            v1::OUTCOME_REFUSED);
  machine_.acts.clear();
  machine_.os.set_clock_skew_minutes(300);
  EXPECT_FALSE(Treat("ensure_clock").has_inverse());
}

TEST_F(KmsClientPluginTest, ClientKeyIsTheEditionsOwn) {
  product().set_partial_key("AAAAA");
  product().set_channel("VOLUME_MAK");
  const auto done = Treat("ensure_client_key");
  const std::string wanted(kms::GvlkForEdition("Enterprise", 22631)->partial_key);
  EXPECT_EQ(machine_.acts, std::vector<std::string>{"InstallKey " + wanted});
  EXPECT_EQ(done.changes(0).before(), "AAAAA");
  EXPECT_EQ(done.changes(0).after(), wanted);
  EXPECT_FALSE(done.has_inverse());
  EXPECT_EQ(done.DebugString().find(std::string(kms::GvlkForEdition("Enterprise", 22631)->key)),
            std::string::npos);
}

TEST_F(KmsClientPluginTest, AKeyThatTheServiceRefusesFailsWithItsMeaning) {
  product().set_partial_key("AAAAA");
  machine_.refuse["InstallKey"] = 0xC004F069;
  const auto result = Act(v1::MODE_APPLY, "ensure_client_key");
  EXPECT_EQ(result.outcome(), v1::OUTCOME_FAILED);
  EXPECT_EQ(result.error_code(), 0xC004F069u);
  EXPECT_NE(result.message().find(std::string(kms::ErrorMeaning(0xC004F069))), std::string::npos);
}

TEST_F(KmsClientPluginTest, NoClientKeyWhereThereIsNoneOrItWouldDoHarm) {
  product().set_partial_key("AAAAA");
  machine_.os.set_edition_id("Core");
  auto result = Act(v1::MODE_APPLY, "ensure_client_key");
  EXPECT_EQ(result.outcome(), v1::OUTCOME_REFUSED);
  EXPECT_NE(result.message().find("Enterprise"), std::string::npos)
      << "says which editions can: " << result.message();
  machine_.os.set_edition_id("Enterprise");
  product().set_channel("VOLUME_KMS_WS22");
  EXPECT_EQ(Act(v1::MODE_APPLY, "ensure_client_key").outcome(), v1::OUTCOME_REFUSED);
  machine_.os.clear_edition_id();
  EXPECT_EQ(Act(v1::MODE_APPLY, "ensure_client_key").outcome(), v1::OUTCOME_FAILED);
  EXPECT_TRUE(machine_.acts.empty());
}

TEST_F(KmsClientPluginTest, ANewMachineIdCostsOneRearm) {
  const std::map<std::string, std::string> params = {{"client_machine_id", kCmid}};
  const auto done = Treat("reset_machine_id", params);
  EXPECT_TRUE(done.restart_required());
  EXPECT_EQ(machine_.acts, (std::vector<std::string>{"Rearm", "Restart"}));
  EXPECT_EQ(Act(v1::MODE_APPLY, "reset_machine_id", params).outcome(), v1::OUTCOME_NO_CHANGE);
  EXPECT_EQ(machine_.acts.size(), 2u);

  machine_.licensing.set_windows_rearms_left(0);
  const auto refused = Act(v1::MODE_APPLY, "reset_machine_id");
  EXPECT_EQ(refused.outcome(), v1::OUTCOME_REFUSED);
  EXPECT_EQ(refused.error_code(), 0xC004D307u);
  EXPECT_EQ(machine_.acts.size(), 2u);
}

TEST_F(KmsClientPluginTest, ARearmThatWasCutOffBeforeTheRestartIsNotRepeated) {
  const std::map<std::string, std::string> params = {{"client_machine_id", kCmid}};
  machine_.licensing.set_windows_rearms_left(1);
  const std::string digest = Act(v1::MODE_CHECK, "reset_machine_id", params).check_digest();
  machine_.broken["restart"] = absl::UnavailableError("no privilege (0x80070522)");
  const auto cut_off = Act(v1::MODE_APPLY, "reset_machine_id", params, digest);
  EXPECT_EQ(cut_off.outcome(), v1::OUTCOME_FAILED);
  EXPECT_NE(cut_off.message().find("restart it by hand"), std::string::npos) << cut_off.message();
  ASSERT_EQ(machine_.licensing.windows_rearms_left(), 0u);
  Restart();  // the plugin's process died, too

  machine_.broken.clear();
  const auto check = Act(v1::MODE_CHECK, "reset_machine_id", params);
  EXPECT_EQ(check.outcome(), v1::OUTCOME_WOULD_CHANGE) << check.message();
  EXPECT_TRUE(check.restart_required());
  EXPECT_NE(check.message().find("only the restart is missing"), std::string::npos)
      << check.message();
  const auto done = Act(v1::MODE_APPLY, "reset_machine_id", params, digest);
  EXPECT_EQ(done.outcome(), v1::OUTCOME_CHANGED) << done.message();
  EXPECT_EQ(machine_.acts, (std::vector<std::string>{"Rearm", "Restart"}));
  EXPECT_NE(machine_.client.client_machine_id(), kCmid);
  EXPECT_EQ(Act(v1::MODE_APPLY, "reset_machine_id", params).outcome(), v1::OUTCOME_NO_CHANGE);
}

TEST_F(KmsClientPluginTest, ActivatesOnceAndOnlyIfThereIsNeed) {
  EXPECT_EQ(Act(v1::MODE_APPLY, "activate").outcome(), v1::OUTCOME_NO_CHANGE);
  EXPECT_TRUE(machine_.acts.empty()) << "never a request just for the count";
  product().set_status(v1::LICENSE_STATUS_NOTIFICATION);
  Treat("activate");
  EXPECT_EQ(machine_.acts,
            std::vector<std::string>{"Activate 73111121-5638-40f6-bc11-f1d7b0d64300"});
}

TEST_F(KmsClientPluginTest, ARenewalThatIsOverdueIsAReason) {
  product().mutable_expires_at()->set_seconds(kNow + 166 * kDay + 60);
  EXPECT_EQ(Act(v1::MODE_CHECK, "activate").outcome(), v1::OUTCOME_NO_CHANGE) << "14 days";
  product().mutable_expires_at()->set_seconds(kNow + 165 * kDay);
  EXPECT_EQ(Act(v1::MODE_CHECK, "activate").outcome(), v1::OUTCOME_WOULD_CHANGE);
}

TEST_F(KmsClientPluginTest, AnActivationThatDoesNotCountIsFollowedByANewerOne) {
  const std::map<std::string, std::string> after = {
      {"after", absl::FormatTime(absl::RFC3339_sec, absl::FromUnixSeconds(kNow - 2 * kDay),
                                 absl::UTCTimeZone())}};
  product().mutable_expires_at()->set_seconds(kNow + 178 * kDay + 50);  // as the service tells it
  EXPECT_EQ(Act(v1::MODE_CHECK, "activate").outcome(), v1::OUTCOME_NO_CHANGE);
  machine_.on_act["Activate"] = [this] {
    product().mutable_expires_at()->set_seconds(kNow + 180 * kDay);
  };
  Treat("activate", after);
  EXPECT_EQ(machine_.acts.size(), 1u);
  EXPECT_EQ(Act(v1::MODE_APPLY, "activate", after).outcome(), v1::OUTCOME_NO_CHANGE);
  EXPECT_EQ(machine_.acts.size(), 1u) << "once";

  machine_.on_act.clear();
  product().mutable_expires_at()->set_seconds(kNow + 178 * kDay);
  EXPECT_EQ(Act(v1::MODE_APPLY, "activate", after).outcome(), v1::OUTCOME_FAILED)
      << "it says that it was activated, and is not";
  const auto refused = Act(v1::MODE_CHECK, "activate", {{"after", "yesterday"}});
  EXPECT_EQ(refused.outcome(), v1::OUTCOME_REFUSED);
  EXPECT_NE(refused.message().find("'yesterday'"), std::string::npos) << refused.message();
}

TEST_F(KmsClientPluginTest, AHostThatNobodyApprovedIsNotRegisteredAgain) {
  machine_.client.set_registered_host("rogue.example");
  EXPECT_FALSE(Treat("ensure_discovery", {{"undo", "false"}}).has_inverse());
  EXPECT_EQ(machine_.client.registered_host(), "");
}

TEST_F(KmsClientPluginTest, AFailedActivationNamesTheCauseInsideTheWrapper) {
  product().set_status(v1::LICENSE_STATUS_NOTIFICATION);
  machine_.refuse["Activate"] = 0xC004F074;
  LogAttempt("0x8007232B", kNow - kDay);
  LogAttempt("0x800706BA", kNow);
  const auto result = Act(v1::MODE_APPLY, "activate", {}, "digest of before the key was changed");
  EXPECT_EQ(result.outcome(), v1::OUTCOME_FAILED);
  EXPECT_EQ(result.error_code(), 0xC004F074u);
  EXPECT_NE(result.message().find("0x800706BA"), std::string::npos) << result.message();
  EXPECT_EQ(machine_.acts.size(), 1u) << "one honest attempt";
}

TEST_F(KmsClientPluginTest, AnUnknownActionIsRefusedByName) {
  const auto result = Act(v1::MODE_APPLY, "ensure_world_peace");
  EXPECT_EQ(result.outcome(), v1::OUTCOME_REFUSED);
  EXPECT_NE(result.message().find("ensure_world_peace"), std::string::npos);
}

TEST_F(KmsClientPluginTest, DiagnosesOneMachineAlone) {
  product().set_partial_key("AAAAA");
  product().set_channel("VOLUME_MAK");
  product().set_description("Windows(R) Operating System, VOLUME_MAK channel");
  v1::DiagnoseRequest request;
  for (const auto& [name, section] : Sections()) *request.add_sections() = section;
  const auto response = plugin().Diagnose(request);
  ASSERT_TRUE(response.ok()) << response.status();
  std::vector<std::string> codes;
  for (const auto& finding : response->findings()) codes.push_back(finding.code());
  EXPECT_NE(std::find(codes.begin(), codes.end(), "CLIENT_KEY_NOT_GVLK"), codes.end());
  request.add_sections()->set_name("nonsense");
  EXPECT_FALSE(plugin().Diagnose(request).ok());
}

}  // namespace
}  // namespace keymedic
