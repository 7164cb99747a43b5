// SPDX-License-Identifier: Apache-2.0
#include "agent/plugin_process.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <optional>
#include <string>

#include "absl/base/config.h"
#include "base/rights_testing.h"
#include "tests/fixtures/plugins/plugin_folder.h"

namespace keymedic::agent {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr absl::Duration kLong = absl::Minutes(2);          // never reached
constexpr absl::Duration kShort = absl::Milliseconds(200);  // for calls that hang for ever

#ifdef _WIN32
constexpr char kAborted[] = "exit code 3 (as abort leaves)";
#else
constexpr char kAborted[] = "signal 6";
#endif

class ManualClock final : public Clock {
 public:
  absl::Time Now() const override { return now; }
  absl::Time now = absl::FromUnixSeconds(1'700'000'000);
};

class PluginProcessTest : public testing::Test {
 protected:
  void Start(const std::vector<std::string>& fixtures) {
    folder_.emplace(fixtures);
    options_.program = PLUGIN_HOST;
    options_.plugin_dir = folder_->path();
    options_.system = "lab:inprocess:x#m1";
    options_.settings = {{"colour", "blue = green"}};
    options_.load_timeout = kLong;
    Restart();
  }
  void Restart() {
    absl::StatusOr<std::unique_ptr<PluginRunner>> made = MakePluginProcess(options_, clock_);
    ASSERT_TRUE(made.ok()) << made.status();
    runner_ = *std::move(made);
  }
  absl::StatusOr<v1::CollectResponse> Collect(const std::string& plugin,
                                              absl::Duration timeout = kLong) {
    return runner_->Collect(plugin, v1::CollectRequest(), timeout);
  }
  // What the list says of a fixture: its name, or its error.
  std::string Listed(const std::string& fixture) {
    const absl::StatusOr<v1::ListResponse> list = runner_->List();
    if (!list.ok()) return std::string(list.status().message());
    for (const v1::LoadedPlugin& plugin : list->plugins()) {
      if (plugin.path() == folder_->File(fixture)) {
        return plugin.has_description() ? plugin.description().name() : plugin.error();
      }
    }
    return "not listed";
  }

  ManualClock clock_;
  PluginProcessOptions options_;
  std::optional<PluginFolder> folder_;
  std::unique_ptr<PluginRunner> runner_;
};

TEST_F(PluginProcessTest, GoodPluginsInCppAndCAnswer) {
  Start({"echo", "echo_c"});
  EXPECT_EQ(Listed("echo"), "echo");
  EXPECT_EQ(Listed("echo_c"), "echo_c");

  v1::CollectRequest request;
  request.add_bookmarks()->set_channel("Application");
  const auto collected = runner_->Collect("echo", request, kLong);
  ASSERT_TRUE(collected.ok()) << collected.status();
  EXPECT_EQ(collected->bookmarks(0).channel(), "Application");
  v1::PluginConfig config;
  ASSERT_TRUE(config.ParseFromString(collected->sections(0).payload()));
  EXPECT_EQ(config.system(), "lab:inprocess:x#m1");
  EXPECT_EQ(config.settings().at("colour"), "blue = green");

  v1::ActRequest act;
  act.mutable_command()->set_id("c1");
  act.mutable_command()->set_action("echo");
  EXPECT_EQ(runner_->Act("echo", act, kLong)->result().command_id(), "c1");
  EXPECT_EQ(Collect("echo_c")->sections(0).name(), "echo_c");
  const absl::Status refused = runner_->Act("echo_c", act, kLong).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kUnimplemented);
  EXPECT_THAT(refused.ToString(), HasSubstr("echo_c has no actions"));
  EXPECT_EQ(runner_->Diagnose("echo_c", {}, kLong).status().code(),
            absl::StatusCode::kUnimplemented);
  EXPECT_TRUE(runner_->TakeNotices().empty());
}

TEST_F(PluginProcessTest, UnknownPluginIsNamedWithThoseThatAreThere) {
  Start({"echo"});
  const absl::Status status = Collect("ehco").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(status.ToString(), AllOf(HasSubstr("\"ehco\""), HasSubstr("echo")));
}

TEST_F(PluginProcessTest, RefusedPluginsAreListedAndTheOthersLoad) {
  Start({"echo", "wrong_version", "missing_symbol", "throws_on_create", "short_table"});
  EXPECT_EQ(Listed("echo"), "echo");
  EXPECT_THAT(Listed("wrong_version"),
              AllOf(HasSubstr(folder_->File("wrong_version")), HasSubstr("ABI 2"),
                    HasSubstr("install the plugin's build for this agent")));
  EXPECT_THAT(Listed("missing_symbol"), HasSubstr("does not export keymedic_plugin_destroy"));
  EXPECT_THAT(Listed("throws_on_create"), HasSubstr("no licence to start"));
  EXPECT_THAT(Listed("short_table"), HasSubstr("has 4 bytes"));
  EXPECT_TRUE(Collect("echo").ok());
}

TEST_F(PluginProcessTest, HangIsCutOffAndTheNextCallWorks) {
  Start({"echo", "hangs_in_collect"});
  const absl::Status status = Collect("hangs_in_collect", kShort).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(status.ToString(),
              AllOf(HasSubstr("plugin hangs_in_collect: Collect"), HasSubstr("limit of 200ms")));
  EXPECT_TRUE(Collect("echo").ok());
}

TEST_F(PluginProcessTest, CrashIsNamedWithItsLastWordsAndNeighboursGoOn) {
  Start({"echo", "crashes_in_collect"});
  for (int round = 0; round < 2; ++round) {
    const absl::Status status = Collect("crashes_in_collect").status();
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
    EXPECT_THAT(status.ToString(), AllOf(HasSubstr("plugin crashes_in_collect: Collect"),
                                         HasSubstr(kAborted), HasSubstr("about to crash")));
    EXPECT_TRUE(Collect("echo").ok());
  }
  EXPECT_TRUE(runner_->TakeNotices().empty());
}

TEST_F(PluginProcessTest, StrikesQuarantineTheCulpritAloneUntilTheCoolDownIsOver) {
  Start({"echo", "crashes_in_collect"});
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(Collect("crashes_in_collect").status().code(), absl::StatusCode::kUnavailable);
    EXPECT_TRUE(Collect("echo").ok());
  }
  const absl::Status status = Collect("crashes_in_collect").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(status.ToString(), AllOf(HasSubstr("quarantined"), HasSubstr(kAborted)));
  EXPECT_TRUE(Collect("echo").ok());
  std::vector<v1::AgentNotice> notices = runner_->TakeNotices();
  ASSERT_EQ(notices.size(), 1);
  EXPECT_EQ(notices[0].subject(), "crashes_in_collect");

  clock_.now += options_.strikes.cool_down;
  notices = runner_->TakeNotices();
  ASSERT_EQ(notices.size(), 1);
  EXPECT_TRUE(notices[0].resolved());
  EXPECT_EQ(Collect("crashes_in_collect").status().code(), absl::StatusCode::kUnavailable);
}

TEST_F(PluginProcessTest, RestartsAreDelayedWhenNothingEverAnswers) {
  Start({"echo", "crashes_in_collect"});
  options_.strikes.strikes = 100;
  Restart();
  EXPECT_EQ(Collect("crashes_in_collect").status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(Collect("crashes_in_collect").status().code(), absl::StatusCode::kUnavailable);
  const absl::Status status = Collect("echo").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(status.ToString(), HasSubstr("ended 2 times"));
  clock_.now += options_.restart_base;
  EXPECT_TRUE(Collect("echo").ok());
}

TEST_F(PluginProcessTest, CulpritWhileLoadingIsLeftOutAndTriedAgainLater) {
  Start({"crashes_on_create", "echo", "hangs_on_create"});
  options_.load_timeout = absl::Seconds(5);  // also what echo has to load
  Restart();
  EXPECT_EQ(Listed("echo"), "echo");
  EXPECT_THAT(Listed("crashes_on_create"), AllOf(HasSubstr("quarantined"), HasSubstr(kAborted)));
  EXPECT_THAT(Listed("hangs_on_create"), HasSubstr("no answer within its limit of 5s"));
  EXPECT_TRUE(Collect("echo").ok());
  EXPECT_EQ(runner_->TakeNotices().size(), 2);

  // By now somebody has removed one and replaced the other.
  std::filesystem::remove(folder_->File("hangs_on_create"));
  std::filesystem::rename(folder_->File("echo"), folder_->File("crashes_on_create"));
  clock_.now += options_.strikes.cool_down;
  EXPECT_EQ(Listed("crashes_on_create"), "echo");
  EXPECT_EQ(Listed("hangs_on_create"), "not listed");
  EXPECT_EQ(runner_->TakeNotices().size(), 2);
}

TEST_F(PluginProcessTest, PrintingPluginDoesNotDisturbTheFrames) {
  Start({"prints_to_stdout"});
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(Collect("prints_to_stdout").ok());
}

TEST_F(PluginProcessTest, GarbageAnswersAreErrorsOfThePlugin) {
  Start({"garbage_answers", "throws_in_collect", "fails_in_collect"});
  const absl::Status garbage = Collect("garbage_answers").status();
  EXPECT_EQ(garbage.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(garbage.ToString(), HasSubstr("6 bytes that are no keymedic.v1.CollectResponse"));
  const absl::Status no_code = runner_->Diagnose("garbage_answers", {}, kLong).status();
  EXPECT_EQ(no_code.code(), absl::StatusCode::kUnknown);
  EXPECT_THAT(no_code.ToString(), HasSubstr("-7"));
  const absl::Status thrown = Collect("throws_in_collect").status();
  EXPECT_EQ(thrown.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(thrown.ToString(), HasSubstr("lost patience"));
  const absl::Status failed = Collect("fails_in_collect").status();
  EXPECT_EQ(failed.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(failed.ToString(),
              AllOf(HasSubstr("in the ? way"), HasSubstr("WXYZ2"), Not(HasSubstr("ABCDE-FGHIJ"))));
}

TEST_F(PluginProcessTest, AnswerLongerThanAFrameIsABrokenLimit) {
  Start({"garbage_answers"});
  const absl::Status status = runner_->Act("garbage_answers", {}, kLong).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(status.ToString(), HasSubstr("67108864 bytes"));
  EXPECT_EQ(Listed("garbage_answers"), "garbage_answers");
}

TEST_F(PluginProcessTest, MemoryLimitIsAStrikeAndNamesTheLimit) {
#if defined(ABSL_HAVE_ADDRESS_SANITIZER) || defined(KEYMEDIC_THREAD_SANITIZER)
  GTEST_SKIP() << "sanitizers need the whole address space";
#endif
  Start({"eats_memory"});
  options_.memory_limit_mb = 256;
  options_.strikes.strikes = 1;
  Restart();
  const absl::Status status = Collect("eats_memory").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(status.ToString(), HasSubstr("out of memory"));
  const std::vector<v1::AgentNotice> notices = runner_->TakeNotices();
  ASSERT_EQ(notices.size(), 1);
  EXPECT_THAT(notices[0].message(),
              AllOf(HasSubstr("Collect"), HasSubstr("limit 256 MiB of memory")));
}

TEST_F(PluginProcessTest, CpuLimitEndsTheCall) {
  Start({"eats_cpu", "echo"});
  options_.cpu_limit_seconds = 1;
  Restart();
  const absl::Status status = Collect("eats_cpu").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(status.ToString(), AllOf(HasSubstr("CPU limit"), HasSubstr("1 s of CPU")));
  EXPECT_TRUE(Collect("echo").ok());
}

TEST_F(PluginProcessTest, MissingProgramAndMissingFolderAreNamed) {
  Start({});
  options_.plugin_dir += "/nowhere";
  Restart();
  const absl::StatusOr<v1::ListResponse> list = runner_->List();
  ASSERT_TRUE(list.ok()) << list.status();
  EXPECT_THAT(list->plugins(0).error(), HasSubstr(options_.plugin_dir));
  options_.program = "/nowhere/keymedic-plugin-host";
  const absl::Status status = MakePluginProcess(options_, clock_).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(status.ToString(), HasSubstr("/nowhere/keymedic-plugin-host"));
}

TEST_F(PluginProcessTest, ProgramThatOthersMayWriteIsNotStarted) {
  Start({});
  options_.program = folder_->path() + "/host";
  std::filesystem::copy_file(PLUGIN_HOST, options_.program);
  LetEverybodyWrite(options_.program);
  EXPECT_EQ(MakePluginProcess(options_, clock_).status().code(),
            absl::StatusCode::kPermissionDenied);
}

TEST_F(PluginProcessTest, HostThatCannotStartGivesItsReason) {
  Start({"echo"});
  options_.settings = {{"", "no key"}};
  Restart();
  const absl::Status status = runner_->List().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(status.ToString(),
              AllOf(HasSubstr("exit code 2"), HasSubstr("expected --set key=value")));
}

}  // namespace
}  // namespace keymedic::agent
