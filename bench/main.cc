// SPDX-License-Identifier: Apache-2.0
//
// keymedic-bench: the figures. Each is one JSON line: what was measured, its floor measured in the
// same run, and the ratio. See README.md for what each floor is.
#include <CLI/CLI.hpp>
#include <filesystem>
#include <iostream>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "base/files.h"
#include "base/status_macros.h"
#include "bench/echo.h"
#include "bench/figure.h"
#include "bench/rollout.h"
#include "bench/stage.h"
#include "bench/streams.h"
#include "cli/child.h"
#include "cli/programs.h"
#include "cli/session.h"

namespace keymedic::bench {
namespace {

struct Memory {
  double resident_kb = 0, private_kb = 0;
};

// The kernel's own account. Private: pages that no other process has, dirty and clean.
Memory MemoryOf(pid_t pid) {
  Memory memory;
  const std::string text = ReadFile(absl::StrCat("/proc/", pid, "/smaps_rollup")).value_or("");
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    const std::vector<absl::string_view> words = absl::StrSplit(line, ' ', absl::SkipEmpty());
    double kb = 0;
    if (words.size() < 2 || !absl::SimpleAtod(words[1], &kb)) continue;
    if (words[0] == "Rss:") memory.resident_kb = kb;
    if (words[0] == "Private_Clean:" || words[0] == "Private_Dirty:") memory.private_kb += kb;
  }
  return memory;
}

absl::StatusOr<double> PushRate(const std::string& target,
                                const std::vector<Credential>& credentials, int seconds) {
  KM_ASSIGN_OR_RETURN(auto streams, Streams::Open(target, credentials));
  return streams->Push(16, absl::Seconds(seconds));
}

// Echo and controller in turn, three times; the medians are what counts.
absl::Status Deltas(const std::string& build, size_t agents, int seconds) {
  Stage stage(build);
  KM_RETURN_IF_ERROR(stage.Start(agents));
  std::vector<double> floors, values;
  for (int round = 0; round < 3; ++round) {
    KM_ASSIGN_OR_RETURN(floors.emplace_back(),
                        PushRate(stage.echo_address, stage.credentials, seconds));
    KM_ASSIGN_OR_RETURN(values.emplace_back(),
                        PushRate(stage.controller_address, stage.credentials, seconds));
  }
  std::sort(floors.begin(), floors.end());
  std::sort(values.begin(), values.end());
  PrintFigure("deltas", values[1], "deltas/s", floors[1], agents);
  return absl::OkStatus();
}

absl::StatusOr<double> MemoryPerStream(pid_t server, const std::string& target,
                                       const std::vector<Credential>& credentials) {
  // A first few streams make what a server makes once; it is not counted.
  const std::vector<Credential> few(credentials.begin(), credentials.begin() + 10);
  const std::vector<Credential> rest(credentials.begin() + 10, credentials.end());
  KM_ASSIGN_OR_RETURN(auto first, Streams::Open(target, few));
  const double before = MemoryOf(server).resident_kb;
  KM_ASSIGN_OR_RETURN(auto all, Streams::Open(target, rest, 10));
  return (MemoryOf(server).resident_kb - before) / static_cast<double>(rest.size());
}

absl::Status ControllerMemory(const std::string& build, size_t agents) {
  Stage stage(build);
  KM_RETURN_IF_ERROR(stage.Start(agents));
  KM_ASSIGN_OR_RETURN(const double floor,
                      MemoryPerStream(stage.echo->pid(), stage.echo_address, stage.credentials));
  KM_ASSIGN_OR_RETURN(
      const double value,
      MemoryPerStream(stage.controller->pid(), stage.controller_address, stage.credentials));
  PrintFigure("controller_memory_per_agent", value, "kB", floor, agents);
  return absl::OkStatus();
}

// The plugin host of an agent: its only child.
pid_t ChildOf(pid_t pid) {
  int child = 0;
  const std::string text =
      ReadFile(absl::StrCat("/proc/", pid, "/task/", pid, "/children")).value_or("");
  if (absl::SimpleAtoi(absl::StripAsciiWhitespace(text), &child)) return child;
  std::error_code ignored;
  for (const auto& task :
       std::filesystem::directory_iterator(absl::StrCat("/proc/", pid, "/task"), ignored)) {
    const std::string of_task = ReadFile((task.path() / "children").string()).value_or("");
    if (absl::SimpleAtoi(absl::StripAsciiWhitespace(of_task), &child)) return child;
  }
  return -1;
}

// A real agent with both plugins looking at a lab machine, connected, its state sent, idle.
absl::Status AgentMemory(const std::string& build, const std::string& estate) {
  Stage stage(build);
  KM_RETURN_IF_ERROR(stage.Start(1));
  KM_ASSIGN_OR_RETURN(const std::string token, stage.Token(1));
  KM_RETURN_IF_ERROR(WriteFileAtomically(stage.directory + "/token", token));
  const std::string socket = stage.directory + "/lab.sock";
  auto lab = stage.Launch(
      {stage.bin() + "keymedic", "lab", "serve", estate, "--socket", socket, "--only-socket"});
  const std::vector<std::string> agent_command = {stage.bin() + "keymedic-agent",
                                                  "--state-dir",
                                                  stage.directory + "/agent",
                                                  "--plugin-dir",
                                                  stage.plugins(),
                                                  "--system",
                                                  absl::StrCat("lab:unix:", socket, "#pc-002"),
                                                  "--name",
                                                  "pc-002"};
  for (int tries = 0; tries < 100 && !std::filesystem::exists(socket); ++tries)
    absl::SleepFor(absl::Milliseconds(100));
  std::vector<std::string> enroll = agent_command;
  enroll.insert(enroll.end(), {"enroll", "--controller", stage.controller_address, "--token-file",
                               stage.directory + "/token"});
  auto enrolling = stage.Launch(enroll);
  while (enrolling->Ended().empty()) absl::SleepFor(absl::Milliseconds(20));
  std::vector<std::string> run = agent_command;
  run.push_back("run");
  auto agent = stage.Launch(run);
  auto idle = stage.Launch({cli::ProgramPath("keymedic-bench"), "idle-client", stage.echo_address,
                            stage.data(), stage.directory + "/idle.ready"});
  KM_RETURN_IF_ERROR(WaitForFile(stage.directory + "/idle.ready", *idle).status());

  KM_ASSIGN_OR_RETURN(auto session, stage.Admin());
  const absl::Time deadline = absl::Now() + kPatience;
  uint32_t reported = 0;
  while (reported == 0 && absl::Now() < deadline) {
    KM_ASSIGN_OR_RETURN(const v1::Summary summary,
                        cli::Call(*session, session->fleet, &v1::FleetService::Stub::GetSummary,
                                  v1::GetSummaryRequest()));
    reported = summary.reported();
    absl::SleepFor(absl::Milliseconds(100));
  }
  if (reported == 0)
    return absl::DeadlineExceededError(absl::StrCat("the agent did not report; see ", stage.Log()));
  absl::SleepFor(absl::Seconds(2));  // idle, whatever was busy
  const Memory daemon = MemoryOf(agent->pid()), host = MemoryOf(ChildOf(agent->pid())),
               floor = MemoryOf(idle->pid());
  if (host.resident_kb == 0) return absl::InternalError("the agent has no plugin host");
  PrintFigure("agent_resident", daemon.resident_kb + host.resident_kb, "kB", floor.resident_kb, 1);
  PrintFigure("agent_private", daemon.private_kb + host.private_kb, "kB", floor.private_kb, 1);
  return absl::OkStatus();
}

int Report(const absl::Status& status) {
  if (!status.ok()) std::cerr << "error: " << status.message() << '\n';
  return status.ok() ? 0 : 1;
}

absl::StatusOr<Credential> ReadCredential(const std::string& data, const std::string& name) {
  Credential credential;
  KM_ASSIGN_OR_RETURN(credential.ca, ReadFile(data + "/ca.crt"));
  KM_ASSIGN_OR_RETURN(credential.certificate, ReadFile(data + "/" + name + ".crt"));
  KM_ASSIGN_OR_RETURN(credential.key, ReadFile(data + "/" + name + ".key"));
  return credential;
}

int Main(int argc, char** argv) {
  CLI::App app(
      "Examples:\n  ./dev bench\n  ./dev bench deltas\n\nMeasures KeyMedic beside a bare gRPC "
      "counterpart.",
      "keymedic-bench");
  app.require_subcommand(1);
  std::string build = "build/release", estate = "tests/estates/small.textproto", first, second,
              third;
  size_t agents = 100;
  int seconds = 4, exit_code = 0;
  app.add_option("--build", build, "the build to measure");
  app.fallthrough();
  auto* deltas = app.add_subcommand(
      "deltas", "changes per second, durable and diagnosed, against a bare echo");
  deltas->add_option("--agents", agents);
  deltas->add_option("--seconds", seconds);
  deltas->callback([&] { exit_code = Report(Deltas(build, agents, seconds)); });
  auto* memory = app.add_subcommand("controller-memory",
                                    "resident memory of the controller for each connected agent");
  memory->callback([&] { exit_code = Report(ControllerMemory(build, 510)); });
  auto* agent = app.add_subcommand(
      "agent-memory", "resident and private memory of an idle agent with both plugins");
  agent->add_option("--estate", estate);
  agent->callback([&] { exit_code = Report(AgentMemory(build, estate)); });
  size_t fleet = 5000;
  auto* rollout = app.add_subcommand(
      "rollout", "one change on every machine of a fleet: its plan, and start to last verified");
  rollout->add_option("--agents", fleet);
  rollout->callback([&] { exit_code = Report(BenchRollout(build, fleet)); });
  auto* echo = app.add_subcommand("echo-server", "the bare counterpart, as a process");
  echo->add_option("data", first)->required();
  echo->add_option("port_file", second)->required();
  echo->callback([&] {
    auto credential = ReadCredential(first, "server");
    exit_code = Report(credential.ok() ? RunEchoServer(*credential, second) : credential.status());
  });
  auto* idle =
      app.add_subcommand("idle-client", "a bare client with one idle stream, as a process");
  idle->add_option("target", first)->required();
  idle->add_option("data", second)->required();
  idle->add_option("ready_file", third)->required();
  idle->callback([&] {
    auto credential = ReadCredential(second, "admin");
    exit_code =
        Report(credential.ok() ? RunIdleClient(first, *credential, third) : credential.status());
  });
  // As the controller does: Debian's Abseil looks for deadlocks at each lock, and a floor that pays
  // for it would be none.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  CLI11_PARSE(app, argc, argv);
  return exit_code;
}

}  // namespace
}  // namespace keymedic::bench

int main(int argc, char** argv) { return keymedic::bench::Main(argc, argv); }
