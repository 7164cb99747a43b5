// SPDX-License-Identifier: Apache-2.0
//
// keymedic: the operator's command.
#include <csignal>
#include <iostream>
#include <sstream>

#include "absl/strings/match.h"
#include "absl/strings/str_join.h"
#include "base/command_tree.h"
#include "base/product_key.h"
#include "cli/commands.h"
#include "cli/suggest.h"

namespace keymedic::cli {
namespace {

constexpr int kManualSection = 1;

constexpr char kDescription[] =
    R"(Examples:
  keymedic diagnose dlv.txt events.xml        what do these outputs say?
  keymedic findings list                      what is wrong in the estate, by cause
  keymedic findings explain 0xC004F074        what does this code mean?
  keymedic estate forecast                    when does who leave Licensed, and what prevents it?
  keymedic remediations plan --select all     what would be done about it
  keymedic remediations start r-1 --plan-hash HASH --watch
  keymedic lab up                             try all of it on a simulated estate

Finds what is wrong with an organisation's volume activation, and puts it right.)";

std::vector<std::string> Names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* sub : app.get_subcommands(nullptr)) {
    if (!sub->get_group().empty()) names.push_back(sub->get_name());
  }
  return names;
}

// A word where a command should stand, and none of its name: 2 with a suggestion. Otherwise 0.
int CheckCommands(const CLI::App& app, const std::vector<std::string>& words) {
  const CLI::App* at = &app;
  std::string path = "keymedic";
  for (size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    const std::vector<std::string> names = Names(*at);
    if (names.empty()) return 0;
    if (absl::StartsWith(word, "-")) {
      const CLI::Option* option = app.get_option_no_throw(word);
      if (option != nullptr && option->get_items_expected_max() > 0) ++i;
      continue;
    }
    const auto subs =
        at->get_subcommands([&](const CLI::App* sub) { return sub->check_name(word); });
    if (subs.empty()) {
      const std::string meant = Suggest(word, names);
      std::cerr << "error: " << path << " has no command '" << RedactProductKeys(word) << "'"
                << (meant.empty() ? "; there are: " + absl::StrJoin(names, ", ")
                                  : "; did you mean '" + meant + "'?")
                << '\n';
      return kUsage;
    }
    at = subs.front();
    path += " " + at->get_name();
  }
  return 0;
}

int Main(int argc, char** argv) {
#ifdef SIGPIPE
  std::signal(SIGPIPE, SIG_IGN);
#endif
  Globals globals;
  int exit_code = kOk;
  CLI::App app(kDescription, "keymedic");
  app.set_version_flag("--version", std::string("keymedic ") + KEYMEDIC_VERSION);
  app.add_option("--profile", globals.profile,
                 "which controller: a name of `keymedic profile list`");
  app.add_option("-o,--output", globals.output, "table or json")
      ->check(CLI::IsMember({"table", "json"}));
  app.add_flag("--no-color", globals.no_color, "no colours (also: NO_COLOR)");
  app.require_subcommand(1);
  app.fallthrough();
  AddDiagnose(app, globals, exit_code);
  AddBundle(app, globals, exit_code);
  AddMachines(app, globals, exit_code);
  AddFindings(app, globals, exit_code);
  AddEstate(app, globals, exit_code);
  AddRemediations(app, globals, exit_code);
  AddPolicy(app, globals, exit_code);
  AddHostKeys(app, globals, exit_code);
  AddTokens(app, globals, exit_code);
  AddAudit(app, globals, exit_code);
  AddProfiles(app, globals, exit_code);
#ifndef _WIN32  // the lab runs on Linux
  AddLab(app, globals, exit_code);
#endif
  AddDoctor(app, globals, exit_code);

  AddCommandDocs(app, kManualSection);

  if (argc == 1) {
    std::cerr << app.help();
    return kUsage;
  }
  if (const int code = CheckCommands(app, {argv + 1, argv + argc}); code != 0) return code;
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    std::ostringstream text;  // it repeats words, and one may be a key in the wrong place
    const int code = app.exit(error, std::cout, text);
    std::cerr << RedactProductKeys(text.str());
    return code == 0 ? kOk : kUsage;
  }
  return exit_code;
}

}  // namespace
}  // namespace keymedic::cli

int main(int argc, char** argv) { return keymedic::cli::Main(argc, argv); }
