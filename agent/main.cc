// SPDX-License-Identifier: Apache-2.0
//
// keymedic-agent: the daemon on every machine, and what an administrator does with it there.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "agent/agent.h"
#include "agent/config.h"
#include "agent/daemon.h"
#include "agent/diagnose.h"
#include "agent/identity.h"
#include "agent/journal.h"
#include "agent/outbox.h"
#include "agent/places.h"
#include "agent/run.h"
#include "base/clock.h"
#include "base/files.h"
#include "base/log.h"
#include "base/program_arguments.h"
#include "base/random.h"
#include "base/rights.h"
#include "base/sqlite.h"
#include "base/status_macros.h"

namespace keymedic::agent {
namespace {

constexpr char kHelp[] = R"(The KeyMedic agent of one machine.

Examples:
  keymedic-agent diagnose                       what is wrong here, without any controller
  keymedic-agent enroll --controller keymedic.example:7443 --token-file token.txt
  keymedic-agent run                            the daemon (also without a subcommand)
  keymedic-agent status
)";

// As given on the command line; empty where it was not.
struct Arguments {
  std::string config, state_dir, plugin_dir, plugin_host, system, name;
  std::vector<std::string> labels;
  std::string controller, token, token_file;
  std::string output = "table";
  bool bundle = false;
};

absl::StatusOr<Config> MakeConfig(const Arguments& args) {
  Config config;
  const std::string file = args.config.empty() ? DefaultConfigFile() : args.config;
  config.file = file;
  // Nobody gave it: then nobody else may have put it there. It names programs that run with the
  // agent's rights.
  std::error_code ignored;
  if (args.config.empty() && std::filesystem::exists(NativePath(file), ignored)) {
    const std::string folder = NativePath(file).parent_path().string();
    KM_RETURN_IF_ERROR(CheckWritableByTrustedOnly(folder, /*folder=*/true));
    KM_RETURN_IF_ERROR(CheckWritableByTrustedOnly(file, /*folder=*/false));
  }
  auto text = ReadFile(file, 1 << 20);
  if (text.ok()) {
    KM_RETURN_IF_ERROR(ParseConfig(file, *text, config));
  } else if (!args.config.empty() || !absl::IsNotFound(text.status())) {
    return text.status();
  }
  const auto override_with = [](const std::string& given, std::string& target) {
    if (!given.empty()) target = given;
  };
  override_with(args.state_dir, config.state_dir);
  override_with(args.plugin_dir, config.plugin_dir);
  override_with(args.plugin_host, config.plugin_host);
  override_with(args.system, config.system);
  override_with(args.name, config.name);
  override_with(args.controller, config.controller);
  for (const std::string& label : args.labels) {
    const size_t equals = label.find('=');
    if (equals == 0 || equals == std::string::npos) {
      return absl::InvalidArgumentError(absl::StrCat("--label ", label, ": write it as key=value"));
    }
    config.labels[label.substr(0, equals)] = label.substr(equals + 1);
  }
  if (config.name.empty()) config.name = HostName();
  if (config.state_dir.empty()) config.state_dir = DefaultStateDir();
  if (config.plugin_host.empty()) config.plugin_host = DefaultPluginHost();
  if (config.plugin_dir.empty()) config.plugin_dir = DefaultPluginDir();
  return config;
}

absl::StatusOr<std::string> ReadToken(const Arguments& args) {
  std::string token = args.token;
  if (token.empty() && !args.token_file.empty()) {
    KM_ASSIGN_OR_RETURN(const std::string text, ReadFile(args.token_file, 4096));
    // What Windows PowerShell writes where nothing else is said.
    if (absl::StartsWith(text, "\xFF\xFE")) {
      return absl::InvalidArgumentError(
          absl::StrCat(args.token_file, " is UTF-16; write it with: Set-Content -Encoding ascii"));
    }
    token = std::string(absl::StripPrefix(text, "\xEF\xBB\xBF"));
  } else if (const char* from_environment = std::getenv("KEYMEDIC_TOKEN");
             token.empty() && from_environment != nullptr) {
    token = from_environment;
  }
  absl::StripAsciiWhitespace(&token);
  if (token.empty()) {
    return absl::InvalidArgumentError(
        "a join token is needed: --token-file FILE, KEYMEDIC_TOKEN or --token; the administrator "
        "of the controller makes one with: keymedic tokens create");
  }
  return token;
}

absl::Status RunEnroll(const Config& config, const Arguments& args) {
  KM_ASSIGN_OR_RETURN(const std::string token, ReadToken(args));
  if (config.controller.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "which controller? Give --controller HOST:PORT, or write controller into ", config.file));
  }
  SystemRandom random;
  KM_RETURN_IF_ERROR(
      Enroll({config.controller, token, config.state_dir, config.name, config.labels},
             SystemClock(), random));
  KM_ASSIGN_OR_RETURN(const Identity identity, Identity::Load(config.state_dir));
  std::printf("enrolled %s with %s as machine %s\n", config.name.c_str(),
              identity.controller().c_str(), identity.machine_id().c_str());
  return absl::OkStatus();
}

absl::Status RunDiagnose(const Config& config, const Arguments& args) {
  const SystemClock clock;
  KM_ASSIGN_OR_RETURN(const auto plugins, OpenPlugins(config, clock));
  KM_ASSIGN_OR_RETURN(LocalDiagnosis diagnosis, DiagnoseLocally(*plugins, config.plugin_timeout));
  for (const std::string& note : diagnosis.notes) {
    std::fprintf(stderr, "keymedic-agent: %s\n", note.c_str());
  }
  if (args.bundle) {
    const std::string bundle =
        MakeBundle(config.name, std::move(diagnosis), clock.Now()).SerializeAsString();
    if (std::fwrite(bundle.data(), 1, bundle.size(), stdout) != bundle.size()) {
      return absl::UnavailableError("what was seen could not be written to standard output");
    }
    return absl::OkStatus();
  }
  const std::string text = args.output == "json" ? FindingsAsJson(config.name, diagnosis.findings)
                                                 : FindingsAsText(config.name, diagnosis.findings);
  std::fwrite(text.data(), 1, text.size(), stdout);
  return absl::OkStatus();
}

absl::Status RunStatus(const Config& config) {
  KM_ASSIGN_OR_RETURN(const Identity identity, Identity::Load(config.state_dir));
  KM_ASSIGN_OR_RETURN(Database database, Database::Open(config.state_dir + "/journal.db"));
  KM_ASSIGN_OR_RETURN(Journal journal, Journal::Open(database));
  KM_ASSIGN_OR_RETURN(Outbox outbox, Outbox::Open(database, UINT64_MAX));
  KM_ASSIGN_OR_RETURN(const auto results, journal.Unacknowledged());
  KM_ASSIGN_OR_RETURN(const uint64_t bytes, outbox.bytes());
  KM_ASSIGN_OR_RETURN(const uint64_t dropped, outbox.Dropped());
  const bool renewal = identity.current().NeedsRenewal(SystemClock().Now());
  std::printf("machine id        %s\ncontroller        %s\ncertificate ends  %s%s\n",
              identity.machine_id().c_str(), identity.controller().c_str(),
              absl::FormatTime(identity.current().not_after).c_str(),
              renewal ? " (renewal is due)" : "");
  std::printf("not yet confirmed %zu results, %llu bytes of events\nevents dropped    %llu\n",
              results.size(), static_cast<unsigned long long>(bytes),
              static_cast<unsigned long long>(dropped));
  return absl::OkStatus();
}

void AddCommonOptions(CLI::App& app, Arguments& args) {
  app.add_option("--config", args.config, "agent.toml (default " + DefaultConfigFile() + ")");
  app.add_option("--state-dir", args.state_dir,
                 "identity and journal (default " + DefaultStateDir() + ")");
  app.add_option("--plugin-dir", args.plugin_dir, "where the plugins are");
  app.add_option("--plugin-host", args.plugin_host, "the program keymedic-plugin-host");
  app.add_option("--system", args.system, "the machine to look at: local, or a lab's (lab:...)");
  app.add_option("--name", args.name, "how people call this machine (its host name)");
  app.add_option("--label", args.labels, "key=value; may be repeated")->allow_extra_args(false);
}

int Fail(const absl::Status& status) {
  std::fprintf(stderr, "keymedic-agent: %s\n", std::string(status.message()).c_str());
  return 1;
}

// As the daemon: also what goes wrong with its configuration is the daemon's to tell.
int BeDaemon(const Arguments& args) {
  log::Start("keymedic-agent");
  return RunDaemon(
      [&args](Daemon& daemon) { return RunAgent([&args] { return MakeConfig(args); }, daemon); });
}

int Main(int argc, char** argv) {
  SetUpProcess();
  Arguments args;
  CLI::App app(kHelp, "keymedic-agent");
  app.set_version_flag("--version", KEYMEDIC_VERSION);
  AddCommonOptions(app, args);
  app.require_subcommand(0, 1);
  CLI::App* enroll = app.add_subcommand("enroll", "join a controller's estate");
  enroll->add_option("--controller", args.controller, "HOST:PORT (default: that of agent.toml)");
  enroll->add_option("--token", args.token, "join token (others can read it in the process list)");
  enroll->add_option("--token-file", args.token_file, "file with the join token");
  CLI::App* diagnose = app.add_subcommand("diagnose", "look at this machine and say what is wrong");
  diagnose->add_option("--output", args.output, "table or json")
      ->check(CLI::IsMember({"table", "json"}));
  diagnose->add_flag("--bundle", args.bundle,
                     "all that was seen, to standard output, for `keymedic bundle create`");
  CLI::App* status = app.add_subcommand("status", "who this machine is, and what waits to be sent");
  CLI::App* run = app.add_subcommand("run", "the daemon");
  // For installers; nothing for people to choose.
  CLI::App* service = app.add_subcommand("service", "")->group("")->require_subcommand(1);
  service->add_subcommand("configure", "what the service does by itself when it starts");
  for (CLI::App* subcommand : {enroll, diagnose, status, run}) subcommand->fallthrough();
  std::vector<std::string> arguments = ProgramArguments(argc, argv);
  std::reverse(arguments.begin(), arguments.end());  // as CLI11 takes them
  try {
    app.parse(std::move(arguments));
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }

  if (!*enroll && !*diagnose && !*status && !*service) return BeDaemon(args);
  log::Start("keymedic-agent", log::Level::kWarning);
  absl::Status result;
  if (*service) {
    result = ConfigureService();
  } else {
    auto config = MakeConfig(args);
    result = !config.ok() ? config.status()
             : *enroll    ? RunEnroll(*config, args)
             : *diagnose  ? RunDiagnose(*config, args)
                          : RunStatus(*config);
  }
  return result.ok() ? 0 : Fail(result);
}

}  // namespace
}  // namespace keymedic::agent

int main(int argc, char** argv) { return keymedic::agent::Main(argc, argv); }
