// SPDX-License-Identifier: Apache-2.0
//
// keymedic-bench: the figures. Each is one JSON line: what was measured, its floor measured in the
// same run, and the ratio. See README.md for what each floor is.
#include <grpcpp/grpcpp.h>

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
#include "base/join_token.h"
#include "base/status_macros.h"
#include "base/x509.h"
#include "bench/echo.h"
#include "bench/figure.h"
#include "bench/streams.h"
#include "cli/child.h"
#include "cli/programs.h"
#include "cli/session.h"
#include "keymedic/v1/agent_service.grpc.pb.h"

namespace keymedic::bench {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(60);

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

absl::StatusOr<std::string> WaitForFile(const std::string& path, cli::Child& child) {
  const absl::Time deadline = absl::Now() + kPatience;
  while (absl::Now() < deadline) {
    if (auto text = ReadFile(path); text.ok() && !text->empty())
      return std::string(absl::StripAsciiWhitespace(*text));
    if (const std::string ended = child.Ended(); !ended.empty()) return absl::InternalError(ended);
    absl::SleepFor(absl::Milliseconds(10));
  }
  return absl::DeadlineExceededError(absl::StrCat(path, " did not appear"));
}

// A controller, a bare echo server with the same authority, and enrolled agents' credentials.
class Stage {
 public:
  explicit Stage(std::string build)
      : bin_(build + "/bin/"), plugins_(build + "/lib/keymedic/plugins") {}
  ~Stage() {
    controller.reset();
    echo.reset();
    std::error_code ignored;
    std::filesystem::remove_all(directory, ignored);
  }

  absl::Status Start(size_t agents) {
    directory = std::filesystem::temp_directory_path() / "keymedic-bench-XXXXXX";
    if (mkdtemp(directory.data()) == nullptr)
      return absl::ErrnoToStatus(errno, "cannot make a temporary directory");
    data_ = directory + "/controller/";
    KM_RETURN_IF_ERROR(RunToEnd({bin_ + "keymedic-controller", "init", "--data-dir", data_,
                                 "--name", "localhost", "--name", "127.0.0.1"}));
    KM_RETURN_IF_ERROR(StartController());
    echo = Launch(
        {cli::ProgramPath("keymedic-bench"), "echo-server", data_, directory + "/echo.port"});
    KM_ASSIGN_OR_RETURN(const std::string echo_port, WaitForFile(directory + "/echo.port", *echo));
    echo_address = "127.0.0.1:" + echo_port;
    KM_RETURN_IF_ERROR(EnrollAll(agents));
    // What enrolling left in its heap would hide what streams take.
    controller.reset();
    return StartController();
  }

  std::unique_ptr<cli::Child> Launch(std::vector<std::string> command) const {
    auto child = std::make_unique<cli::Child>(cli::Child::Options{
        .command = std::move(command), .environment = {}, .log_file = directory + "/log"});
    const absl::Status status = child->Start();
    if (!status.ok()) std::cerr << status.message() << '\n';
    return child;
  }

  absl::StatusOr<std::string> Token(size_t uses) const {
    KM_ASSIGN_OR_RETURN(
        auto session, cli::Session::Open({controller_address, data_ + "ca.crt", data_ + "admin.crt",
                                          data_ + "admin.key"}));
    v1::CreateTokenRequest request;
    request.set_uses(static_cast<uint32_t>(uses));
    KM_ASSIGN_OR_RETURN(
        const v1::CreateTokenResponse response,
        cli::Call(*session, session->access, &v1::AccessService::Stub::CreateToken, request));
    return response.secret();
  }

  const std::string& bin() const { return bin_; }
  const std::string& plugins() const { return plugins_; }
  const std::string& data() const { return data_; }

  std::string directory, controller_address, echo_address;
  std::unique_ptr<cli::Child> controller, echo;
  std::vector<Credential> credentials;

 private:
  absl::Status StartController() {
    const std::string port_file = directory + "/controller.port";
    std::error_code ignored;
    std::filesystem::remove(port_file, ignored);
    controller = Launch({bin_ + "keymedic-controller", "run", "--data-dir", data_, "--listen",
                         "127.0.0.1:0", "--port-file", port_file});
    KM_ASSIGN_OR_RETURN(const std::string port, WaitForFile(port_file, *controller));
    controller_address = "127.0.0.1:" + port;
    return absl::OkStatus();
  }

  absl::Status RunToEnd(std::vector<std::string> command) const {
    const std::string name = command[0];
    auto child = Launch(std::move(command));
    std::string ended;
    while ((ended = child->Ended()).empty()) absl::SleepFor(absl::Milliseconds(5));
    return ended.find("code 0") != std::string::npos
               ? absl::OkStatus()
               : absl::InternalError(absl::StrCat(name, " ", ended));
  }

  absl::Status EnrollAll(size_t agents) {
    KM_ASSIGN_OR_RETURN(const std::string ca, ReadFile(data_ + "ca.crt"));
    KM_ASSIGN_OR_RETURN(const std::string token, Token(agents + 1));
    auto stub = v1::AgentService::NewStub(grpc::CreateChannel(
        controller_address,
        grpc::SslCredentials({.pem_root_certs = ca, .pem_private_key = "", .pem_cert_chain = ""})));
    for (size_t i = 0; i < agents; ++i) {
      KM_ASSIGN_OR_RETURN(const std::string key, x509::GenerateKeyPem());
      v1::EnrollRequest request;
      request.set_token(token);
      request.set_machine_name(absl::StrCat("bench-", i));
      request.set_machine_id(
          absl::StrCat("bbbbbbbb-0000-4000-8000-", absl::Dec(i, absl::kZeroPad12)));
      KM_ASSIGN_OR_RETURN(*request.mutable_csr_pem(),
                          x509::MakeCsrPem(key, request.machine_name()));
      v1::EnrollResponse response;
      grpc::ClientContext context;
      if (const grpc::Status status = stub->Enroll(&context, request, &response); !status.ok())
        return absl::InternalError(status.error_message());
      credentials.push_back({ca, response.certificate_pem(), key});
    }
    return absl::OkStatus();
  }

  const std::string bin_, plugins_;
  std::string data_;
};

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

  KM_ASSIGN_OR_RETURN(auto session,
                      cli::Session::Open({stage.controller_address, stage.data() + "ca.crt",
                                          stage.data() + "admin.crt", stage.data() + "admin.key"}));
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
    return absl::DeadlineExceededError(absl::StrCat(
        "the agent did not report; see ", ReadFile(stage.directory + "/log").value_or("")));
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
