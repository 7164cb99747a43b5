// SPDX-License-Identifier: Apache-2.0
#include "agent/waiting_enrolment.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <optional>

#include "agent/fake_authority.h"
#include "base/files.h"
#include "base/log.h"
#include "base/rights_testing.h"
#include "base/status_macros.h"

namespace keymedic::agent {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const absl::Time kNow = absl::FromUnixSeconds(1'700'000'000);
constexpr char kFile[] = R"(controller = "controller:7443"
token = "km1.t1.secret"
[labels]
site = "berlin"
)";

// Half of any range.
class MiddleRandom final : public Random {
 public:
  std::string Bytes(size_t n) override {
    std::string bytes(n, '\0');
    if (n != 0) bytes.back() = '\x80';
    return bytes;
  }
};

class WaitingEnrolmentTest : public ::testing::Test {
 protected:
  WaitingEnrolmentTest() {
    static const bool heard = [] {
      log::Start("test");
      log::AddSink([](log::Level, absl::string_view id, const std::string& message) {
        lines.push_back(std::string(id) + ": " + message);
      });
      return true;
    }();
    EXPECT_TRUE(heard);
    lines.clear();
  }
  ~WaitingEnrolmentTest() override { std::filesystem::remove_all(dir_); }

  void Start() {
    WaitingEnrolmentOptions options;
    options.state_dir = dir_;
    options.config_file = config_file_;
    waiting_.emplace(options,
                     WaitingEnrolmentDeps{clock_, random_, executor_, [this] { return Load(); },
                                          [this](const EnrollOptions& enroll) {
                                            tries_.push_back(enroll);
                                            if (answer_.ok()) EnrolByHand();
                                            return answer_;
                                          }},
                     [this] { ++enrolled_; });
    waiting_->Start();
    executor_.RunReady();
  }
  absl::StatusOr<Config> Load() {
    Config config;
    config.file = config_file_;
    config.name = "pc-017";
    config.labels = {{"site", "of the configuration"}, {"room", "12"}};
    if (const auto text = ReadFile(config_file_); text.ok()) {
      KM_RETURN_IF_ERROR(ParseConfig(config_file_, *text, config));
    }
    return config;
  }
  void Pass(absl::Duration time) {
    for (absl::Duration passed; passed < time; passed += absl::Seconds(1)) {
      clock_.Advance(absl::Seconds(1));
      executor_.Advance(absl::Seconds(1));
    }
  }
  void EnrolByHand() {
    ASSERT_TRUE(StoreEnrolment(dir_, "m-1", "controller:7443",
                               authority_.Machine("m-1", kNow, kNow + absl::Hours(24)))
                    .ok());
  }
  void WriteEnrolFile(const std::string& text) {
    ASSERT_EQ(WriteFileAtomically(file_, text), absl::OkStatus());
  }
  void WriteConfig(const std::string& text) {
    ASSERT_EQ(WriteFileAtomically(config_file_, text), absl::OkStatus());
  }
  std::string Lines() {
    std::string all;
    for (const std::string& line : lines) all += line + "\n";
    return all;
  }

  static std::vector<std::string> lines;
  const FakeAuthority authority_{kNow};
  FakeClock clock_{kNow};
  MiddleRandom random_;
  const std::string dir_ = MakeTempDir();
  const std::string file_ = dir_ + "/enroll.toml";
  const std::string config_file_ = dir_ + "/agent.toml";
  absl::Status answer_;
  std::vector<EnrollOptions> tries_;
  int enrolled_ = 0;
  ManualExecutor executor_;
  std::optional<WaitingEnrolment> waiting_;
};
std::vector<std::string> WaitingEnrolmentTest::lines;

TEST_F(WaitingEnrolmentTest, EnrolsWithTheFileThatIsThereAndRemovesIt) {
  WriteEnrolFile(kFile);
  EXPECT_TRUE(*WaitingEnrolment::Needed(dir_, kNow));
  Start();
  EXPECT_EQ(enrolled_, 1);
  ASSERT_EQ(tries_.size(), 1u);
  EXPECT_EQ(tries_[0].controller, "controller:7443");
  EXPECT_EQ(tries_[0].token, "km1.t1.secret");
  EXPECT_EQ(tries_[0].machine_name, "pc-017");
  EXPECT_EQ(tries_[0].state_dir, dir_);
  EXPECT_EQ(tries_[0].labels.at("site"), "berlin");
  EXPECT_EQ(tries_[0].labels.at("room"), "12");
  EXPECT_FALSE(std::filesystem::exists(file_));
  Pass(absl::Minutes(1));
  EXPECT_EQ(enrolled_, 1);
  EXPECT_THAT(Lines(), Not(HasSubstr("secret")));
}

TEST_F(WaitingEnrolmentTest, NoticesAFileThatComesLater) {
  Start();
  Pass(absl::Minutes(5));
  EXPECT_TRUE(tries_.empty());
  EXPECT_THAT(Lines(), HasSubstr("AGENT_NOT_ENROLLED"));
  WriteEnrolFile(kFile);
  Pass(absl::Seconds(5));
  EXPECT_EQ(enrolled_, 1);
}

TEST_F(WaitingEnrolmentTest, NoticesAnEnrolmentByHand) {
  Start();
  EnrolByHand();
  Pass(absl::Seconds(5));
  EXPECT_EQ(enrolled_, 1);
  EXPECT_TRUE(tries_.empty());
}

TEST_F(WaitingEnrolmentTest, AControllerThatIsAwayIsTriedWithGrowingPauses) {
  answer_ = absl::UnavailableError("cannot connect to controller:7443");
  WriteEnrolFile(kFile);
  Start();
  EXPECT_EQ(tries_.size(), 1u);
  Pass(absl::Seconds(5));  // half of 5 s, seen at the next look
  EXPECT_EQ(tries_.size(), 2u);
  Pass(absl::Seconds(5));  // half of 10 s
  EXPECT_EQ(tries_.size(), 3u);
  Pass(absl::Seconds(5));  // half of 20 s
  EXPECT_EQ(tries_.size(), 3u);
  Pass(absl::Hours(1));
  const size_t tries = tries_.size();
  EXPECT_GE(tries, 20u);  // every 150 s in the end
  EXPECT_LE(tries, 40u);
  answer_ = absl::OkStatus();
  Pass(absl::Seconds(155));
  EXPECT_EQ(enrolled_, 1);
  EXPECT_THAT(Lines(), Not(HasSubstr("secret")));
}

TEST_F(WaitingEnrolmentTest, ARefusedTokenWaitsForAnotherFileOrTenMinutes) {
  answer_ = absl::UnauthenticatedError("refused the join token: it is spent; make a new one");
  WriteEnrolFile(kFile);
  Start();
  Pass(absl::Minutes(9));
  EXPECT_EQ(tries_.size(), 1u);
  EXPECT_THAT(Lines(), HasSubstr("AGENT_ENROLMENT_REFUSED: refused the join token"));
  Pass(absl::Minutes(2));
  EXPECT_EQ(tries_.size(), 2u);
  answer_ = absl::OkStatus();
  WriteEnrolFile("controller = \"c:1\"\ntoken = \"km1.t2.secret\"\n");
  Pass(absl::Seconds(5));
  EXPECT_EQ(enrolled_, 1);
  EXPECT_EQ(tries_.back().token, "km1.t2.secret");
  EXPECT_THAT(Lines(), Not(HasSubstr("secret")));
}

TEST_F(WaitingEnrolmentTest, AFileThatSaysSomethingElseIsNamedByLineWithoutItsValues) {
  const struct {
    const char* text;
    const char* expected;
  } cases[] = {
      {"controller = \"c:1\"\n", "enroll.toml: controller (HOST:PORT) and token"},
      {"controller = \"c:1\"\ntoken = secret\n", "enroll.toml:2: this is no TOML"},
      {"token = \"secret\"\ncontroler = \"c:1\"\n", "enroll.toml:2: expected controller"},
      {"token = [\"secret\"]\n", "enroll.toml:1: expected controller"},
      {"token = \"secret\"\ncontroller = \"c:1\"\nlabels = {a = 1}\n", "labels.a is no text"},
  };
  Start();
  for (const auto& [text, expected] : cases) {
    WriteEnrolFile(text);
    Pass(absl::Seconds(5));
    EXPECT_THAT(lines.back(), HasSubstr(expected));
  }
  EXPECT_TRUE(tries_.empty());
  EXPECT_THAT(Lines(), Not(HasSubstr("secret")));
}

TEST_F(WaitingEnrolmentTest, AFileThatEverybodyCouldHaveWrittenIsNotObeyed) {
  WriteEnrolFile(kFile);
  LetEverybodyWrite(file_);
  Start();
  EXPECT_TRUE(tries_.empty());
  EXPECT_THAT(Lines(), HasSubstr("may be written by"));
}

TEST_F(WaitingEnrolmentTest, AnEnrolledMachineKeepsItsIdentityAndRemovesTheFile) {
  EnrolByHand();
  WriteEnrolFile(kFile);
  EXPECT_FALSE(*WaitingEnrolment::Needed(dir_, kNow));
  EXPECT_FALSE(std::filesystem::exists(file_));
}

TEST_F(WaitingEnrolmentTest, AnExpiredIdentityIsReplacedWhenThereIsAFile) {
  EnrolByHand();
  const absl::Time late = kNow + absl::Hours(25);
  EXPECT_FALSE(*WaitingEnrolment::Needed(dir_, late)) << "the controller may still take it";
  WriteEnrolFile(kFile);
  EXPECT_TRUE(*WaitingEnrolment::Needed(dir_, late));
}

constexpr char kConfig[] = "controller = \"c:1\"\ntoken = \"km1.t3.secret\"\nname = \"pc-018\"\n";

TEST_F(WaitingEnrolmentTest, EnrolsWithTheConfigurationThatSomebodyWritesAndLeavesIt) {
  WriteConfig("controller = \"c:1\"\n");  // for `keymedic-agent enroll`
  Start();
  Pass(absl::Minutes(20));
  EXPECT_TRUE(tries_.empty());
  WriteConfig(kConfig);
  Pass(absl::Seconds(5));
  EXPECT_EQ(enrolled_, 1);
  ASSERT_EQ(tries_.size(), 1u);
  EXPECT_EQ(tries_[0].controller, "c:1");
  EXPECT_EQ(tries_[0].token, "km1.t3.secret");
  EXPECT_EQ(tries_[0].machine_name, "pc-018");
  EXPECT_EQ(tries_[0].labels.at("room"), "12");
  EXPECT_TRUE(std::filesystem::exists(config_file_));
  EXPECT_THAT(Lines(), Not(HasSubstr("secret")));
}

TEST_F(WaitingEnrolmentTest, AConfigurationWithATokenThatOthersMayReadIsNotUsed) {
  WriteConfig(kConfig);
  LetOwnerWrite(config_file_);
  Start();
  EXPECT_TRUE(tries_.empty());
  EXPECT_THAT(lines.back(), HasSubstr("may be read by"));
  WriteConfig(kConfig);  // with rights as they should be
  Pass(absl::Seconds(5));
  EXPECT_EQ(enrolled_, 1);
}

TEST_F(WaitingEnrolmentTest, AMistakeInTheConfigurationIsSaidOnceAndTheTokenNever) {
  Start();
  for (const auto& [text, said] : std::vector<std::pair<std::string, std::string>>{
           {"token = \"km1.t3.secret\"\n", "agent.toml: has a token and no controller"},
           {"controller = \"c:1\"\ntoken = km1.t3.secret\n", "agent.toml:2: this is no TOML"},
           {"token = [\"secret\"]\n", "agent.toml:1: token has a value of the wrong kind"},
           {"tokne = \"secret\"\n", "agent.toml:1: unknown key tokne"}}) {
    WriteConfig(text);
    const size_t before = lines.size();
    Pass(absl::Minutes(5));
    EXPECT_EQ(lines.size(), before + 1);
    EXPECT_THAT(lines.back(), HasSubstr(said));
  }
  EXPECT_TRUE(tries_.empty());
  EXPECT_THAT(Lines(), Not(HasSubstr("secret")));
  WriteConfig(kConfig);
  Pass(absl::Seconds(5));
  EXPECT_EQ(enrolled_, 1);
}

TEST_F(WaitingEnrolmentTest, TheTokenOfTheConfigurationDoesNotReplaceAnExpiredIdentity) {
  EnrolByHand();
  WriteConfig(kConfig);
  clock_.Advance(absl::Hours(25));
  EXPECT_FALSE(*WaitingEnrolment::Needed(dir_, clock_.Now()));
  WriteEnrolFile("controller = \"c:2\"\n");  // what is waited for, with a mistake
  Start();
  Pass(absl::Minutes(1));
  EXPECT_TRUE(tries_.empty());
}

TEST_F(WaitingEnrolmentTest, StoppedItIsSilent) {
  Start();
  waiting_.reset();
  EnrolByHand();
  Pass(absl::Minutes(1));
  EXPECT_EQ(enrolled_, 0);
}

}  // namespace
}  // namespace keymedic::agent
