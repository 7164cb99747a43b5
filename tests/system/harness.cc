// SPDX-License-Identifier: Apache-2.0
#include "tests/system/harness.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "base/files.h"

namespace keymedic::testing {
namespace {

std::string Env(const char* name) {
  const char* value = std::getenv(name);
  EXPECT_NE(value, nullptr) << name << " is not set; run this test with ctest";
  return value == nullptr ? "" : value;
}

std::string Quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? "'\\''" : std::string(1, c);
  return out + "'";
}

}  // namespace

nlohmann::json Output::Json() const { return nlohmann::json::parse(out, nullptr, false); }

nlohmann::json Output::LastLine() const {
  std::vector<std::string> lines = absl::StrSplit(out, '\n', absl::SkipEmpty());
  return lines.empty() ? nlohmann::json() : nlohmann::json::parse(lines.back(), nullptr, false);
}

std::string Bin(const std::string& program) {
  return absl::StrCat(Env("KEYMEDIC_BIN_DIR"), "/", program);
}
std::string Source(const std::string& path) {
  return absl::StrCat(Env("KEYMEDIC_SOURCE_DIR"), "/", path);
}
std::string PluginDir() {
  return absl::StrCat(Env("KEYMEDIC_BIN_DIR"), "/../lib/keymedic/plugins");
}

bool Eventually(const std::function<bool()>& condition, absl::Duration patience) {
  const absl::Time deadline = absl::Now() + patience;
  while (!condition()) {
    if (absl::Now() > deadline) return false;
    absl::SleepFor(absl::Milliseconds(50));  // between two looks; never instead of one
  }
  return true;
}

Workspace::Workspace() : directory_(::testing::TempDir() + "/keymedic-system-XXXXXX") {
  EXPECT_NE(mkdtemp(directory_.data()), nullptr);
  environment["XDG_CONFIG_HOME"] = Path("config");
  environment["NO_COLOR"] = "1";
}

Workspace::~Workspace() {
  if (::testing::Test::HasFailure()) {
    std::printf("what was written is kept in %s\n", directory_.c_str());
    return;
  }
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

Output Workspace::Run(const std::vector<std::string>& command, const std::string& input) const {
  static std::atomic<int> number = 0;
  const std::string base = Path(absl::StrCat("run-", ++number));
  EXPECT_TRUE(WriteFileAtomically(base + ".in", input).ok());
  std::string line = "exec env";
  for (const auto& [name, value] : environment)
    absl::StrAppend(&line, " ", name, "=", Quoted(value));
  for (const std::string& word : command) absl::StrAppend(&line, " ", Quoted(word));
  absl::StrAppend(&line, " <", base, ".in >", base, ".out 2>", base, ".err");
  const int status = std::system(line.c_str());
  Output output;
  output.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  output.out = ReadFile(base + ".out").value_or("");
  output.err = ReadFile(base + ".err").value_or("");
  return output;
}

Output Workspace::Keymedic(std::vector<std::string> arguments) const {
  arguments.insert(arguments.begin(), Bin("keymedic"));
  return Run(arguments);
}

std::unique_ptr<cli::Child> Workspace::Start(std::vector<std::string> command,
                                             const std::string& log) const {
  auto child = std::make_unique<cli::Child>(cli::Child::Options{
      .command = std::move(command), .environment = environment, .log_file = Path(log)});
  const absl::Status status = child->Start();
  EXPECT_TRUE(status.ok()) << status;
  return child;
}

std::string Workspace::Log(const std::string& log) const {
  return ReadFile(Path(log)).value_or("");
}

ControllerUnderTest::ControllerUnderTest(Workspace& workspace) : workspace_(workspace) {
  const std::string data = workspace.Path("controller");
  const Output init = workspace.Run({Bin("keymedic-controller"), "init", "--data-dir", data,
                                     "--name", "localhost", "--name", "127.0.0.1"});
  EXPECT_EQ(init.exit_code, 0) << init.out << init.err;
  Launch("127.0.0.1:0");
  workspace.environment["KEYMEDIC_CONTROLLER"] = address_;
  workspace.environment["KEYMEDIC_CA"] = data + "/ca.crt";
  workspace.environment["KEYMEDIC_CERT"] = data + "/admin.crt";
  workspace.environment["KEYMEDIC_KEY"] = data + "/admin.key";
}

void ControllerUnderTest::Launch(const std::string& listen) {
  const std::string port_file = workspace_.Path("controller.port");
  std::error_code ignored;
  std::filesystem::remove(port_file, ignored);
  child_ = workspace_.Start(
      {Bin("keymedic-controller"), "run", "--data-dir", workspace_.Path("controller"), "--listen",
       listen, "--port-file", port_file},
      "controller.log");
  ASSERT_TRUE(Eventually([&] { return std::filesystem::exists(port_file); }))
      << workspace_.Log("controller.log");
  address_ = absl::StrCat("127.0.0.1:", absl::StripSuffix(ReadFile(port_file).value_or(""), "\n"));
}

void ControllerUnderTest::KillAndRestart() {
  kill(child_->pid(), SIGKILL);
  ASSERT_TRUE(Eventually([&] { return !child_->Ended().empty(); }));
  Launch(address_);
}

std::string ControllerUnderTest::Token(int uses) const {
  const Output made = workspace_.Keymedic({"tokens", "create", "--uses", absl::StrCat(uses)});
  EXPECT_EQ(made.exit_code, 0) << made.err;
  return std::string(absl::StripSuffix(made.out, "\n"));
}

}  // namespace keymedic::testing
