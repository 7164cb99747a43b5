// SPDX-License-Identifier: Apache-2.0
#include "agent/config.h"
#include "agent/diagnose.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace keymedic::agent {
namespace {

using ::testing::HasSubstr;

std::string ErrorOf(const std::string& text) {
  Config config;
  return std::string(ParseConfig("agent.toml", text, config).message());
}

TEST(ConfigTest, ReadsWhatItKnows) {
  Config config;
  const absl::Status status = ParseConfig("agent.toml", R"(
state_dir = "/srv/keymedic"
collect_interval_seconds = 60
reconnect_seconds = 45
[labels]
site = "berlin"
[plugins]
system = "lab:unix:/run/lab.sock#pc-017"
memory_limit_mb = 64
[plugins.settings]
"wmi.timeout" = "30"
)",
                                          config);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(config.state_dir, "/srv/keymedic");
  EXPECT_EQ(config.collect_interval, absl::Minutes(1));
  EXPECT_EQ(config.reconnect, absl::Seconds(45));
  EXPECT_EQ(config.labels.at("site"), "berlin");
  EXPECT_EQ(config.system, "lab:unix:/run/lab.sock#pc-017");
  EXPECT_EQ(config.memory_limit_mb, 64u);
  EXPECT_EQ(config.plugin_settings.at("wmi.timeout"), "30");
  EXPECT_EQ(config.plugin_timeout, absl::Seconds(60));
}

TEST(ConfigTest, ErrorsNameFileLineAndKey) {
  EXPECT_EQ(ErrorOf("\nstate_dri = \"/x\""), "agent.toml:2: unknown key state_dri");
  EXPECT_THAT(ErrorOf("[plugins]\nhots = \"x\""),
              HasSubstr("agent.toml:2: unknown key plugins.hots"));
  EXPECT_THAT(ErrorOf("collect_interval_seconds = 0"), HasSubstr("collect_interval_seconds"));
  EXPECT_THAT(ErrorOf("labels = 3"), HasSubstr("labels"));
  EXPECT_THAT(ErrorOf("[plugins.settings]\nn = 3"), HasSubstr("agent.toml:1: plugins.settings"));
  EXPECT_THAT(ErrorOf("this is = = no toml"), HasSubstr("agent.toml:1"));
}

// Two plugins; both see the same fault, one sees one more.
class FaultyPlugins final : public PluginRunner {
 public:
  absl::Status collect_status;

  absl::StatusOr<v1::ListResponse> List() override {
    v1::ListResponse response;
    response.add_plugins()->mutable_description()->set_name("one");
    response.add_plugins()->mutable_description()->set_name("two");
    auto& refused = *response.add_plugins();
    refused.set_path("bad.so");
    refused.set_error("bad.so: wrong version");
    return response;
  }
  absl::StatusOr<v1::CollectResponse> Collect(const std::string& plugin, const v1::CollectRequest&,
                                              absl::Duration) override {
    if (!collect_status.ok()) return collect_status;
    v1::CollectResponse response;
    response.add_sections()->set_name(plugin);
    return response;
  }
  absl::StatusOr<v1::ActResponse> Act(const std::string&, const v1::ActRequest&,
                                      absl::Duration) override {
    return absl::UnimplementedError("no actions");
  }
  absl::StatusOr<v1::DiagnoseResponse> Diagnose(const std::string& plugin,
                                                const v1::DiagnoseRequest& request,
                                                absl::Duration) override {
    EXPECT_EQ(request.sections_size(), 2);
    v1::DiagnoseResponse response;
    v1::Finding& finding = *response.add_findings();
    finding.set_code("SMALL");
    finding.set_severity(v1::SEVERITY_NOTICE);
    if (plugin == "one") return response;
    v1::Finding& big = *response.add_findings();
    big.set_code("BIG");
    big.set_severity(v1::SEVERITY_CRITICAL);
    big.set_subject("pc-017");
    big.set_title("a \"quoted\"\ttitle");
    auto& evidence = *big.add_evidence();
    evidence.set_source("licensing");
    evidence.set_field("channel");
    evidence.set_value("RETAIL");
    auto& treatment = *big.add_treatments();
    treatment.set_action("ensure_client_key");
    (*treatment.mutable_params())["port"] = "1688";
    return response;
  }
  std::vector<v1::AgentNotice> TakeNotices() override { return {}; }
};

TEST(DiagnoseTest, AsksAllPluginsAndJoinsTheirFindings) {
  FaultyPlugins plugins;
  const auto diagnosis = DiagnoseLocally(plugins, absl::Seconds(1));
  ASSERT_TRUE(diagnosis.ok()) << diagnosis.status();
  ASSERT_EQ(diagnosis->findings.size(), 2u);
  EXPECT_EQ(diagnosis->findings[0].code(), "BIG");
  ASSERT_EQ(diagnosis->notes.size(), 1u);
  EXPECT_EQ(diagnosis->notes[0], "bad.so: wrong version");
}

TEST(DiagnoseTest, NoAnswerAtAllIsAnError) {
  FaultyPlugins plugins;
  plugins.collect_status = absl::UnavailableError("died");
  EXPECT_TRUE(absl::IsUnavailable(DiagnoseLocally(plugins, absl::Seconds(1)).status()));
}

TEST(DiagnoseTest, PrintsTextAndJson) {
  FaultyPlugins plugins;
  auto diagnosis = DiagnoseLocally(plugins, absl::Seconds(1));
  diagnosis->findings.resize(1);
  EXPECT_THAT(FindingsAsText("pc-017", diagnosis->findings), HasSubstr("critical  BIG  pc-017\n"));
  EXPECT_EQ(FindingsAsJson("pc-017", diagnosis->findings),
            R"({"machine":"pc-017","findings":[{"code":"BIG","severity":"critical",)"
            R"("subject":"pc-017","title":"a \"quoted\"\u0009title","explanation":"",)"
            R"("evidence":[{"source":"licensing","field":"channel","value":"RETAIL"}],)"
            R"("treatments":[{"action":"ensure_client_key","params":{"port":"1688"},)"
            R"("title":"","needs_approval":false}]}]})"
            "\n");
  EXPECT_EQ(FindingsAsJson("pc-017", {}), "{\"machine\":\"pc-017\",\"findings\":[]}\n");
}

}  // namespace
}  // namespace keymedic::agent
