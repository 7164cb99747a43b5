// SPDX-License-Identifier: Apache-2.0
//
// keymedic bundle: the agent beside this program looks at the machine, its plugins as always in a
// process of their own, and what it saw is packed.
#include <filesystem>
#include <iostream>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/files.h"
#include "base/status_macros.h"
#include "base/times.h"
#include "cli/bundle.h"
#include "cli/commands.h"
#include "cli/programs.h"
#include "nlohmann/json.hpp"

namespace keymedic::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kMaxLog = 256u << 10;

struct CreateOptions {
  std::string file, agent, config, plugin_dir, plugin_host, system, name, log;
  bool force = false;
};

absl::StatusOr<v1::SupportBundle> Collect(const CreateOptions& options) {
  std::vector<std::string> command = {options.agent.empty() ? ProgramPath("keymedic-agent")
                                                            : options.agent};
  for (const auto& [flag, value] : {std::pair("--config", options.config),
                                    {"--plugin-dir", options.plugin_dir},
                                    {"--plugin-host", options.plugin_host},
                                    {"--system", options.system},
                                    {"--name", options.name}}) {
    if (!value.empty()) command.insert(command.end(), {flag, value});
  }
  command.insert(command.end(), {"diagnose", "--bundle"});
  const std::string program = command[0];
  KM_ASSIGN_OR_RETURN(const std::string output, OutputOf(command, /*quiet=*/false));
  v1::SupportBundle bundle;
  if (!bundle.ParseFromString(output) || bundle.machine().empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat(program, " gave no bundle: it is of another version than keymedic"));
  }
  return bundle;
}

std::string Tail(std::string log) {
  if (log.size() <= kMaxLog) return log;
  const size_t from = log.find('\n', log.size() - kMaxLog);
  return log.substr(from == std::string::npos ? log.size() - kMaxLog : from + 1);
}

absl::StatusOr<std::string> AgentLog(const CreateOptions& options) {
  if (!options.log.empty()) {
    KM_ASSIGN_OR_RETURN(std::string log, ReadFile(options.log));
    return Tail(std::move(log));
  }
  if (!options.system.empty() && options.system != "local") return "";
  // The journal, where there is one and we may read it.
  return Tail(OutputOf({"journalctl", "--unit", "keymedic-agent", "--lines", "2000", "--no-pager",
                        "--quiet", "--output", "short-iso"},
                       /*quiet=*/true)
                  .value_or(""));
}

// A name for people and for every file system.
std::string FileNameFor(const v1::SupportBundle& bundle) {
  std::string machine;
  for (const char c : bundle.machine().substr(0, 64)) {
    machine += absl::ascii_isalnum(c) || c == '-' || c == '.' ? c : '_';
  }
  return absl::StrCat(
      "keymedic-", machine, "-",
      absl::FormatTime("%Y%m%dT%H%M%SZ", FromTimestamp(bundle.collected_at()), absl::UTCTimeZone()),
      ".zip");
}

absl::Status Write(const std::string& file, const std::string& bytes, bool force) {
  if (!force) {
    // Ours alone from here on, also if two run at once.
    const absl::Status made = CreateNewFile(file);
    if (absl::IsAlreadyExists(made)) {
      return absl::AlreadyExistsError(
          absl::StrCat(file, " is there already: name another file with -o, or say --force"));
    }
    KM_RETURN_IF_ERROR(made);
  }
  const absl::Status status = WriteFileAtomically(file, bytes);
  std::error_code ignored;
  if (!status.ok() && !force) std::filesystem::remove(NativePath(file), ignored);
  return status;
}

absl::Status Create(CreateOptions options, const Globals& globals) {
  KM_ASSIGN_OR_RETURN(const std::string log, AgentLog(options));
  KM_ASSIGN_OR_RETURN(const v1::SupportBundle bundle, Collect(options));
  const absl::Time now = absl::Now();
  KM_ASSIGN_OR_RETURN(const std::vector<ArchiveEntry> files, PackBundle(bundle, log, now));
  KM_ASSIGN_OR_RETURN(const std::string zip, WriteZip(files, now));
  if (options.file.empty()) options.file = FileNameFor(bundle);
  KM_RETURN_IF_ERROR(Write(options.file, zip, options.force));
  if (globals.json()) {
    Json contents = Json::array();
    for (const ArchiveEntry& file : files) contents.push_back(file.name);
    std::cout << Json{{"file", options.file},
                      {"machine", bundle.machine()},
                      {"contents", std::move(contents)}}
                     .dump(2, ' ', false, Json::error_handler_t::replace)
              << '\n';
    return absl::OkStatus();
  }
  std::cout << options.file << ": what " << bundle.machine() << " shows, " << zip.size()
            << " bytes, product keys cut to their last five characters\n";
  for (const ArchiveEntry& file : files) {
    std::cout << "  " << file.name << "  " << file.content.size() << " bytes\n";
  }
  std::cout << "Look into it anywhere: keymedic diagnose " << options.file << '\n';
  return absl::OkStatus();
}

}  // namespace

void AddBundle(CLI::App& app, Globals& globals, int& exit_code) {
  CLI::App* noun = app.add_subcommand(
      "bundle",
      "Examples:\n  keymedic bundle create\n  keymedic bundle create -o pc-017.zip\n  keymedic "
      "diagnose pc-017.zip kms01.zip\n\nOne archive with what this machine shows, for somebody who "
      "cannot look at it.");
  noun->require_subcommand(1);
  noun->fallthrough();
  CLI::App* create = noun->add_subcommand(
      "create", "looks at this machine and packs what it shows; product keys are redacted");
  create->fallthrough();
  auto options = std::make_shared<CreateOptions>();
  create->add_option("-o,--file", options->file,
                     "the archive to make (default keymedic-MACHINE-TIME.zip)");
  create->add_flag("--force", options->force, "replace the file if it is there");
  create->add_option("--log", options->log,
                     "a log of the agent to add (default: the end of its journal)");
  create->add_option("--agent", options->agent,
                     "the program keymedic-agent (default: beside this one)");
  create->add_option("--config", options->config, "the agent's configuration");
  create->add_option("--plugin-dir", options->plugin_dir, "where the agent's plugins are");
  create->add_option("--plugin-host", options->plugin_host, "the program keymedic-plugin-host");
  create->add_option("--system", options->system,
                     "the machine to look at: local, or a lab's (lab:...)");
  create->add_option("--name", options->name, "how people call this machine (its host name)");
  create->callback([&globals, &exit_code, options] {
    const absl::Status status = Create(*options, globals);
    exit_code = status.ok() ? kOk : Fail(status);
  });
}

}  // namespace keymedic::cli
